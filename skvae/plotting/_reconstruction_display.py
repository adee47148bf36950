"""The display of rows beside what the model makes of them."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import r2_score

from skvae.plotting._figure_layout import WIDTH, axes_to_draw_on
from skvae.plotting._mosaic import GAP, draw_mosaic, mosaic_height
from skvae.plotting._rows_display import (
    checked_pair,
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)
from skvae.plotting._table_panels import MAP_LINE, MOST_LINES, draw_feature_maps, standardize

_IMAGES_IN_A_LINE = 12


class ReconstructionDisplay:
    """Rows and their reconstructions: images one above the other, tables side by side.

    Rows of a table stand upright in a colour map, in the order of their first principal component:
    a line for each feature, in standard deviations from its mean over the rows given. At the right
    stands R², the share of the feature's variance over these rows that the reconstructions explain.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    X_reconstructed : array-like of shape (n_samples, n_features)
        Their reconstructions, in the same units.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are. "auto" takes them for images if `image_shape` is given, or if their
        number of features is a square of at least 36 and the features share one range: of an
        estimator, if its likelihood has one scale for all; of mere arrays, if one feature in ten
        reaches into the upper quarter of the range that all values span, and one in ten into the
        lower (one in fifty, of fewer than four rows).
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows the first 30.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None takes those of a data frame, else "x0", "x1", ….

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture; for a table the frame of its panels.
    axes_ : ndarray of matplotlib Axes
        The panels: one for images, two for a table.
    figure_ : matplotlib Figure
        Figure of the axes.
    images_ : list of matplotlib AxesImage
        The mosaic of images, or the two maps of a table.
    image_ : matplotlib AxesImage
        The first of them.

    See Also
    --------
    SampleDisplay : New rows from the model.

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

    def __init__(
        self,
        X,
        X_reconstructed,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        self.X = X
        self.X_reconstructed = X_reconstructed
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Reconstruct rows and draw both.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            About a dozen images, or any number of rows of a table.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows the first 30.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of X or of the estimator.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay
            With what was drawn.
        """
        if feature_names is None:
            feature_names = feature_names_of(X, estimator)
        return cls.from_predictions(
            X,
            estimator.reconstruct(X),
            kind=settled_kind(estimator, kind, image_shape),
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        X_reconstructed,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Draw rows and reconstructions that any model made, such as PCA.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        X_reconstructed : array-like of shape (n_samples, n_features)
            Their reconstructions, in the same units.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows the first 30.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of X.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : ReconstructionDisplay
            With what was drawn.
        """
        display = cls(
            X,
            X_reconstructed,
            kind=kind,
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
        self : ReconstructionDisplay
            With `ax_`, `axes_`, `figure_`, `images_` and `image_` set.
        """
        X, X_reconstructed = checked_pair(self.X, self.X_reconstructed, ("X", "X_reconstructed"))
        shape = image_shape_of(X, self.kind, self.image_shape)
        if shape is None:
            self._plot_table(ax, X, X_reconstructed)
        else:
            self._plot_images(ax, X, X_reconstructed, shape)
        self.figure_ = self.ax_.figure
        self.image_ = self.images_[0]
        return self

    def _plot_images(self, ax, X, X_reconstructed, shape) -> None:
        n_lines = math.ceil(len(X) / _IMAGES_IN_A_LINE)
        n_columns = math.ceil(len(X) / n_lines)
        rows = _interleave(X, X_reconstructed, n_columns)
        height = mosaic_height(2 * n_lines, max(n_columns, 4), shape, width=WIDTH)
        self.ax_ = axes_to_draw_on(ax, height + 0.4)
        self.axes_ = np.array([self.ax_])
        self.images_ = [draw_mosaic(self.ax_, rows, n_columns, shape)]
        for line in range(1, n_lines):
            self.ax_.axhline(2 * line * (shape[0] + GAP) - GAP, color="0.6", linewidth=0.8)
        self.ax_.set_title("Originals (above) and reconstructions (below)")

    def _plot_table(self, ax, X, X_reconstructed) -> None:
        if len(X) < 2:
            raise ValueError(
                "One row of a table shows no spread to measure its features by. Pass more rows, or "
                "kind='image' if it is one."
            )
        columns, names, note = choose_features(
            self.X, self.features, self.feature_names, MOST_LINES
        )
        Z = standardize(X[:, columns], like=X[:, columns])
        Z_reconstructed = standardize(X_reconstructed[:, columns], like=X[:, columns])
        first_component = np.linalg.svd(Z, full_matrices=False)[0][:, 0]  # Z is centred
        order = np.argsort(first_component, kind="stable")
        tables = {"originals": Z[order], "reconstructions": Z_reconstructed[order]}
        self.ax_ = axes_to_draw_on(ax, height=1.6 + MAP_LINE * len(columns))
        self.axes_, self.images_ = draw_feature_maps(
            self.ax_, tables, names, "standard deviations from the mean", limit=2
        )
        self.ax_.set_title(f"{len(X)} rows and their reconstructions{note}")
        _write_explained_variance(self.axes_[-1], *tables.values())


def _interleave(X: np.ndarray, X_reconstructed: np.ndarray, n_columns: int) -> np.ndarray:
    """Return lines of originals, each followed by the line of its reconstructions."""
    pair = np.stack([X, X_reconstructed])  # (2, n_samples, n_features)
    n_blank = -len(X) % n_columns
    pair = np.pad(pair, ((0, 0), (0, n_blank), (0, 0)), constant_values=pair.min())
    lines = pair.reshape(2, -1, n_columns, X.shape[1]).swapaxes(0, 1)
    return lines.reshape(-1, X.shape[1])


def _write_explained_variance(ax, Z: np.ndarray, Z_reconstructed: np.ndarray) -> None:
    """Write R² of every feature at the right of its line; none where a feature is constant."""
    shares = r2_score(Z, Z_reconstructed, multioutput="raw_values")
    labels = [
        f"{share:.2f}" if varies else "–"
        for share, varies in zip(shares, np.ptp(Z, axis=0) > 0, strict=True)
    ]
    right = ax.secondary_yaxis("right")
    right.set_yticks(range(len(labels)), labels)
    right.tick_params(length=0)
    right.set_ylabel("R²")
