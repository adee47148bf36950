"""Display of new rows from the model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from skvae.plotting._drawn_tables import DrawnColumn, DrawnTables, dates, read_drawn
from skvae.plotting._figure_layout import axes_to_draw_on, title_over
from skvae.plotting._marginals import (
    MARGINAL_HEIGHT,
    draw_marginal,
    marginal_of_levels,
    marginal_of_numbers,
)
from skvae.plotting._pipelines import Opened
from skvae.plotting._rows_display import RowsDisplay, settings_for
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import FIRST_LINES, draw_distributions, standardize

_N_IMAGES, _N_TABLE_ROWS = 64, 1000


@share_docs(default_features="the first 30")
class SampleDisplay(RowsDisplay):
    """New rows from the model: images in a square, tables by the distribution of each feature.

    Each feature of a table has a line with the histogram of the data, if given, above it and that
    of the samples below it, both on one scale. The unit is the standard deviation of the data, else
    that of the samples; the outermost bars include all values beyond four standard deviations.

    A data frame with text, categories, booleans or dates has a panel for each column instead, with
    bars for the eight most frequent levels, or a histogram in the units of the column.

    Parameters
    ----------
    samples : array-like of shape (n_samples, n_features)
        Rows.
    X : array-like of shape (n_rows, n_features), default=None
        Data to compare the samples of a table with; not used for images.
    {rows}
    source : str, default=None
        Source of the samples for the title, such as "the prior".

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        Panels: one for images and for numbers, one for each column of other tables.
    image_ : matplotlib AxesImage
        The mosaic; None for a table.
    histograms_ : list of matplotlib StepPatch or BarContainer
        For each feature of a table, the data, if given, then the samples; empty for images. Levels
        have bars.

    See Also
    --------
    ReconstructionDisplay : Rows and their reconstructions.
    ManifoldDisplay : A decoded plane of the latent space.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAETransformer
    >>> from skvae.plotting import SampleDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> vae = VAETransformer(max_epochs=2, random_state=0).fit(X)
    >>> display = SampleDisplay.from_estimator(vae, n_samples=9, random_state=0)
    >>> display.samples.shape
    (9, 64)
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
        super().__init__(kind, image_shape, features, feature_names)
        self.samples = samples
        self.X = X
        self.source = source

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        *,
        n_samples="auto",
        mean="auto",
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
        {estimator}
        X : array-like of shape (n_rows, n_features), default=None
            Data to compare the samples of a table with; not used for images.
        n_samples : int or "auto", default="auto"
            Number of rows; "auto" draws 64 images or 1,000 rows of a table.
        mean : bool or "auto", default="auto"
            Whether to show means of p(x|z) or draws from it, as in the estimator's `sample`. "auto"
            shows means of images, and draws the rows of a table, so that they vary as data do.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the draws.
        {rows}
        {ax}
        {returns}
        """
        model = Opened(estimator)
        rows = model.rows(X)
        settings = settings_for(model, rows, kind, image_shape, features, feature_names)
        is_table = settings["kind"] == "table"
        if n_samples == "auto":
            n_samples = _N_TABLE_ROWS if is_table else _N_IMAGES
        if mean == "auto":
            mean = not is_table
        samples = model.estimator.sample(n_samples, random_state=random_state, mean=mean)
        return cls(model.named(samples), rows.shown, source="the prior", **settings).plot(ax)

    def _draw(self, ax) -> None:
        samples = read_drawn(samples=self.samples)
        shape = self._image_shape_of(samples)
        self.image_, self.histograms_ = None, []
        if shape is None:
            self._draw_table(ax, samples)
        else:
            self._draw_images(ax, *samples.arrays, shape)

    def _draw_images(self, ax, samples, shape) -> None:
        n_columns = math.ceil(math.sqrt(len(samples)))
        title = self._description(samples)
        self._draw_mosaic(ax, samples, n_columns, shape, title, margin=0.4)

    def _draw_table(self, ax, samples: DrawnTables) -> None:
        tables = samples if self.X is None else _beside_data(self.X, self.samples)
        if tables.are_numbers:
            self._draw_lines(ax, tables.arrays)
        else:
            self._draw_panels(ax, tables)

    def _draw_lines(self, ax, tables: Sequence[np.ndarray]) -> None:
        title = "Data (above) and samples (below)"
        columns, names, note = self._choose_features(self.samples, FIRST_LINES)
        shown = [table[:, columns] for table in tables]
        shown = [standardize(table, like=shown[0]) for table in shown]
        self.ax_ = axes_to_draw_on(ax, height=1.1 + 0.26 * len(columns))
        self.axes_ = np.array([self.ax_])
        self.histograms_ = draw_distributions(self.ax_, shown, names)
        title = self._description(*tables) if len(tables) == 1 else title
        self.ax_.set_xlabel("standard deviations from the mean")
        title_over(self.ax_, title + note)

    def _draw_panels(self, ax, tables: DrawnTables) -> None:
        alone = len(tables.arrays) == 1
        title = self._description(*tables.arrays) if alone else "Data (blue) and samples (orange)"
        columns = self._make_panels(
            ax, self.samples, title, line_height=MARGINAL_HEIGHT, margin=0.3
        )
        for panel, column in zip(self.axes_, columns, strict=True):
            values = [X[:, column] for X in tables.arrays]
            self.histograms_ += draw_marginal(panel, *_marginal(tables.columns[column], values))

    def _description(self, samples: np.ndarray) -> str:
        return f"{len(samples)} samples" + (f" from {self.source}" if self.source else "")


def _beside_data(X, samples) -> DrawnTables:
    tables = read_drawn(X=X, samples=samples)
    n_features, expected = (table.shape[1] for table in tables.arrays)
    if n_features != expected:
        raise ValueError(
            f"'X' has {n_features} features, the samples have {expected}. Pass data with the "
            "features that the estimator was fitted with."
        )
    return tables


def _marginal(column: DrawnColumn, values: list[np.ndarray]) -> tuple:
    """Return bins of a column and the shares of each table in them."""
    if column.family == "level":
        return marginal_of_levels(column.levels, *values)
    edges, *shares = marginal_of_numbers(*values)
    return dates(edges) if column.family == "datetime" else edges, *shares
