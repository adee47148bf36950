"""The histogram likelihood, for numbers of any distribution: several modes, spikes, bounds."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from skvae._parts import Likelihood, LikelihoodModule
from skvae._validation import Interval, StrOptions
from skvae.likelihoods._column_cells import (
    Cells,
    CellsModule,
    check_sizes,
    least_cells,
    sizes_of_columns,
)

_MOST_BINS = 2**12
_NAME = "'n_bins' parameter of Histogram"
_ROWS_PER_BIN = 25
_ROWS_PER_VALUE = 10  # if all values have bins of their own
_ROWS_OF_TAIL = 5  # at least, in the outermost bins
_MOST_HALVINGS = 7
_MOST_DECIMALS = 6


class Histogram(Likelihood):
    """Independent histograms: a mass for each frequent value, and a density between the others.

    For columns of a table that no simple density describes: whole numbers, amounts of which many
    are zero, values with several modes or heavy tails, values within bounds.

    Parameters
    ----------
    n_bins : int, "auto" or list of int, default="auto"
        Largest number of bins of each column. In other than closed sets of values, a value that
        occurs in one of ``2 * n_bins`` rows has a bin of its own, and the others are divided into
        bins of about equal numbers of rows, in which the density is uniform; the outermost bins are
        smaller, to follow long tails. A set is closed if it has at most ``1.5 * n_bins`` different
        values, with ten rows for each: all of them then have their own bins. "auto" is one bin per
        25 rows, at least 8 and at most 100. A list has the numbers of bins of all columns, as in
        the `spec` of what `build` returns.

    See Also
    --------
    skvae.likelihoods.Categorical : For names, and for few levels.
    skvae.likelihoods.Gaussian : For columns with one mode, or tables with few rows.

    Notes
    -----
    ``log p(x|z) = sum_j log(softmax(logits_j(z) + start_j)[bin of x_j] / width of that bin)``,
    where `start` are the log frequencies of the bins in the training rows; densities that are
    constant within bins turn the estimation of a distribution into classification [1]_. One
    additional row stands for values outside all bins, with a Cauchy density over the range of the
    training rows, so that no value is impossible.

    If all values of a column are whole numbers or multiples of 0.1, 0.01, ... or 1e-6, which their
    precision tells apart, each stands for the interval of that length around it: all bins then have
    densities, in the units of X, and draws are rounded to such multiples. In other columns a value
    with a bin of its own has a probability instead of a density. Draws lie between the smallest and
    the largest training value. The encoder receives an indicator of the bin, besides the
    standardised value.

    References
    ----------
    .. [1] Li, Bondell & Reich (2019), "Deep Distribution Regression", section 2.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import Histogram
    >>> hours = np.array([[40.0], [40.0], [40.0], [20.0]])
    >>> density = Histogram().build(hours)
    >>> density.log_prob(torch.zeros(1, 2), torch.tensor([[40.0]])).exp()  # 3 / (4 + 1), and more
    tensor([[0.6032]])
    """

    _parameter_constraints: dict = {
        "n_bins": [
            Interval(Integral, 2, _MOST_BINS, closed="both"),
            StrOptions({"auto"}),
            list,
            tuple,
        ],
    }

    def __init__(self, *, n_bins="auto"):
        self.n_bins = n_bins

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Any real values.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the number of bins of every column.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If a list has not one number of bins for each column.
        """
        self.validate()
        most = self._most_bins(*X.shape)
        cells = _cells(X, most)
        is_settled = not isinstance(self.n_bins, str | Integral)
        sizes = most if is_settled else [len(own.low) for own in cells]
        return CellsModule(Histogram(n_bins=sizes), X, cells, sizes, nominal=False, dense=True)

    def least_values(self, n_features: int) -> int:
        return least_cells(self.n_bins, n_features)

    def validate(self) -> None:
        super().validate()
        check_sizes(_NAME, self.n_bins, _MOST_BINS)

    def _most_bins(self, n_rows: int, n_features: int) -> list[int]:
        """Return the largest number of bins of each column."""
        if self.n_bins == "auto":
            return [int(np.clip(n_rows // _ROWS_PER_BIN, 8, 100))] * n_features
        if isinstance(self.n_bins, Integral):
            return [int(self.n_bins)] * n_features
        return sizes_of_columns(_NAME, self.n_bins, n_features)


def _cells(X: np.ndarray, most: list[int]) -> list[Cells]:
    """Return the cells of all columns; equal columns of two rows, as of model files, share them."""
    known: dict[tuple[float, ...], Cells] = {}
    cells = []
    for column, size in zip(X.T, most, strict=True):
        key = (*column[:2].tolist(), size)
        if len(X) > 2 or key not in known:
            known[key] = _bins(column, size)
        cells.append(known[key])
    return cells


def _bins(column: np.ndarray, n_bins: int) -> Cells:
    """Return at most so many cells: points for frequent values, and intervals between them."""
    values, counts = np.unique(column, return_counts=True)
    values, grid = _on_grid(values)
    is_point = _have_own_bins(counts, n_bins)
    first = _first_of_bins(counts, is_point, n_bins)
    last = np.append(first[1:], len(values)) - 1
    low, high = _bounds(values[first], values[last], is_point[first], grid)
    return Cells(low, high, np.add.reduceat(counts, first), grid)


def _have_own_bins(counts: np.ndarray, n_bins: int) -> np.ndarray:
    """Return which values have bins of their own: all if they are few, else the frequent ones."""
    n_rows = counts.sum()
    if 2 * len(counts) <= 3 * n_bins and len(counts) * _ROWS_PER_VALUE <= n_rows:
        return np.ones(len(counts), dtype=bool)
    is_point = (2 * counts * n_bins >= n_rows) & (counts > 1)
    while np.count_nonzero(is_point | _start_runs(is_point)) > n_bins:
        is_point[np.where(is_point, counts, n_rows + 1).argmin()] = False
    return is_point


def _start_runs(is_point: np.ndarray) -> np.ndarray:
    """Return which of the other values come first or after a frequent one, which divides them."""
    return np.diff(is_point, prepend=True) & ~is_point


def _first_of_bins(counts: np.ndarray, is_point: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the positions of the values with which the bins start."""
    others = np.where(is_point, 0, counts)
    runs = _start_runs(is_point)
    n_left = max(n_bins - int(is_point.sum()) - int(runs.sum()) + 1, 1)
    share = (np.cumsum(others) - others / 2) / max(others.sum(), 1)
    bins = np.searchsorted(_edges(n_left, int(others.sum())), share, side="right")
    starts = (np.diff(bins, prepend=-1) != 0) & ~is_point
    return np.flatnonzero(starts | runs | is_point)


def _edges(n_bins: int, n_rows: int) -> np.ndarray:
    """Return the shares of the rows below the inner bounds of so many bins.

    Bins have equal shares, but the first and the last are halved again and again, so that the
    density follows long tails.
    """
    n_halvings = int(np.log2(max(n_rows / (_ROWS_OF_TAIL * n_bins), 1)))
    n_halvings = min(n_halvings, _MOST_HALVINGS, n_bins // 8)
    n_equal = n_bins - 2 * n_halvings
    tail = 0.5 ** np.arange(n_halvings, 0, -1) / n_equal
    return np.concatenate([tail, np.arange(1, n_equal) / n_equal, 1 - tail[::-1]])


def _bounds(
    first: np.ndarray, last: np.ndarray, is_point: np.ndarray, grid: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of the bins: neighbours touch, unless both are frequent values."""
    if grid:
        first, last = np.round(first * grid), np.round(last * grid)
        low, high = (first - 0.5) / grid, (last + 0.5) / grid
        below, above = low.copy(), high.copy()
        between = ((last[:-1] + first[1:]) // 2 + 0.5) / grid
    else:
        low, high = first.copy(), last.copy()
        below, above = np.nextafter(first, -np.inf), np.nextafter(last, np.inf)
        between = (last[:-1] + first[1:]) / 2
    left, right = is_point[:-1], is_point[1:]
    high[:-1] = np.where(left, high[:-1], np.where(right, below[1:], between))
    low[1:] = np.where(right, low[1:], np.where(left, above[:-1], between))
    return low, high


def _on_grid(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the values in double precision and the grid on which all lie, as in :class:`Cells`.

    A grid is finer than the values only if their precision tells its points apart.
    """
    exact = values.astype(np.float64)
    finest = 1 / np.finfo(values.dtype).eps / max(np.abs(exact).max(), 1.0)
    for decimals in range(_MOST_DECIMALS + 1):
        rounded = np.round(exact, decimals)
        if 10.0**decimals <= finest and np.array_equal(rounded.astype(values.dtype), values):
            return rounded, 10.0**decimals
    return exact, 0.0
