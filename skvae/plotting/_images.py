"""Displays that show rows as images: reconstructions and samples."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils import check_array

from skvae.plotting._figure import axes_to_draw_on

_GAP = 1  # pixels between two images of a mosaic


class ReconstructionDisplay:
    """Originals in the upper row, their reconstructions below.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Images as rows.
    X_reconstructed : array-like of shape (n_samples, n_features)
        Their reconstructions, in the same units.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The mosaic.

    See Also
    --------
    SampleDisplay : New images from the model.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(vae, X[:8])
    >>> display.image_.get_array().shape  # two rows of eight 8 x 8 images
    (17, 71)
    >>> plt.close(display.figure_)
    """

    def __init__(self, X, X_reconstructed, *, image_shape=None):
        self.X = X
        self.X_reconstructed = X_reconstructed
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, X, *, image_shape=None, ax=None):
        """Reconstruct rows and draw both.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Images as rows; about ten fit a page.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay
            With what was drawn.
        """
        return cls(X, estimator.reconstruct(X), image_shape=image_shape).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : ReconstructionDisplay
            With `ax_`, `figure_` and `image_` set.
        """
        originals, reconstructions = check_array(self.X), check_array(self.X_reconstructed)
        n_images = len(originals)
        rows = np.concatenate([originals, reconstructions])
        _show(self, ax, rows, n_images, self.image_shape, figsize=(max(4, 0.7 * n_images), 1.75))
        self.ax_.set_title("Originals (above) and reconstructions (below)")
        return self


class SampleDisplay:
    """New images from the model, in a square.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
        Images as rows.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The mosaic.

    See Also
    --------
    ReconstructionDisplay : Images and what the model makes of them.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import SampleDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = SampleDisplay.from_estimator(vae, n_samples=9, random_state=0)
    >>> display.samples.shape
    (9, 64)
    >>> plt.close(display.figure_)
    """

    def __init__(self, samples, *, image_shape=None):
        self.samples = samples
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls, estimator, *, n_samples=64, random_state=None, image_shape=None, ax=None
    ):
        """Draw new rows from the model and show them.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        n_samples : int, default=64
            Number of images.
        random_state : int, RandomState instance or None, default=None
            Decides the draws.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : SampleDisplay
            With what was drawn.
        """
        samples = estimator.sample(n_samples, random_state=random_state)
        return cls(samples, image_shape=image_shape).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : SampleDisplay
            With `ax_`, `figure_` and `image_` set.
        """
        samples = check_array(self.samples)
        n_columns = math.ceil(math.sqrt(len(samples)))
        _show(self, ax, samples, n_columns, self.image_shape, figsize=(4, 4.2))
        self.ax_.set_title(f"{len(samples)} samples from the prior")
        return self


def _show(display, ax, rows, n_columns, image_shape, figsize) -> None:
    display.ax_ = axes_to_draw_on(ax, figsize)
    display.figure_ = display.ax_.figure
    display.image_ = display.ax_.imshow(_mosaic(rows, n_columns, image_shape), cmap="gray_r")
    display.ax_.set_axis_off()


def _mosaic(rows: np.ndarray, n_columns: int, image_shape) -> np.ndarray:
    """Lay images side by side, with a gap of the background's value, scaled to [0, 1]."""
    images = rows.reshape(len(rows), *_checked_shape(rows.shape[1], image_shape))
    images = (images - rows.min()) / ((rows.max() - rows.min()) or 1.0)
    n_lines = math.ceil(len(images) / n_columns)
    height, width, *colours = images.shape[1:]
    mosaic = np.zeros(
        (n_lines * (height + _GAP) - _GAP, n_columns * (width + _GAP) - _GAP, *colours)
    )
    for index, image in enumerate(images):
        top, left = (index // n_columns) * (height + _GAP), (index % n_columns) * (width + _GAP)
        mosaic[top : top + height, left : left + width] = image
    return mosaic


def _checked_shape(n_features: int, image_shape) -> tuple[int, ...]:
    side = math.isqrt(n_features)
    shape = (side, side) if image_shape is None else tuple(image_shape)
    if math.prod(shape) != n_features:
        raise ValueError(
            f"Rows of {n_features} features cannot be shown as images of shape {shape}. Pass "
            "image_shape=(height, width) or (height, width, 3)."
        )
    return shape
