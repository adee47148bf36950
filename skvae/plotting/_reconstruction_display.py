"""Display of rows beside their reconstructions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from skvae.plotting._drawn_tables import DrawnTables, row_names
from skvae.plotting._figure_layout import axes_to_draw_on, title_over
from skvae.plotting._marginals import shortened
from skvae.plotting._mosaic import GAP
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, read_pair, settings_for
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import (
    FIRST_LINES,
    MAP_LINE,
    MOST_MAP_LINES,
    draw_feature_maps,
    lines_of,
    row_names_height,
    standardize,
)

_IMAGES_IN_A_LINE = 12


@share_docs(default_features="the first 30")
class ReconstructionDisplay(RowsDisplay):
    """Rows and their reconstructions: images one above the other, tables side by side.

    In the colour maps of a table, each row is a column and each feature a line. Rows are in the
    order of their first principal component, up to 16 of them with their names below, and values in
    standard deviations from the feature's mean over the rows given. A column of levels has a line
    for each of its eight most frequent levels, with 1 where a row has it and 0 elsewhere; one of
    two levels has a single line. No more than 60 lines are drawn. R², at the right, is the share of
    the feature's variance over these rows that the reconstructions explain.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows.
    X_reconstructed : array-like of shape (n_samples, n_features)
        Their reconstructions, in the same units.
    {rows}

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        Panels: one for images, two for a table.
    images_ : list of matplotlib AxesImage
        The mosaic of images, or the two maps of a table.
    image_ : matplotlib AxesImage
        The first of them.

    See Also
    --------
    SampleDisplay : New rows from the model.

    Notes
    -----
    With ``kind="auto"``, rows are images if `image_shape` is given, or if their number of features
    is a square of at least 36 and all features share one range. The features of an estimator do if
    its likelihood has one scale for all of them. The features of arrays do if a tenth of them reach
    the upper quarter of the range of all values and a tenth the lower quarter (a fiftieth each for
    fewer than four rows).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(vae, X[:8])
    >>> display.image_.get_array().shape  # two rows of eight 8 x 8 images
    (17, 71)
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
        super().__init__(kind, image_shape, features, feature_names)
        self.X = X
        self.X_reconstructed = X_reconstructed

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
        {estimator}
        X : array-like of shape (n_samples, n_features)
            About a dozen images, or any number of rows of a table.
        {rows}
        {ax}
        {returns}
        """
        model = Opened(estimator)
        rows = model.rows(X)
        settings = settings_for(model, rows, kind, image_shape, features, feature_names)
        X_reconstructed = model.named(model.estimator.reconstruct(rows.given))
        return cls(rows.shown, X_reconstructed, **settings).plot(ax)

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
        """Draw rows and the reconstructions of any model, such as PCA.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        X_reconstructed : array-like of shape (n_samples, n_features)
            Their reconstructions, in the same units.
        {rows}
        {ax}
        {returns}
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

    def _draw(self, ax) -> None:
        tables = read_pair(X=self.X, X_reconstructed=self.X_reconstructed)
        shape = self._image_shape_of(replace(tables, arrays=tables.arrays[:1]))
        if shape is None:
            self._draw_table(ax, tables)
        else:
            self._draw_images(ax, *tables.arrays, shape)

    def _draw_images(self, ax, X, X_reconstructed, shape) -> None:
        n_lines = math.ceil(len(X) / max(_IMAGES_IN_A_LINE, math.ceil(math.sqrt(2 * len(X)))))
        n_columns = math.ceil(len(X) / n_lines)
        rows = _interleave(X, X_reconstructed, n_columns)
        title = "Originals (above) and reconstructions (below)"
        self._draw_mosaic(ax, rows, n_columns, shape, title, margin=0.4, fewest_columns=4)
        self.images_ = [self.image_]
        for line in range(1, n_lines):
            self.ax_.axhline(2 * line * (shape[0] + GAP) - GAP, color="0.6", linewidth=0.8)

    def _draw_table(self, ax, tables: DrawnTables) -> None:
        if len(tables.arrays[0]) < 2:
            raise ValueError(
                "One row of a table has no spread to measure its features by. Pass more rows, or "
                "kind='image' if the row is an image."
            )
        columns, names, note = self._choose_features(self.X, FIRST_LINES)
        (X, X_reconstructed), names = lines_of(tables, columns, names, MOST_MAP_LINES)
        Z, Z_reconstructed = standardize(X, X), standardize(X_reconstructed, X)
        filled = np.nan_to_num(Z)  # Z is centred
        first_component = np.linalg.svd(filled, full_matrices=False)[0][:, 0]
        order = np.argsort(first_component, kind="stable")
        maps = {"originals": Z[order], "reconstructions": Z_reconstructed[order]}
        labels = list(map(shortened, row_names(self.X)))
        labels = [labels[row] for row in order]
        self.ax_ = axes_to_draw_on(ax, 1.6 + row_names_height(labels) + MAP_LINE * len(names))
        self.axes_, self.images_ = draw_feature_maps(
            self.ax_,
            maps,
            names,
            "standard deviations from the mean",
            limit=2,
            row_names=[labels, labels],
        )
        self.image_ = self.images_[0]
        title_over(self.ax_, f"{len(X)} rows and their reconstructions{note}")
        _write_explained_variance(self.axes_[-1], *maps.values())


def _interleave(X: np.ndarray, X_reconstructed: np.ndarray, n_columns: int) -> np.ndarray:
    """Return lines of originals, each followed by the line of its reconstructions."""
    pair = np.stack([X, X_reconstructed])  # (2, n_samples, n_features)
    n_blank = -len(X) % n_columns
    pair = np.pad(pair, ((0, 0), (0, n_blank), (0, 0)), constant_values=pair.min())
    lines = pair.reshape(2, -1, n_columns, X.shape[1]).swapaxes(0, 1)
    return lines.reshape(-1, X.shape[1])


def _write_explained_variance(ax, Z: np.ndarray, Z_reconstructed: np.ndarray) -> None:
    """Write R² of each feature at the right of its line, or a dash if the feature is constant."""
    varies = np.ptp(np.nan_to_num(Z), axis=0) > 0
    unexplained = np.nansum((Z - Z_reconstructed) ** 2, axis=0)
    shares = 1 - unexplained / np.where(varies, np.nansum(Z**2, axis=0), 1.0)  # Z is centred
    labels = [
        f"{share:.2f}" if is_known else "–" for share, is_known in zip(shares, varies, strict=True)
    ]
    right = ax.secondary_yaxis("right")
    right.set_yticks(range(len(labels)), labels)
    right.tick_params(length=0)
    right.set_ylabel("R²")
