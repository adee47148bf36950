"""Display of the values that fill gaps: their distributions, and intervals against the truth."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.dates import AutoDateLocator
from matplotlib.ticker import MaxNLocator
from sklearn.utils import check_array, check_scalar

from skvae._rows.arrays import is_frame
from skvae._rows.columns import Column
from skvae._rows.frames import with_gaps
from skvae._validation import check_count
from skvae.metrics._coded_tables import as_dates
from skvae.plotting._figure_layout import (
    COLOURS,
    axes_to_draw_on,
    literal,
    place_below,
    title_over,
)
from skvae.plotting._marginals import MARGINAL_HEIGHT, draw_marginal, marginal_of
from skvae.plotting._pipelines import Opened, Rows
from skvae.plotting._rows_display import column_of
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import FIRST_PANELS, feature_panels, panel_lines

_MOST_INTERVALS = 50


@share_docs()
class ImputationDisplay:
    """Observed and imputed values of each column with gaps, and intervals of the draws.

    Each column has a panel with the shares of its observed values in blue and of the values drawn
    for its gaps in orange: a histogram of numbers, whose outermost bars include all values beyond,
    or bars for the eight most frequent levels. They may differ, if values are missing more often
    in some rows than in others. If the true values of the gaps are known, their shares are
    black: draws should be distributed as they are. Panels below then show the intervals
    between quantiles of the draws for single gaps of numbers against the true value. Their titles
    have the coverage, the share of intervals with the true value, which should be the level.

    Parameters
    ----------
    marginals : dict of str to (bins, observed, imputed) or (bins, observed, imputed, true)
        For each column with gaps, the edges of the bins of a number, or the names of levels as str,
        and the shares of the values in them.
    intervals : dict of str to (true, low, high), default=None
        For each column of numbers with gaps whose values are known, the true values and the ends of
        the intervals.
    level : float, default=0.95
        Level of the intervals.
    features : list of int or str, default=None
        Columns to show, by index among those with gaps or by name; None shows the first nine.

    Attributes
    ----------
    {axes}
    axes_ : ndarray of matplotlib Axes
        A panel for each column that is shown.
    histograms_ : dict of str to tuple of artists
        The observed, the imputed and, if they are known, the true values of each column that is
        shown: matplotlib StepPatch for numbers, BarContainer for levels.
    coverage_ : dict of str to float
        Share of the intervals with the true value, of each column of numbers that is shown.
    interval_axes_ : ndarray of matplotlib Axes
        Panels of the intervals, in the order of `coverage_`.
    lines_ : dict of str to matplotlib LineCollection
        The intervals that are drawn, at most 50 of each column. Those without the true value are
        orange.

    See Also
    --------
    skvae.VAEImputer.impute : Draws values for gaps.
    TableQualityDisplay : Compares any two tables.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEImputer
    >>> from skvae.plotting import ImputationDisplay
    >>> X_true = load_iris().data
    >>> X = np.where(np.random.default_rng(0).random(X_true.shape) < 0.2, np.nan, X_true)
    >>> imputer = VAEImputer(max_epochs=2, random_state=0).fit(X)
    >>> display = ImputationDisplay.from_estimator(imputer, X, X_true, random_state=0)
    >>> list(display.coverage_)
    ['x0', 'x1', 'x2', 'x3']
    """

    def __init__(self, marginals, intervals=None, *, level=0.95, features=None):
        self.marginals = marginals
        self.intervals = intervals
        self.level = level
        self.features = features

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        X_true=None,
        *,
        n_draws=39,
        level=0.95,
        random_state=None,
        features=None,
        ax=None,
    ):
        """Fill gaps with draws and draw the comparison.

        Parameters
        ----------
        {imputer}
        X : array-like of shape (n_samples, n_features)
            Rows with gaps, in the units of the training data.
        X_true : array-like of shape (n_samples, n_features), default=None
            The same rows with the true values, as far as they are known.
        n_draws : int, default=39
            Number of draws for each gap. With 39, intervals of the level 0.95 reach from the
            smallest to the largest draw.
        level : float, default=0.95
            Level of the intervals, in (0, 1).
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None gives different draws at every call.
        features : list of int or str, default=None
            Columns to show, by index among those with gaps or by name; None shows the first nine.
        {ax}
        {returns}
        """
        model = Opened(estimator)
        imputer = model.estimator
        if not hasattr(imputer, "impute"):
            raise ValueError(
                f"{type(imputer).__name__} does not draw values for gaps. Pass a VAEImputer."
            )
        rows, truth = model.rows(X), model.rows(X_true)
        _check_draws(n_draws, level, needed=X_true is not None)
        tables = _Tables(imputer, rows, truth.given, n_draws, random_state)
        return cls(*tables.compare(level), level=level, features=features).plot(ax)

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        {ax}
        {returns}
        """
        names = self._names_to_show()
        numbers = [name for name in names if name in (self.intervals or {})]
        upper, lower = _height(names), _height(numbers)
        self.ax_ = axes_to_draw_on(ax, upper + lower)
        self.figure_ = self.ax_.figure
        self.coverage_, self.lines_, self.interval_axes_ = {}, {}, np.array([])
        if numbers:
            share = lower / (upper + lower)
            below = self.figure_.add_subplot(place_below(self.ax_, share=share))
            self._draw_intervals(below, numbers)
        self._draw_marginals(names)
        return self

    def _names_to_show(self) -> list[str]:
        names = list(self.marginals)
        if self.features is None:
            return names[: len(FIRST_PANELS)]
        return [names[column_of(feature, names)] for feature in self.features]

    def _draw_marginals(self, names: list[str]) -> None:
        has_truth = any(len(self.marginals[name]) > 3 for name in names)
        truth = ", true (black)" if has_truth else ""
        title_over(self.ax_, f"Observed (blue), imputed (orange){truth}")
        self.axes_ = feature_panels(self.ax_, list(map(literal, names)))
        self.histograms_ = {
            name: draw_marginal(panel, *self.marginals[name])
            for panel, name in zip(self.axes_, names, strict=True)
        }

    def _draw_intervals(self, ax: Axes, names: list[str]) -> None:
        self.coverage_ = {name: _coverage(*self.intervals[name]) for name in names}
        titles = [f"{literal(name)}: {share:.0%}" for name, share in self.coverage_.items()]
        title_over(ax, f"Intervals of {self.level:.0%} against true values, and their coverage")
        self.interval_axes_ = feature_panels(ax, titles)
        self.lines_ = {
            name: _draw_lines(panel, *self.intervals[name])
            for panel, name in zip(self.interval_axes_, names, strict=True)
        }


