"""Colours, markers and labels by which classes can be told apart, also by the colour-blind."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
from matplotlib.text import Text

from skvae.plotting._figure_layout import COLOURS, INLIER, OUTLIER

# Petroff (2021), "Accessible Color Sequences for Data Visualization", the sequence of ten
_TEN_COLOURS = [
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
]
_MARKERS = "o^sXD"
MOST_COLOURS = len(_TEN_COLOURS)
MOST_CLASSES = MOST_COLOURS * len(_MARKERS)


def class_styles(n_classes: int) -> list[dict[str, str]]:
    """Return a colour and a marker for each class; each round of the colours has its marker."""
    colours = COLOURS if n_classes <= len(COLOURS) else _TEN_COLOURS
    looks = itertools.islice(itertools.product(_MARKERS, colours), n_classes)
    return [{"marker": marker, "color": colour} for marker, colour in looks]


def styles_of(classes: Sequence[str]) -> list[dict[str, str]]:
    """Return the style of each class; those of `predict` have the colours of in- and outliers."""
    styles = class_styles(len(classes))
    if list(classes) == ["-1", "1"]:
        styles = [style | {"color": c} for style, c in zip(styles, (OUTLIER, INLIER), strict=True)]
    return styles


def level_colours(n_levels: int) -> dict[str, Colormap | BoundaryNorm]:
    """Return the colour map and the norm by which each code of at most ten levels has a colour."""
    colours = [style["color"] for style in class_styles(n_levels)] or ["white"]
    edges = np.arange(len(colours) + 1) - 0.5
    return {"cmap": ListedColormap(colours), "norm": BoundaryNorm(edges, len(colours))}


def label_at_medians(
    ax: Axes, points: np.ndarray, codes: np.ndarray, classes: list[str]
) -> list[Text]:
    """Write each class at its median, or close by if another label is there."""
    medians = np.array([np.median(points[codes == code], axis=0) for code in range(len(classes))])
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    extent[extent == 0] = 1.0
    places = low + extent * _spread((medians - low) / extent, distance=0.065)
    halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
    return [
        ax.text(*place, label, ha="center", va="center", weight="bold", path_effects=halo)
        for place, label in zip(places, classes, strict=True)
    ]


def _spread(points: np.ndarray, distance: float) -> np.ndarray:
    """Push points apart in small steps until no two are closer than this distance."""
    points = points + 1e-6 * np.arange(len(points))[:, None] * (1, -1)  # no two are the same
    for _ in range(200):
        offsets = points[:, None] - points
        lengths = np.linalg.norm(offsets, axis=-1, keepdims=True)
        np.fill_diagonal(lengths[..., 0], np.inf)
        lacking = np.maximum(distance - lengths, 0)
        if not lacking.any():
            break
        points = points + 0.5 * (lacking * offsets / lengths).sum(axis=1)
    return points
