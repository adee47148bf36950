"""The display of the latent space as a map."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skvae.plotting._class_styles import MOST_CLASSES, class_styles, label_at_medians
from skvae.plotting._figure_layout import COLOURS, axes_to_draw_on

_LONGEST_LABEL = 3  # letters of a class that is written on the map itself
_LEGEND_LINES = 16
_N_BINS = 30


class LatentSpaceDisplay:
    """Rows in the latent plane, coloured by class or by number.

    More than two latent dimensions are projected onto their first two principal components, which
    title and axes say. A single one takes the horizontal axis; upwards go the classes, jittered, or
    the numbers, or without either the count of the rows.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_components)
        Latent rows, such as `transform` returns.
    y : array-like of shape (n_samples,), default=None
        What to colour by: numbers that are not whole, or of more than 50 values, get a colour bar;
        anything else is a class with an entry in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    scatters_ : list of matplotlib PathCollection
        The points, class by class; empty for a histogram.
    points_ : ndarray of shape (n_samples, 2)
        What was drawn; (n_samples, 1) for a histogram.
    labels_ : list of matplotlib Text
        More than seven classes of short names are also written at their medians; else empty.
    colorbar_ : matplotlib Colorbar
        The scale of the numbers; None without.
    histogram_ : matplotlib BarContainer
        Counts along a single latent dimension without `y`; else None.

    See Also
    --------
    ManifoldDisplay : What the model decodes from the latent plane.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(vae, X, y)
    >>> len(display.scatters_)  # one for each class
    3
    >>> plt.close(display.figure_)
    """

    def __init__(self, Z, y=None):
        self.Z = Z
        self.y = y

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, scatter_kwargs=None):
        """Embed rows and draw them.

        Parameters
        ----------
        estimator : VAETransformer or VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers to colour by.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        scatter_kwargs : dict, default=None
            For :meth:`matplotlib.axes.Axes.scatter`, such as ``{"s": 20}``.

        Returns
        -------
        display : LatentSpaceDisplay
            With what was drawn.
        """
        Z = estimator.posterior(X)[0]
        return cls(Z, y).plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax=None, *, scatter_kwargs=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        scatter_kwargs : dict, default=None
            For :meth:`matplotlib.axes.Axes.scatter`, such as ``{"s": 20}``.

        Returns
        -------
        self : LatentSpaceDisplay
            With `ax_`, `figure_`, `scatters_`, `points_`, `labels_`, `colorbar_` and `histogram_`
            set.
        """
        Z = check_array(self.Z)
        y = None if self.y is None else _checked_labels(self.y, Z)
        style = {"s": np.clip(20_000 / len(Z), 4, 14), "linewidths": 0, "alpha": 0.8}
        style |= scatter_kwargs or {}
        self.scatters_, self.labels_ = [], []
        self.colorbar_ = self.histogram_ = None
        if Z.shape[1] == 1:
            self._draw_line(ax, Z, y, style)
        else:
            self._draw_map(ax, Z, y, style)
        self.figure_ = self.ax_.figure
        return self

    def _draw_map(self, ax, Z, y, style: dict) -> None:
        self.points_, xlabel, ylabel, note = _plane(Z)
        self.ax_ = axes_to_draw_on(ax, height=3.8)
        self.ax_.set(xlabel=xlabel, ylabel=ylabel, title=f"Latent space{note}")
        if y is None:
            self._scatter({"color": COLOURS[0]} | style)
        elif _are_numbers(y):
            self._scatter({"c": y, "cmap": "viridis"} | style)
            self.colorbar_ = self.ax_.figure.colorbar(
                self.scatters_[0], ax=self.ax_, label=self._name_of_y()
            )
            self.colorbar_.solids.set_alpha(1)
        else:
            self._scatter_classes(y, style)
            self._name_classes(y)

    def _draw_line(self, ax, Z, y, style: dict) -> None:
        classes = [] if y is None or _are_numbers(y) else np.unique(y)
        self.ax_ = axes_to_draw_on(ax, height=max(3.8, 1 + 0.19 * len(classes)))
        self.ax_.set(xlabel="latent dimension 0", title="Latent space")
        if y is None:
            self.points_ = Z
            self.histogram_ = self.ax_.hist(Z[:, 0], bins=_N_BINS, color=COLOURS[0])[2]
            self.ax_.set_ylabel("rows")
        elif _are_numbers(y):
            self.points_ = np.column_stack([Z, y])
            self._scatter({"color": COLOURS[0]} | style)
            self.ax_.set_ylabel(self._name_of_y())
        else:
            jitter = np.random.default_rng(0).uniform(-0.35, 0.35, len(Z))
            self.points_ = np.column_stack([Z, np.searchsorted(classes, y) + jitter])
            self._scatter_classes(y, style)
            self.ax_.set_yticks(range(len(classes)), classes)

    def _scatter(self, style: dict) -> None:
        self.scatters_ = [self.ax_.scatter(*self.points_.T, **style)]

    def _scatter_classes(self, y, style: dict) -> None:
        classes = np.unique(y)
        if len(classes) > MOST_CLASSES:
            raise ValueError(
                f"'y' has {len(classes)} classes, but no more than {MOST_CLASSES} can be told "
                "apart. Pass fewer of them, or numbers."
            )
        self.scatters_ = [
            self.ax_.scatter(*self.points_[y == label].T, label=str(label), **look | style)
            for label, look in zip(classes, class_styles(len(classes)), strict=True)
        ]

    def _name_classes(self, y) -> None:
        """Add a legend and, where colours run out, the classes themselves at their medians."""
        classes = np.unique(y)
        self.ax_.legend(
            title=getattr(self.y, "name", None),
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            ncols=1 + (len(classes) - 1) // _LEGEND_LINES,
            frameon=False,
            markerscale=2,
            handletextpad=0.1,
            columnspacing=0.5,
        )
        short = all(len(str(label)) <= _LONGEST_LABEL for label in classes)
        if len(classes) > len(COLOURS) and short:
            self.labels_ = label_at_medians(self.ax_, self.points_, y, classes)

    def _name_of_y(self) -> str:
        return getattr(self.y, "name", None) or "y"


def _checked_labels(y, Z: np.ndarray) -> np.ndarray:
    y = column_or_1d(y)
    check_consistent_length(Z, y)
    return y


def _are_numbers(y: np.ndarray) -> bool:
    """Return whether a colour bar tells more than a legend: fractions, or many whole numbers."""
    if y.dtype.kind not in "iuf":
        return False
    return bool((y != np.round(y)).any()) or len(np.unique(y)) > MOST_CLASSES


def _plane(Z: np.ndarray) -> tuple[np.ndarray, str, str, str]:
    """Return two coordinates a row, what they are, and how many dimensions there were."""
    if Z.shape[1] == 2:
        return Z, "latent dimension 0", "latent dimension 1", ""
    Z = check_array(Z, ensure_min_samples=2, input_name="Z", estimator="the projection by PCA")
    plane = PCA(2, random_state=0).fit(Z)
    names = [
        f"principal component {i} ({share:.0%} of variance)"
        for i, share in enumerate(plane.explained_variance_ratio_, start=1)
    ]
    return plane.transform(Z), names[0], names[1], f": {Z.shape[1]} dimensions projected by PCA"
