"""Display of a synthetic table beside the real one."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from skvae.metrics._coded_tables import read_tables
from skvae.metrics._column_agreement import associations, column_shapes
from skvae.plotting._figure_layout import axes_to_draw_on, literal, place_below, title_over
from skvae.plotting._marginals import MARGINAL_HEIGHT, draw_marginal, marginal_of, shortened
from skvae.plotting._rows_display import column_of
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import (
    FIRST_PANELS,
    MAP_LINE,
    draw_feature_maps,
    feature_panels,
    panel_lines,
    row_names_height,
)

_MOST_LINES = 30
_MAP_MARGIN = 1.2  # inches


@share_docs()
class TableQualityDisplay:
    """Columns of a synthetic table beside the real ones, and the associations in both tables.

    Each column has a panel with the shares of the real rows in blue and of the synthetic rows in
    orange: a histogram of numbers, whose outermost bars include all values beyond, or bars for the
    eight most frequent levels. Its title shows the agreement of the column, from 0 to 1. Two maps
    below show the correlations of pairs of numbers, and Cramér's V of pairs with levels.

    Parameters
    ----------
    column_shapes : dict of str to float
        Agreement of each column, as in :func:`skvae.metrics.table_quality`.
    marginals : dict of str to (bins, real, synthetic)
        For each column, the edges of the bins of a number, or the names of levels as str, and the
        shares of the real and of the synthetic rows in them.
    associations : (real, synthetic)
        Associations of the columns in both tables: two arrays of shape (n_features, n_features).
    features : list of int or str, default=None
        Columns to show, by index or name; None shows the nine of the lowest agreement, and maps of
        the first 30.

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        A panel for each column that is shown.
    histograms_ : dict of str to (artist, artist)
        The real and the synthetic values of each column that is shown: matplotlib StepPatch for
        numbers, BarContainer for levels.
    map_axes_ : ndarray of matplotlib Axes
        Panels of the maps.
    images_ : list of matplotlib AxesImage
        The maps of the real and of the synthetic table.

    See Also
    --------
    skvae.metrics.table_quality : Measures the quality of a synthetic table.
    SampleDisplay : Shows new rows from a model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae.plotting import TableQualityDisplay
    >>> X = load_iris().data
    >>> rng = np.random.default_rng(0)
    >>> shuffled = np.column_stack([rng.permutation(column) for column in X.T])
    >>> display = TableQualityDisplay.from_tables(X, shuffled)
    >>> display.column_shapes["x0"]
    1.0
    """

    def __init__(self, column_shapes, marginals, associations, *, features=None):
        self.column_shapes = column_shapes
        self.marginals = marginals
        self.associations = associations
        self.features = features

    @classmethod
    def from_tables(cls, real, synthetic, *, features=None, ax=None):
        """Compare two tables and draw the comparison.

        Parameters
        ----------
        real : array-like of shape (n_real, n_features)
            Real rows: a data frame of any columns, or an array of numbers. NaN is a missing value.
        synthetic : array-like of shape (n_synthetic, n_features)
            Rows of the model, with the columns of `real`.
        features : list of int or str, default=None
            Columns to show, by index or name; None shows the nine of the lowest agreement, and maps
            of the first 30.
        {ax}
        {returns}
        """
        tables = read_tables(real, synthetic)
        names, is_level = [str(name) for name in tables.names], tables.is_level
        shapes = column_shapes(tables.real, tables.synthetic, is_level)
        maps = tuple(
            associations(X, like=tables.real, is_level=is_level)
            for X in (tables.real, tables.synthetic)
        )
        return cls(
            dict(zip(names, shapes.tolist(), strict=True)),
            {
                name: marginal_of(column, tables.real[:, place], tables.synthetic[:, place])
                for place, (name, column) in enumerate(zip(names, tables.columns, strict=True))
            },
            maps,
            features=features,
        ).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        {ax}
        {returns}
        """
        shown, mapped = self._columns_to_show()
        upper, lower = (
            MARGINAL_HEIGHT * panel_lines(len(shown)),
            _MAP_MARGIN + MAP_LINE * len(mapped) + row_names_height(self._short_names(mapped)),
        )
        self.ax_ = axes_to_draw_on(ax, upper + lower)
        self.figure_ = self.ax_.figure
        below = self.figure_.add_subplot(place_below(self.ax_, share=lower / (upper + lower)))
        self._draw_marginals(shown)
        self._draw_maps(below, mapped)
        return self

    def _columns_to_show(self) -> tuple[list[str], list[int]]:
        """Return the names of the columns with panels, and the places of those on the maps."""
        names = list(self.marginals)
        if self.features is not None:
            chosen = [column_of(feature, names) for feature in self.features]
            return [names[column] for column in chosen], chosen
        worst_first = sorted(names, key=self.column_shapes.__getitem__)
        return worst_first[: len(FIRST_PANELS)], list(range(len(names)))[:_MOST_LINES]

    def _draw_marginals(self, names: list[str]) -> None:
        titles = [f"{literal(name)}: {self.column_shapes[name]:.2f}" for name in names]
        title_over(self.ax_, "Columns: real (blue) and synthetic (orange)")
        self.axes_ = feature_panels(self.ax_, titles)
        self.histograms_ = {
            name: draw_marginal(panel, *self.marginals[name])
            for panel, name in zip(self.axes_, names, strict=True)
        }

    def _draw_maps(self, ax: Axes, columns: list[int]) -> None:
        names, below = list(self.marginals), self._short_names(columns)
        maps = (np.asarray(values)[np.ix_(columns, columns)] for values in self.associations)
        self.map_axes_, self.images_ = draw_feature_maps(
            ax,
            dict(zip(("real", "synthetic"), maps, strict=True)),
            [literal(names[column]) for column in columns],
            "correlation, or Cramér's V beside levels",
            limit=1,
            extend="neither",
            row_names=[below, below],
        )

    def _short_names(self, columns: list[int]) -> list[str]:
        names = list(self.marginals)
        return [shortened(names[column]) for column in columns]
