"""Display of rows as points of the latent space."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skvae.plotting._class_styles import MOST_CLASSES, class_styles, label_at_medians
from skvae.plotting._figure_layout import COLOURS, axes_to_draw_on
from skvae.plotting._shared_docs import share_docs

_LONGEST_LABEL = 3  # letters of a class that is written on the map itself
_LEGEND_LINES = 16
_N_BINS = 30


@share_docs()
class LatentSpaceDisplay:
    """Rows in the latent plane, coloured by class or by number.

    More than two latent dimensions are projected onto their first two principal components, as the
    title and the axes say. A single dimension is drawn from left to right; the vertical axis shows
    the classes, jittered, or the numbers, or, without either, the number of rows.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_components)
        Latent rows, such as `transform` returns.
    y : array-like of shape (n_samples,), default=None
        Values to colour by. Numbers get a colour bar if they have fractions or more than 50
        distinct values; all other values are classes with an entry in the legend.

    Attributes
    ----------
    {axes}
    scatters_ : list of matplotlib PathCollection
        The points, class by class; empty for a histogram.
    points_ : ndarray of shape (n_samples, 2)
        Coordinates of the points; (n_samples, 1) for a histogram.
    labels_ : list of matplotlib Text
        Labels at the medians of more than seven classes with short names; otherwise empty.
    colorbar_ : matplotlib Colorbar
        The scale of the numbers; None for classes.
    histogram_ : matplotlib BarContainer
        Counts along a single latent dimension without `y`; otherwise None.

    See Also
    --------
    ManifoldDisplay : A decoded plane of the latent space.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import LatentSpaceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(vae, X, y)
    >>> len(display.scatters_)  # one for each class
    3
    """

    def __init__(self, Z, y=None):
        self.Z = Z
        self.y = y

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, scatter_kwargs=None):
        """Embed rows and draw them.

        Parameters
        ----------
        {estimator}
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers to colour by.
        {ax}
        {scatter_kwargs}
        {returns}
        """
        Z = estimator.posterior(X)[0]
        return cls(Z, y).plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax=None, *, scatter_kwargs=None):
        """Draw the display.

        Parameters
        ----------
        {ax}
        {scatter_kwargs}
        {returns}
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
                "apart. Pass fewer classes, or numbers."
            )
        self.scatters_ = [
            self.ax_.scatter(*self.points_[y == label].T, label=str(label), **look | style)
            for label, look in zip(classes, class_styles(len(classes)), strict=True)
        ]

    def _name_classes(self, y) -> None:
        """Add a legend and, for more classes than colours, labels at their medians."""
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
    """Return whether a colour bar is clearer than a legend: for fractions or many integers."""
    if y.dtype.kind not in "iuf":
        return False
    return bool((y != np.round(y)).any()) or len(np.unique(y)) > MOST_CLASSES


def _plane(Z: np.ndarray) -> tuple[np.ndarray, str, str, str]:
    """Return two coordinates per row, the labels of both, and a note on the projection."""
    if Z.shape[1] == 2:
        return Z, "latent dimension 0", "latent dimension 1", ""
    Z = check_array(Z, ensure_min_samples=2, input_name="Z", estimator="the projection by PCA")
    plane = PCA(2, random_state=0).fit(Z)
    names = [
        f"principal component {i} ({share:.0%} of variance)"
        for i, share in enumerate(plane.explained_variance_ratio_, start=1)
    ]
    return plane.transform(Z), *names, f": {Z.shape[1]} dimensions projected by PCA"
