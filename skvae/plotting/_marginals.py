"""Distributions of one column in several tables: histograms of numbers, and bars for levels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from skvae._rows.columns import Column
from skvae.metrics._coded_tables import as_dates, names_of_codes
from skvae.plotting._figure_layout import COLOURS

_MOST_LEVELS, _N_BINS = 8, 20
_TAIL = 0.005  # share of the real values beyond the outermost edges, on either side
_LETTERS = 10  # of the name of a level
_STYLES = (
    {"fill": True, "color": COLOURS[0], "alpha": 0.5},
    {"color": COLOURS[1], "linewidth": 1.5},
    {"color": COLOURS[6], "linewidth": 1.0, "linestyle": ":"},
)
_BAR_COLOURS = (COLOURS[0], COLOURS[1], COLOURS[6])


def marginal_of(column: Column, *samples: np.ndarray) -> tuple[list[str] | np.ndarray, ...]:
    """Return bins of a column, and the shares of the values of each sample in them.

    The bins of numbers are those of the first sample that has values.
    """
    samples = tuple(x[~np.isnan(x)] for x in samples)
    if column.base == "level":
        return _shares_of_levels(names_of_codes(column), samples)
    edges = _edges(next(filter(len, samples), np.empty(0)))
    counts = (np.histogram(np.clip(x, *edges[[0, -1]]), edges)[0] for x in samples)
    bins = as_dates(column, edges) if column.base == "datetime" else edges
    return bins, *map(_shares, counts)


def draw_marginal(ax: Axes, bins, *shares: np.ndarray) -> tuple:
    """Draw up to three distributions in blue, orange and black, and return their artists."""
    ax.set_yticks([])
    if len(bins) == len(shares[0]) + 1:
        _label_bins(ax, bins)
        return tuple(
            ax.stairs(share, bins, **style) for share, style in zip(shares, _STYLES, strict=False)
        )
    places, width = np.arange(len(bins)), 0.8 / len(shares)
    names = [name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…" for name in bins]
    ax.set_xticks(places, names, rotation=90, fontsize="small")
    offsets = width * (np.arange(len(shares)) - (len(shares) - 1) / 2)
    return tuple(
        ax.bar(places + offset, share, width, color=colour)
        for offset, share, colour in zip(offsets, shares, _BAR_COLOURS, strict=False)
    )


def _shares_of_levels(names: list[str], samples: tuple[np.ndarray, ...]) -> tuple:
    """Return the most frequent levels and their shares."""
    shares = [_shares(np.bincount(x.astype(int), minlength=len(names))) for x in samples]
    sums = np.sum(shares, axis=0)
    top = np.argsort(-sums, kind="stable")[:_MOST_LEVELS]
    top = top[sums[top] > 0]
    return [names[code] for code in top], *(share[top] for share in shares)


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL)) if len(values) else (0.0, 1.0)
    return np.histogram_bin_edges([low, high], _N_BINS)


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1)


def _label_bins(ax: Axes, edges: np.ndarray) -> None:
    """Label few numbers, or the days of the first and of the last edge."""
    if edges.dtype.kind != "M":
        ax.xaxis.set_major_locator(MaxNLocator(3))
        return
    ax.set_xticks(edges[[0, -1]], edges[[0, -1]].astype("M8[D]").astype(str), fontsize="small")
    for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
