"""Display of rows as points of the latent space."""

from __future__ import annotations

from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skvae.plotting._class_styles import MOST_CLASSES, label_at_medians, styles_of
from skvae.plotting._drawn_tables import DrawnColumn, days, read_drawn
from skvae.plotting._figure_layout import COLOURS, axes_to_draw_on, literal, title_over
from skvae.plotting._pipelines import Opened
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import label_values

_LONGEST_LABEL = 3  # letters of a class that is written on the map itself
_LEGEND_LINES = 16
_N_BINS = 30


@share_docs()
class LatentSpaceDisplay:
    """Rows in the latent plane, coloured by class or by number.

    More than two latent dimensions are projected onto their first two principal components, or by
    t-SNE or UMAP, as the title and the axes say. A single dimension is drawn from left to right;
    the vertical axis shows the classes, jittered, or the numbers, or, without either, the number of
    rows.

    Parameters
    ----------
    Z : array-like of shape (n_samples, n_components)
        Latent rows, such as `transform` returns.
    y : array-like of shape (n_samples,), default=None
        Values to colour by. Dates get a colour bar, and numbers if they have fractions or more
        than 50 distinct values; all other values are classes with an entry in the legend, in the
        order of their categories if they have one. The classes -1 and 1 have the colours of
        outliers and inliers.
    {projection}

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

    def __init__(self, Z, y=None, *, projection="pca"):
        self.Z = Z
        self.y = y
        self.projection = projection

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, projection="pca", ax=None, scatter_kwargs=None
    ):
        """Embed rows and draw them.

        Parameters
        ----------
        {estimator}
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers to colour by.
        {projection}
        {ax}
        {scatter_kwargs}
        {returns}
        """
        model = Opened(estimator)
        Z = model.estimator.posterior(model.rows(X).given)[0]
        return cls(Z, y, projection=projection).plot(ax, scatter_kwargs=scatter_kwargs)

    def plot(self, ax=None, *, scatter_kwargs=None):
        """Draw the display.

        Parameters
        ----------
        {ax}
        {scatter_kwargs}
        {returns}
        """
        Z = check_array(self.Z)
        y = None if self.y is None else _read_labels(self.y, Z)
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
        plane = _plane(Z, self.projection)
        self.points_ = plane.points
        self.ax_ = axes_to_draw_on(ax, height=3.8)
        self.ax_.set(xlabel=plane.xlabel, ylabel=plane.ylabel)
        if not plane.xlabel:  # coordinates without a meaning
            self.ax_.set(xticks=[], yticks=[])
        title_over(self.ax_, f"Latent space{plane.note}")
        if y is None:
            self._scatter({"color": COLOURS[0]} | style)
        elif y.classes is None:
            self._scatter({"c": y.values, "cmap": "viridis"} | style)
            self.colorbar_ = self.ax_.figure.colorbar(
                self.scatters_[0], ax=self.ax_, label=self._name_of_y()
            )
            label_values(self.colorbar_.ax.yaxis, y.column)
            self.colorbar_.solids.set_alpha(1)
        else:
            self._scatter_classes(y, style)
            self._name_classes(y)

    def _draw_line(self, ax, Z, y, style: dict) -> None:
        classes = [] if y is None else y.classes or []
        self.ax_ = axes_to_draw_on(ax, height=max(3.8, 1 + 0.19 * len(classes)))
        self.ax_.set(xlabel="latent dimension 0", title="Latent space")
        if y is None:
            self.points_ = Z
            self.histogram_ = self.ax_.hist(Z[:, 0], bins=_N_BINS, color=COLOURS[0])[2]
            self.ax_.set_ylabel("rows")
        elif y.classes is None:
            self.points_ = np.column_stack([Z, y.values])
            self._scatter({"color": COLOURS[0]} | style)
            self.ax_.set_ylabel(self._name_of_y())
            label_values(self.ax_.yaxis, y.column)
        else:
            jitter = np.random.default_rng(0).uniform(-0.35, 0.35, len(Z))
            self.points_ = np.column_stack([Z, y.values + jitter])
            self._scatter_classes(y, style)
            self.ax_.set_yticks(range(len(classes)), classes)

    def _scatter(self, style: dict) -> None:
        self.scatters_ = [self.ax_.scatter(*self.points_.T, **style)]

    def _scatter_classes(self, y, style: dict) -> None:
        if len(y.classes) > MOST_CLASSES:
            raise ValueError(
                f"'y' has {len(y.classes)} classes, but no more than {MOST_CLASSES} can be told "
                "apart. Pass fewer classes, or numbers."
            )
        self.scatters_ = [
            self.ax_.scatter(*self.points_[y.values == code].T, label=name, **look | style)
            for code, (name, look) in enumerate(zip(y.classes, styles_of(y.classes), strict=True))
        ]

    def _name_classes(self, y) -> None:
        """Add a legend and, for more classes than colours, labels at their medians."""
        self.ax_.legend(
            title=self._name_of_y(""),
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            ncols=1 + (len(y.classes) - 1) // _LEGEND_LINES,
            frameon=False,
            markerscale=2,
            handletextpad=0.1,
            columnspacing=0.5,
        )
        short = all(len(name) <= _LONGEST_LABEL for name in y.classes)
        if len(y.classes) > len(COLOURS) and short:
            self.labels_ = label_at_medians(self.ax_, self.points_, y.values, y.classes)

    def _name_of_y(self, default: str = "y") -> str:
        return literal(getattr(self.y, "name", None) or default)


class _Labels(NamedTuple):
    """Values to colour by, and what they are."""

    values: np.ndarray  # numbers, or codes of classes
    classes: list[str] | None  # None if a colour bar is clearer than a legend
    column: DrawnColumn


def _read_labels(y, Z: np.ndarray) -> _Labels:
    series = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        table = read_drawn(y=series.alias("y").to_frame().to_native())
        [column], values = table.columns, table.arrays[0][:, 0]
    else:
        column, values = DrawnColumn("number"), column_or_1d(y)
        if values.dtype.kind == "M":
            column, values = DrawnColumn("datetime"), days(values)
    check_consistent_length(Z, values)
    if column.family == "level":
        return _with_missing(values, list(map(literal, column.levels)), column)
    if column.family != "number" or _are_many(values):
        return _Labels(values, None, column)
    classes, codes = np.unique(values, return_inverse=True)
    if values.dtype.kind != "f":
        return _Labels(codes, list(map(literal, classes)), column)
    n_classes = np.count_nonzero(~np.isnan(classes))
    names = [f"{label:.0f}" for label in classes[:n_classes]]
    return _with_missing(np.where(np.isnan(values), np.nan, codes), names, column)


def _with_missing(codes: np.ndarray, classes: list[str], column: DrawnColumn) -> _Labels:
    """Return classes, the last of which are the missing values, if there are any."""
    gaps = np.isnan(codes)
    names = [*classes, "missing"] if gaps.any() else classes
    return _Labels(np.where(gaps, len(classes), codes), names, column)


def _are_many(y: np.ndarray) -> bool:
    """Return whether a colour bar is clearer than a legend: for fractions or many integers."""
    if y.dtype.kind not in "iuf":
        return False
    y = y[~np.isnan(y)]
    return bool((y != np.round(y)).any()) or len(np.unique(y)) > MOST_CLASSES


class _Plane(NamedTuple):
    """Points of a map, and its labels."""

    points: np.ndarray
    xlabel: str
    ylabel: str
    note: str = ""  # for the title


def _plane(Z: np.ndarray, projection: Any) -> _Plane:
    if Z.shape[1] == 2:
        return _Plane(Z, "latent dimension 0", "latent dimension 1")
    if isinstance(projection, str) and projection == "pca":
        return _principal_plane(Z)
    name, reducer = _reducer(projection, len(Z))
    points = check_array(reducer.fit_transform(Z), input_name="projected latent rows")
    if points.shape != (len(Z), 2):
        raise ValueError(
            f"'projection' gave an array of shape {points.shape} for {len(Z)} rows; expected "
            f"({len(Z)}, 2). Set its number of components to 2."
        )
    return _Plane(points, "", "", f"\n{Z.shape[1]} dimensions by {name}")


def _principal_plane(Z: np.ndarray) -> _Plane:
    Z = check_array(Z, ensure_min_samples=2, input_name="Z", estimator="the projection by PCA")
    pca = PCA(2, random_state=0).fit(Z)
    names = [
        f"principal component {i} ({share:.0%} of variance)"
        for i, share in enumerate(pca.explained_variance_ratio_, start=1)
    ]
    return _Plane(pca.transform(Z), *names, f"\n{Z.shape[1]} dimensions projected by PCA")


def _reducer(projection: Any, n_rows: int) -> tuple[str, Any]:
    """Return the name of a projection, and an object that computes it."""
    if hasattr(projection, "fit_transform"):
        return type(projection).__name__, projection
    if projection == "tsne":
        return "t-SNE", TSNE(perplexity=min(30, max(1, (n_rows - 1) / 3)), random_state=0)
    if projection != "umap":
        raise ValueError(
            "'projection' must be 'pca', 'tsne', 'umap' or an object with the method "
            f"fit_transform, got {projection!r}."
        )
    try:
        from umap import UMAP
    except ImportError as exc:
        raise ImportError(
            "projection='umap' needs the package umap-learn, which is not installed. Install it, "
            "or pass projection='tsne'."
        ) from exc
    return "UMAP", UMAP(random_state=0)
