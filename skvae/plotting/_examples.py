"""Rows as examples of the two ends of a score: images as they are, tables by their deviations."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from skvae.plotting._figure_layout import WIDTH, panels_within
from skvae.plotting._mosaic import draw_mosaic, mosaic_height

_TITLE_HEIGHT = 0.3  # inches


def strips_height(n_strips: int, n_images: int, image_shape: tuple[int, ...]) -> float:
    """Return the height in inches of strips of images."""
    return n_strips * (_TITLE_HEIGHT + mosaic_height(1, max(n_images, 6), image_shape, WIDTH))


def draw_strips(
    ax: Axes, strips: dict[str, np.ndarray], image_shape: tuple[int, ...]
) -> tuple[np.ndarray, list[AxesImage]]:
    """Draw each group of images as a strip under its title, in the place of `ax`."""
    panels = panels_within(ax, len(strips), 1)[:, 0]
    images = []
    for panel, (title, rows) in zip(panels, strips.items(), strict=True):
        images.append(draw_mosaic(panel, rows, len(rows), image_shape))
        panel.set_title(title, fontsize="medium")
    return panels, images


def deviations(X: np.ndarray, X_reconstructed: np.ndarray) -> np.ndarray:
    """Return how far rows are from their reconstructions, in standard deviations of that."""
    errors = X - X_reconstructed
    std = errors.std(axis=0, dtype=np.float64)
    return errors / np.where(std > 0, std, 1.0)


def most_deviant(deviations: np.ndarray, n_features: int) -> np.ndarray:
    """Return the features that deviate most on average over rows, the greatest first."""
    return np.argsort(-np.abs(deviations).mean(axis=0), kind="stable")[:n_features]
