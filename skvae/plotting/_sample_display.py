"""The display of new rows from the model."""

from __future__ import annotations

import math

from sklearn.utils import check_array

from skvae.plotting._figure_layout import WIDTH, axes_to_draw_on
from skvae.plotting._mosaic import draw_mosaic, mosaic_height
from skvae.plotting._rows_display import (
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)
from skvae.plotting._table_panels import MOST_LINES, draw_distributions, standardize

_N_IMAGES, _N_TABLE_ROWS = 64, 1000


class SampleDisplay:
    """New rows from the model: images in a square, tables by the distribution of each feature.

    The distributions are histograms, of equal scale along a line and each line of its own: data,
    where they are given, stand on it, and samples hang below. The unit is the standard deviation of
    the data, else that of the samples; the outermost bars take what lies beyond four of them.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
        Rows.
    X : array-like of shape (n_rows, n_features), default=None
        Data to compare the samples of a table with; images do without.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows the first 30.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None takes those of a data frame, else "x0", "x1", ….
    source : str, default=None
        What the samples come from, for the title, such as "the prior".

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    histograms_ : list of matplotlib StepPatch
        For a table: of each feature the data, where given, then the samples; else empty.

    See Also
    --------
    ReconstructionDisplay : Rows and what the model makes of them.
    ManifoldDisplay : What the model decodes from a plane of the latent space.

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

    def __init__(
        self,
        samples,
        X=None,
        *,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        source=None,
    ):
        self.samples = samples
        self.X = X
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names
        self.source = source

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        n_samples="auto",
        noise="auto",
        random_state=None,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Draw new rows from the model and show them.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_rows, n_features), default=None
            Data to compare the samples of a table with; images do without.
        n_samples : int or "auto", default="auto"
            Rows to draw; "auto" draws 64 images, or 1,000 rows of a table.
        noise : bool or "auto", default="auto"
            Whether to draw rows from p(x|z), or to take its mean, as in the estimator's `sample`.
            "auto" draws the rows of a table, which are to vary as data do, and takes mean images.
        random_state : int, RandomState instance or None, default=None
            Decides the draws.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
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
        display : SampleDisplay
            With what was drawn.
        """
        kind = settled_kind(estimator, kind, image_shape)
        if n_samples == "auto":
            n_samples = _N_TABLE_ROWS if kind == "table" else _N_IMAGES
        if noise == "auto":
            noise = kind == "table"
        if feature_names is None:
            feature_names = feature_names_of(X, estimator)
        display = cls(
            estimator.sample(n_samples, random_state=random_state, noise=noise),
            X,
            kind=kind,
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
            source="the prior" if estimator.density_ is None else "the fitted density",
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
        self : SampleDisplay
            With `ax_`, `figure_`, `image_` and `histograms_` set.
        """
        samples = check_array(self.samples)
        shape = image_shape_of(samples, self.kind, self.image_shape)
        self.image_, self.histograms_ = None, []
        if shape is None:
            self._plot_table(ax, samples)
        else:
            self._plot_images(ax, samples, shape)
        self.figure_ = self.ax_.figure
        return self

    def _plot_images(self, ax, samples, shape) -> None:
        n_columns = math.ceil(math.sqrt(len(samples)))
        n_lines = math.ceil(len(samples) / n_columns)
        height = mosaic_height(n_lines, n_columns, shape, WIDTH)
        self.ax_ = axes_to_draw_on(ax, height + 0.4)
        self.image_ = draw_mosaic(self.ax_, samples, n_columns, shape)
        self.ax_.set_title(self._description(samples))

    def _plot_table(self, ax, samples) -> None:
        tables = {"samples": samples}
        if self.X is not None:
            tables = {"data": _checked_data(self.X, samples.shape[1]), "samples": samples}
        like = next(iter(tables.values()))
        columns, names, note = choose_features(
            self.samples, self.features, self.feature_names, MOST_LINES
        )
        tables = {
            name: standardize(rows[:, columns], like[:, columns]) for name, rows in tables.items()
        }
        self.ax_ = axes_to_draw_on(ax, height=1.1 + 0.26 * len(columns))
        self.histograms_ = draw_distributions(self.ax_, tables, names)
        self.ax_.set_xlabel("standard deviations from the mean")
        alone = self.X is None
        title = self._description(samples) if alone else "Data (above) and samples (below)"
        self.ax_.set_title(title + note)

    def _description(self, samples) -> str:
        return f"{len(samples)} samples" + (f" from {self.source}" if self.source else "")


def _checked_data(X, n_features: int):
    X = check_array(X)
    if X.shape[1] != n_features:
        raise ValueError(
            f"'X' has {X.shape[1]} features, the samples have {n_features}. Pass data with the "
            "features that the estimator was fitted with."
        )
    return X
