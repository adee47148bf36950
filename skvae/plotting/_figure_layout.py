"""Axes to draw on, panels within them, and the width and colours of all figures."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.gridspec import SubplotSpec

WIDTH = 4.8  # inches: in a column of 3.5 inches, matplotlib's 10 points become 7

# Okabe & Ito (2008), without yellow, which fades on white; the first two differ most
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INLIER, OUTLIER = COLOURS[:2]  # in every figure that has both

_TITLE_LETTERS = 48  # in a line of 12 points over the width of a figure

# not much less: the solver of constrained layouts (kiwisolver 1.5) aborts the process at 1 / 1000
_TITLE_SHARE = 1 / 64


def axes_to_draw_on(ax: Axes | None, height: float) -> Axes:
    """Return the axes given, or those of a new figure of this height in inches."""
    return plt.subplots(figsize=(WIDTH, height), layout="constrained")[1] if ax is None else ax


def title_over(ax: Axes, text: str) -> None:
    """Write the title of a figure, in lines that are no wider than it."""
    ax.set_title("\n".join(textwrap.fill(line, _TITLE_LETTERS) for line in text.splitlines()))


def literal(text: object) -> str:
    """Return a name or a value as text in which matplotlib reads no dollars as mathematics."""
    return str(text).replace("$", r"\$")


def panels_within(ax: Axes, n_rows: int, n_columns: int, **grid_options) -> np.ndarray:
    """Return axes, (n_rows, n_columns), in the place of `ax`, which shrinks to their title."""
    ax.set_axis_off()
    grid = place_below(ax, share=1 - _TITLE_SHARE).subgridspec(n_rows, n_columns)
    return grid.subplots(squeeze=False, **grid_options)


def place_below(ax: Axes, share: float) -> SubplotSpec:
    """Move axes up within their place, and return the share of it below them."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "This display divides the place of 'ax' among several panels, but these axes are not "
            "part of a grid. Make them with plt.subplots()."
        )
    upper, lower = place.subgridspec(2, 1, height_ratios=(1 - share, share))
    ax.set_subplotspec(upper)
    return lower
