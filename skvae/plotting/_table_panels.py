"""Pictures of tables: colour maps of features, a panel for each feature, and distributions."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateFormatter, AutoDateLocator
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator

from skvae.plotting._drawn_tables import DrawnColumn, DrawnTables
from skvae.plotting._figure_layout import COLOURS, panels_within
from skvae.plotting._marginals import shortened

FIRST_LINES, FIRST_PANELS = range(30), range(9)  # features that are shown by default
MOST_MAP_LINES = 60  # of all features and their levels
_MOST_LEVELS = 8  # of a feature
_WIDEST, _N_BINS = 4.0, 40  # of a histogram, in standard deviations
_LETTER = 0.09  # inches, of the name of a row
_NAME_LETTERS = {1: 60, 2: 28, 3: 14}  # in a line of a name, by the number of panels abreast
MAP_LINE = 0.21  # inches: height of a feature in a map of features
MOST_ROW_NAMES = 16  # below a map


def standardize(X: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return X in standard deviations from the mean of each column of another table."""
    observed = np.ma.masked_invalid(like)
    largest = np.ma.filled(np.abs(observed).max(axis=0).astype(np.float64), 0.0)
    unit = np.where(largest > 0, largest, 1.0)  # squares of far values would overflow
    observed, X = observed / unit, X / unit
    mean, std = (
        np.ma.filled(moment(axis=0, dtype=np.float64), 0.0)
        for moment in (observed.mean, observed.std)
    )
    return (X - mean) / np.where(std > 0, std, 1.0)


def lines_of(
    tables: DrawnTables, columns: np.ndarray, names: list[str], most: int
) -> tuple[list[np.ndarray], list[str]]:
    """Return the features of each table in numbers, with a line for each of the frequent levels.

    Such a line has 1 for the rows with this level and 0 for others. One line is enough for two.
    """
    lines = [
        (name, column, code)
        for name, column in zip(names, columns, strict=True)
        for code in _codes_to_show(tables.columns[column], tables.arrays[0][:, column])
    ][:most]
    arrays = [
        np.column_stack([_line(X[:, column], code) for _, column, code in lines])
        for X in tables.arrays
    ]
    return arrays, [_line_name(name, tables.columns[column], code) for name, column, code in lines]


def _codes_to_show(column: DrawnColumn, x: np.ndarray) -> list[int | None]:
    """Return the codes of levels that have lines; None for numbers."""
    n_levels = len(column.levels)
    if column.family != "level" or n_levels == 0:
        return [None]
    if n_levels == 2:
        return [1]
    counts = np.bincount(x[~np.isnan(x)].astype(int), minlength=n_levels)
    return sorted(np.argsort(-counts, kind="stable")[:_MOST_LEVELS].tolist())


def _line(x: np.ndarray, code: int | None) -> np.ndarray:
    return x if code is None else np.where(np.isnan(x), np.nan, x == code)


def _line_name(name: str, column: DrawnColumn, code: int | None) -> str:
    return name if code is None else f"{name}: {shortened(column.levels[code])}"


def label_values(axis: Axis, column: DrawnColumn) -> None:
    """Label the values on an axis of a panel: names of levels, or dates."""
    if column.family == "level":
        axis.set_ticks(range(len(column.levels)), list(map(shortened, column.levels)))
        axis.set_tick_params(labelsize="small")
    elif column.family == "datetime":
        locator = AutoDateLocator(minticks=2, maxticks=4)
        axis.set_major_locator(locator)
        axis.set_major_formatter(AutoDateFormatter(locator))
        axis.set_tick_params(labelsize="small")


def draw_feature_maps(
    ax: Axes,
    tables: dict[str, np.ndarray],
    names: list[str],
    unit: str,
    limit: float,
    extend: str = "both",
    row_names: list[list[str]] | None = None,
) -> tuple[np.ndarray, list[AxesImage]]:
    """Draw tables side by side, features as lines and rows as columns; colours end at the limit."""
    panels = panels_within(ax, 1, len(tables), sharey=True)[0]
    images = [
        panel.imshow(Z.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
        for panel, Z in zip(panels, tables.values(), strict=True)
    ]
    for panel, title, labels in zip(panels, tables, row_names or [[]] * len(tables), strict=True):
        panel.set_title(title, fontsize="medium")
        named = labels if len(labels) <= MOST_ROW_NAMES else []
        panel.set_xticks(range(len(named)), named, rotation=90, fontsize="small")
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


def row_names_height(labels: list[str]) -> float:
    """Return the height in inches of the names of rows below a map."""
    return _LETTER * max(map(len, labels), default=0) if len(labels) <= MOST_ROW_NAMES else 0.0


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
        tallest = max(share.max() for share in shares) or 1.0
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
    observed = values[~np.isnan(values)]
    counts, _ = np.histogram(np.clip(observed, edges[0], edges[-1]), edges)
    return counts / max(len(observed), 1)
