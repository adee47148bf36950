"""Drawing many images as one, line by line."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from skvae.plotting._figure_layout import WIDTH, panels_within

GAP = 1  # pixels between two images
_MOST_IMAGES = 1024
_TITLE_HEIGHT = 0.3  # inches, of a strip


def draw_mosaic(
    ax: Axes, rows: np.ndarray, n_columns: int, image_shape: tuple[int, ...]
) -> AxesImage:
    """Draw rows as images, scaled from their smallest value (white, if grey) to the largest."""
    if len(rows) > _MOST_IMAGES:
        raise ValueError(
            f"{len(rows)} images are too many for one picture, which holds {_MOST_IMAGES}. Pass "
            "fewer rows, such as X[:16]."
        )
    image = ax.imshow(mosaic(rows, n_columns, image_shape), cmap="gray_r")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return image


def mosaic(rows: np.ndarray, n_columns: int, image_shape: tuple[int, ...]) -> np.ndarray:
    """Lay images side by side with white gaps, scaled to [0, 1]."""
    images = rows.reshape(len(rows), *image_shape)
    images = (images - rows.min()) / ((rows.max() - rows.min()) or 1.0)
    n_lines = math.ceil(len(images) / n_columns)
    height, width, *colours = image_shape
    shape = n_lines * (height + GAP) - GAP, n_columns * (width + GAP) - GAP, *colours
    canvas = np.full(shape, 1.0 if colours else 0.0)
    for index, image in enumerate(images):
        top, left = (index // n_columns) * (height + GAP), (index % n_columns) * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    return canvas


def tile_centres(n_tiles: int, size: int) -> np.ndarray:
    """Return the centres of the tiles along an axis, in pixels of the mosaic."""
    return np.arange(n_tiles) * (size + GAP) + (size - 1) / 2


def mosaic_height(
    n_lines: int, n_columns: int, image_shape: tuple[int, ...], width: float
) -> float:
    """Return the height in inches of a mosaic of this width."""
    return width * n_lines * (image_shape[0] + GAP) / (n_columns * (image_shape[1] + GAP))


def draw_strips(
    ax: Axes, strips: dict[str, np.ndarray], image_shape: tuple[int, ...]
) -> tuple[np.ndarray, list[AxesImage]]:
    """Draw each group of images as a strip below its title, in the place of `ax`."""
    panels = panels_within(ax, len(strips), 1)[:, 0]
    images = []
    for panel, (title, rows) in zip(panels, strips.items(), strict=True):
        images.append(draw_mosaic(panel, rows, len(rows), image_shape))
        panel.set_title(title, fontsize="medium")
    return panels, images


def strips_height(n_strips: int, n_images: int, image_shape: tuple[int, ...]) -> float:
    """Return the height in inches of strips of images."""
    return n_strips * (_TITLE_HEIGHT + mosaic_height(1, max(n_images, 6), image_shape, WIDTH))
