"""Pictures of tables: colour maps of features, a panel for each feature, and distributions."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator

from skvae.plotting._figure_layout import COLOURS, panels_within

FIRST_LINES, FIRST_PANELS = range(30), range(9)  # features that are shown by default
_WIDEST, _N_BINS = 4.0, 40  # of a histogram, in standard deviations
_NAME_LETTERS = {1: 60, 2: 28, 3: 14}  # in a line of a name, by the number of panels abreast
MAP_LINE = 0.21  # inches: height of a feature in a map of features


def standardize(X: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return X in standard deviations from the mean of each column of another table."""
    std = like.std(axis=0, dtype=np.float64)
    return (X - like.mean(axis=0, dtype=np.float64)) / np.where(std > 0, std, 1.0)


def draw_feature_maps(
    ax: Axes,
    tables: dict[str, np.ndarray],
    names: list[str],
    unit: str,
    limit: float,
    extend: str = "both",
) -> tuple[np.ndarray, list[AxesImage]]:
    """Draw tables side by side, features as lines and rows as columns; colours end at the limit."""
    panels = panels_within(ax, 1, len(tables), sharey=True)[0]
    images = [
        panel.imshow(Z.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
        for panel, Z in zip(panels, tables.values(), strict=True)
    ]
    for panel, title in zip(panels, tables, strict=True):
        panel.set_title(title, fontsize="medium")
        panel.set_xticks([])
        panel.tick_params(length=0)
    panels[0].set_yticks(range(len(names)), names)
    ax.figure.colorbar(
        images[0],
        ax=list(panels),
        location="bottom",
        extend=extend,
        label=unit,
        ticks=MaxNLocator(4),
        aspect=30,
        pad=0.1 / (MAP_LINE * len(names)),
    )
    return panels, images


def feature_panels(ax: Axes, names: list[str]) -> np.ndarray:
    """Return a panel for each feature, titled with its name, in the place of `ax`."""
    n_columns = _panel_columns(len(names))
    grid = panels_within(ax, panel_lines(len(names)), n_columns)
    for empty in grid.flat[len(names) :]:
        empty.remove()
    panels = grid.flat[: len(names)]
    for panel, name in zip(panels, names, strict=True):
        title = textwrap.fill(name, _NAME_LETTERS[n_columns], break_long_words=False)
        panel.set_title(title, fontsize="medium")
    return panels


def panel_lines(n_panels: int) -> int:
    """Return the number of lines of that many panels."""
    return math.ceil(n_panels / _panel_columns(n_panels))


def _panel_columns(n_panels: int) -> int:
    return 2 if n_panels in (2, 4) else min(n_panels, 3)


def label_outer(panels: np.ndarray, xlabel: str = "", ylabel: str = "") -> None:
    """Label common axes only in the leftmost panels and at the foot of each column."""
    n_columns = _panel_columns(len(panels))
    for index, panel in enumerate(panels):
        at_foot, at_left = index + n_columns >= len(panels), index % n_columns == 0
        panel.set(xlabel=xlabel if at_foot else "", ylabel=ylabel if at_left else "")
        panel.tick_params(labelbottom=at_foot)
        if ylabel:
            panel.tick_params(labelleft=at_left)


def draw_distributions(ax: Axes, tables: list[np.ndarray], names: list[str]) -> list[StepPatch]:
    """Draw the distribution of each feature on a line: one table above it, a second one below."""
    edges = np.linspace(-_WIDEST, _WIDEST, _N_BINS + 1)
    patches = []
    for line, columns in enumerate(zip(*(Z.T for Z in tables), strict=True)):
        shares = [_histogram(column, edges) for column in columns]
        tallest = max(share.max() for share in shares)
        patches += [
            ax.stairs(line + up * 0.45 * share / tallest, edges, baseline=line, fill=True, color=c)
            for share, up, c in zip(shares, (-1, 1), COLOURS, strict=False)
        ]
    ax.set_yticks(range(len(names)), names)
    ax.set(xlim=(-_WIDEST, _WIDEST), ylim=(len(names) - 0.4, -0.6))  # the first feature on top
    ax.tick_params(axis="y", length=0)
    return patches


def _histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share of the values in each bin; the outermost include all beyond them."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return counts / len(values)
