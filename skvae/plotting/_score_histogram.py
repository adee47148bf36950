"""Histogram of scores and their threshold, with inliers and outliers apart if they are known."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.lines import Line2D
from sklearn.utils import check_consistent_length, column_or_1d

from skvae.plotting._figure_layout import INLIER, OUTLIER

_N_BINS = 40
_RARE = 1 / 20  # of the tallest bar: lower ones are hard to see
_REACH_BELOW = 4  # times as far below the threshold as above it


def groups_of(scores: np.ndarray, y) -> dict[str, np.ndarray]:
    """Return masks of inliers and outliers by the labels of `predict`, or of all rows at once."""
    if y is None:
        return {"all rows": np.ones(len(scores), dtype=bool)}
    y = column_or_1d(y)
    check_consistent_length(scores, y)
    if not np.isin(y, (-1, 1)).all():
        raise ValueError(
            "'y' must hold -1 for outliers and 1 for inliers, as predict does; got the values "
            f"{np.unique(y).tolist()}."
        )
    return {"inliers": y == 1, "outliers": y == -1}


def draw_histogram(
    ax: Axes, scores: np.ndarray, threshold: float, groups: dict[str, np.ndarray]
) -> tuple[list[BarContainer], Line2D, str]:
    """Draw a histogram of each group and the threshold; return them, and a note for the axis."""
    low = _left_end(scores, threshold)
    edges = np.histogram_bin_edges([low, max(scores.max(), threshold)], _N_BINS)
    shown = np.clip(scores, low, None)
    histograms = [
        ax.hist(shown[rows], bins=edges, color=colour, alpha=0.65, label=label)[2]
        for (label, rows), colour in zip(groups.items(), (INLIER, OUTLIER), strict=False)
    ]
    _make_rare_rows_visible(ax, edges, histograms, threshold)
    line = ax.axvline(threshold, color="black", linestyle="--", label="threshold")
    end = f"{edges[1]:.3g}".replace("-", "−")
    note = f"\nthe first bar holds all rows below {end}" if low > scores.min() else ""
    return histograms, line, note


def _make_rare_rows_visible(
    ax: Axes, edges: np.ndarray, histograms: list[BarContainer], threshold: float
) -> None:
    """Count on a logarithmic axis if the outliers, or the rows beyond the threshold, are few."""
    usual, *labelled = (np.array([bar.get_height() for bar in bars]) for bars in histograms)
    rare = labelled[0] if labelled else usual[edges[:-1] < threshold]
    if 0 < rare.max(initial=0) < _RARE * usual.max():
        ax.set_yscale("log")
        ax.set_ylim(bottom=0.5)


def _left_end(scores: np.ndarray, threshold: float) -> float:
    """Return the left end of the histogram, which a long tail would otherwise flatten."""
    above = scores.max() - threshold
    lowest = min(scores.min(), threshold)
    return max(lowest, threshold - _REACH_BELOW * above) if above > 0 else lowest