class _Tables:
    """Rows as numbers and codes: with gaps, with the truth, and filled by draws."""

    def __init__(self, imputer, rows: Rows, X_true, n_draws, random_state):
        X = rows.given
        whole = copy.copy(imputer).set_params(add_indicator=False, keep_empty_features=True)
        self._schema = imputer._schema if is_frame(X) else None
        self._missing_values = imputer.missing_values
        self._is_filled = imputer._had_values
        self.rows = self._encode(X)
        self.truth = None if X_true is None else self._encode(X_true)
        if self.truth is not None and self.truth.shape != self.rows.shape:
            raise ValueError(
                f"'X' has shape {self.rows.shape} and 'X_true' {self.truth.shape}. Pass the same "
                "rows, with the values that are missing in 'X'."
            )
        copies = whole.impute(X, n_draws, random_state=random_state)
        self.draws = np.stack([self._encode(each) for each in copies])
        self.columns = self._columns(rows.names)

    def compare(self, level: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the marginals of the columns with gaps, and the intervals of numbers."""
        marginals, intervals = {}, {}
        for place, column in enumerate(self.columns):
            gaps, name = np.isnan(self.rows[:, place]), str(column.name)
            if not gaps.any() or not self._is_filled[place]:
                continue
            draws = self.draws[:, gaps, place]
            truth = None if self.truth is None else self.truth[gaps, place]
            known = [] if truth is None else [truth]
            marginals[name] = marginal_of(column, self.rows[:, place], draws.ravel(), *known)
            if truth is not None and column.base != "level":
                intervals[name] = _intervals(column, truth, draws, level)
        if not marginals:
            raise ValueError("'X' has no gaps that the imputer fills. Pass rows with gaps.")
        return marginals, intervals

    def _encode(self, X: Any) -> np.ndarray:
        X = with_gaps(X, self._missing_values)
        if self._schema is not None:
            return self._schema.encode(X)
        return check_array(X, dtype=np.float64, ensure_all_finite="allow-nan")

    def _columns(self, names: list[Any] | None) -> list[Column]:
        if self._schema is not None:
            return list(self._schema.columns)
        if names is None:
            names = [f"x{column}" for column in range(self.rows.shape[1])]
        return [Column(name, "real", "real", "float64") for name in names]


def _height(names: list[str]) -> float:
    return MARGINAL_HEIGHT * panel_lines(len(names)) if names else 0.0


def _check_draws(n_draws: Any, level: Any, *, needed: bool) -> None:
    """Refuse too few draws for intervals of the level, if there are any."""
    check_count("n_draws", n_draws)
    check_scalar(level, "level", (float, int), min_val=0, max_val=1, include_boundaries="neither")
    fewest = np.ceil(round(2 / (1 - level) - 1, 6))
    if needed and n_draws < fewest:
        raise ValueError(
            f"'n_draws' must be at least {fewest:.0f} for intervals of the level {level}, got "
            f"{n_draws}."
        )


def _intervals(column: Column, truth: np.ndarray, draws: np.ndarray, level: float) -> tuple:
    """Return known true values and the ends of intervals.

    If a true value is distributed as the draws are, it lies between the quantiles of Weibull's
    definition with the probability of the level, for any number of draws.
    """
    known = ~np.isnan(truth)
    ends = np.quantile(
        draws[:, known], ((1 - level) / 2, (1 + level) / 2), axis=0, method="weibull"
    )
    values = (truth[known], *ends)
    return tuple(as_dates(column, x) for x in values) if column.base == "datetime" else values


def _coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    return float(np.mean(_covered(truth, low, high))) if len(truth) else np.nan


def _covered(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return (low <= truth) & (truth <= high)


def _draw_lines(ax: Axes, *intervals: np.ndarray) -> LineCollection:
    """Draw intervals over the true values, evenly chosen by rank if there are many."""
    truth = intervals[0]
    ranks = np.linspace(0, max(len(truth) - 1, 0), min(_MOST_INTERVALS, len(truth)))
    chosen = np.argsort(truth, kind="stable")[ranks.astype(int)]
    truth, low, high = (values[chosen] for values in intervals)
    colours = np.where(_covered(truth, low, high), COLOURS[0], COLOURS[1]).tolist()
    ax.plot(truth, truth, color="black", linewidth=0.8)
    for axis in (ax.xaxis, ax.yaxis):
        is_date = truth.dtype.kind == "M"
        axis.set_major_locator(AutoDateLocator(maxticks=4) if is_date else MaxNLocator(3))
    return ax.vlines(truth, low, high, colors=colours)
