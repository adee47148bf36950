"""The display of what lies between two rows in the latent space."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array

from skvae._validation import check_count
from skvae.plotting._decoding import decode
from skvae.plotting._figure_layout import COLOURS, WIDTH, axes_to_draw_on
from skvae.plotting._mosaic import draw_mosaic, mosaic_height, tile_centres
from skvae.plotting._rows_display import (
    checked_pair,
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)
from skvae.plotting._table_panels import MOST_PANELS, feature_panels, label_outer, panel_lines


class InterpolationDisplay:
    """The way from one row to another, along a straight line in the latent space.

    Images form a strip for each pair: the two originals at its ends, between them what the model
    decodes from the start of the line to its end. A table gets a panel for each feature, in the
    feature's units: a line for each pair, and dots for the originals, whose distance from the ends
    of the line is the error of the reconstruction.

    Parameters
    ----------
    X_start, X_end : array-like of shape (n_pairs, n_features)
        Rows to go from and to.
    X_path : array-like of shape (n_pairs, n_steps, n_features)
        Decoded rows from the one to the other, evenly spaced, ends included.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows the first 9.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None takes those of a data frame, else "x0", "x1", ….

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture; for a table the frame of its panels.
    axes_ : ndarray of matplotlib Axes
        The panels: one for images, one for each feature of a table.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    lines_ : list of list of matplotlib Line2D
        For each feature of a table the paths, pair by pair; empty for images.

    See Also
    --------
    ManifoldDisplay : A plane of the latent space.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import InterpolationDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = InterpolationDisplay.from_estimator(vae, X[:3], X[3:6], n_steps=5)
    >>> display.X_path.shape
    (3, 5, 64)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        X_start,
        X_end,
        X_path,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        self.X_start = X_start
        self.X_end = X_end
        self.X_path = X_path
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X_start,
        X_end,
        *,
        n_steps=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Embed pairs of rows, decode the lines between them and draw.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        X_start, X_end : array-like of shape (n_pairs, n_features)
            Rows to go from and to; seven pairs at most of a table.
        n_steps : int, default=8
            Decoded rows of each path, ends included.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows the first 9.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of X_start or of the estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : InterpolationDisplay
            With what was drawn.
        """
        check_count("n_steps", n_steps)
        if n_steps == 1:
            raise ValueError("'n_steps' must be at least 2, as both ends of a path count; got 1.")
        checked_pair(X_start, X_end, ("X_start", "X_end"))
        start, end = estimator.posterior(X_start)[0], estimator.posterior(X_end)[0]
        if feature_names is None:
            feature_names = feature_names_of(X_start, estimator)
        display = cls(
            X_start,
            X_end,
            _decode_lines(estimator, start, end, n_steps),
            kind=settled_kind(estimator, kind, image_shape),
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
        )
        return display.plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : InterpolationDisplay
            With `ax_`, `axes_`, `figure_`, `image_` and `lines_` set.
        """
        X_start, X_end = checked_pair(self.X_start, self.X_end, ("X_start", "X_end"))
        X_path = check_array(self.X_path, allow_nd=True)
        if X_path.shape[::2] != X_start.shape:
            raise ValueError(
                f"'X_path' has shape {X_path.shape} for {len(X_start)} pairs of rows of "
                f"{X_start.shape[1]} features; expected (n_pairs, n_steps, n_features)."
            )
        shape = image_shape_of(np.concatenate([X_start, X_end]), self.kind, self.image_shape)
        self.image_, self.lines_ = None, []
        if shape is None:
            self._plot_table(ax, X_start, X_end, X_path)
        else:
            self._plot_images(ax, X_start, X_end, X_path, shape)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, ax, X_start, X_end, X_path, shape) -> None:
        strips = np.concatenate([X_start[:, None], X_path, X_end[:, None]], axis=1)
        n_pairs, n_columns, n_features = strips.shape
        height = mosaic_height(n_pairs, max(n_columns, 6), shape, WIDTH)
        self.ax_ = axes_to_draw_on(ax, height + 0.7)
        self.axes_ = np.array([self.ax_])
        self.image_ = draw_mosaic(self.ax_, strips.reshape(-1, n_features), n_columns, shape)
        centres = tile_centres(n_columns, shape[1])
        for inner, outer in ((1, 0), (-2, -1)):  # between the originals and the path
            self.ax_.axvline(centres[[inner, outer]].mean(), color=COLOURS[1], linewidth=1.5)
        self.ax_.set_xticks(centres[[0, -1]], ["start", "end"])
        self.ax_.tick_params(length=0)
        self.ax_.set_title("Decoded on the way from start to end")

    def _plot_table(self, ax, X_start, X_end, X_path) -> None:
        if len(X_start) > len(COLOURS):
            raise ValueError(
                f"{len(X_start)} pairs are too many to tell apart; pass {len(COLOURS)} or fewer."
            )
        columns, names, note = choose_features(
            self.X_start, self.features, self.feature_names, MOST_PANELS
        )
        self.ax_ = axes_to_draw_on(ax, height=0.9 + 1.4 * panel_lines(len(names)))
        self.ax_.set_title(f"Decoded on the way from start to end{note}")
        self.axes_ = feature_panels(self.ax_, names)
        self.lines_ = [
            _draw_paths(panel, X_start[:, column], X_end[:, column], X_path[:, :, column])
            for panel, column in zip(self.axes_, columns, strict=True)
        ]
        label_outer(self.axes_)


def _decode_lines(estimator, start: np.ndarray, end: np.ndarray, n_steps: int) -> np.ndarray:
    """Return decoded rows, (n_pairs, n_steps, n_features), along the lines between latent rows."""
    way = np.linspace(0, 1, n_steps, dtype=start.dtype)[:, None]
    Z = start[:, None] + way * (end - start)[:, None]  # (n_pairs, n_steps, n_components)
    return decode(estimator, Z.reshape(-1, start.shape[1])).reshape(len(start), n_steps, -1)


def _draw_paths(ax, start, end, path) -> list:
    way = np.linspace(0, 1, path.shape[1])
    ax.set_xticks([0, 1], ["start", "end"])
    lines = []
    for colour, *ends, values in zip(COLOURS, start, end, path, strict=False):
        lines += ax.plot(way, values, color=colour)
        ax.plot([0, 1], ends, "o", color=colour, markersize=4, clip_on=False)
    return lines
