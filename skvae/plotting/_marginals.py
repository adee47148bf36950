"""Distributions of one column in several tables: histograms of numbers, and bars for levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from skvae._rows.columns import Column
from skvae.metrics._coded_tables import as_dates, names_of_codes
from skvae.plotting._figure_layout import COLOURS, literal

MARGINAL_HEIGHT = 1.9  # inches of a panel
_MOST_LEVELS, _N_BINS = 8, 20
_TAIL = 0.005  # share of the first values beyond the outermost edges, on either side
_MANY_DAYS = np.timedelta64(730, "D")  # in which months are enough
_LETTERS = 10  # of the name of a level
_COLOURS = (COLOURS[0], COLOURS[1], COLOURS[6])
_STYLES = ({"fill": True, "alpha": 0.5}, {"linewidth": 1.5}, {"linewidth": 1.0, "linestyle": ":"})


def marginal_of(column: Column, *values: np.ndarray) -> tuple:
    """Return the bins of a column, and the shares of the values of each table in them."""
    if column.base == "level":
        return marginal_of_levels(names_of_codes(column), *values)
    edges, *shares = marginal_of_numbers(*values)
    return as_dates(column, edges) if column.base == "datetime" else edges, *shares


def marginal_of_levels(names: Sequence[str], *codes: np.ndarray) -> tuple:
    """Return the most frequent levels and their shares in each table."""
    shares = [_shares(np.bincount(_observed(x).astype(int), minlength=len(names))) for x in codes]
    total = np.sum(shares, axis=0)
    top = np.argsort(-total, kind="stable")[:_MOST_LEVELS]
    top = top[total[top] > 0]
    return [names[code] for code in top], *(share[top] for share in shares)


def marginal_of_numbers(*values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the edges of bins, by the first table with values, and the shares of each in them."""
    observed = [_observed(x) for x in values]
    edges = _edges(next(filter(len, observed), np.empty(0)))
    counts = (np.histogram(np.clip(x, *edges[[0, -1]]), edges)[0] for x in observed)
    return edges, *map(_shares, counts)


def draw_marginal(ax: Axes, bins: Any, *shares: np.ndarray) -> tuple:
    """Draw the shares of up to three tables in blue, orange and black, and return the artists."""
    ax.set_yticks([])
    if len(bins) == len(shares[0]) + 1:
        _label_bins(ax, bins)
        return tuple(
            ax.stairs(share, bins, color=colour, **style)
            for share, colour, style in zip(shares, _COLOURS, _STYLES, strict=False)
        )
    places, width = np.arange(len(bins)), 0.8 / len(shares)
    ax.set_xticks(places, list(map(shortened, bins)), rotation=90, fontsize="small")
    first = places - (len(shares) - 1) * width / 2
    return tuple(
        ax.bar(first + i * width, share, width, color=_COLOURS[i]) for i, share in enumerate(shares)
    )


def shortened(name: str) -> str:
    """Return the name of a level with at most ten letters."""
    return literal(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…")


def _observed(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _edges(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, (_TAIL, 1 - _TAIL)) if len(values) else (0.0, 1.0)
    edges = np.linspace(low, high, _N_BINS + 1)
    if (np.diff(edges) > 0).all():
        return edges
    reach = max(0.5, 1e-9 * abs(low))  # a single value, or neighbouring floats
    return np.linspace(low - reach, high + reach, _N_BINS + 1)


def _shares(counts: np.ndarray) -> np.ndarray:
    return counts / max(counts.sum(), 1)


def _label_bins(ax: Axes, edges: np.ndarray) -> None:
    """Label few numbers, or the days or months of the first and of the last edge."""
    if edges.dtype.kind != "M":
        ax.xaxis.set_major_locator(MaxNLocator(3))
        return
    ends = edges[[0, -1]]
    unit = "D" if np.diff(ends) < _MANY_DAYS else "M"
    ax.set_xticks(ends, ends.astype(f"M8[{unit}]").astype(str), fontsize="small")
    for label, side in zip(ax.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
