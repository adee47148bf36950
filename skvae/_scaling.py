"""Centre and scale of the features, and stand-ins for missing values that change neither."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skvae._rows.arrays import has_gaps

LARGEST_INPUT = 20.0  # in standard deviations: an outlier must not blow up the encoder
LARGEST_SCALED = 1e100  # in units of the scale: sums of squares of such values are finite
_CHUNK_VALUES = 2**18
_NOISE_FLOOR = 1e-3  # of the scale
_SATURATED_SHARE = 0.01
_WILD_GAP = 5.0  # a wild deviation is this many times the next smaller one, or larger
_WILD_SHARE = 0.02  # largest share of the values of a column that can be wild
_SAMPLED_VALUES = 1_000_000
_SAMPLED_ROWS = 10_000


class Ends(NamedTuple):
    """The smallest and the largest value of every column, float64 of shape (n_features,)."""

    low: np.ndarray  # of the ordinary values
    high: np.ndarray
    least: np.ndarray  # of all values
    greatest: np.ndarray

    @property
    def wild(self) -> np.ndarray:
        """Which columns have values beyond their ordinary ends."""
        return (self.least < self.low) | (self.greatest > self.high)

    def in_common(self) -> Ends:
        """Return the ends of all columns together, for columns that share one range."""
        low, high = (np.full_like(self.low, end) for end in (self.low.min(), self.high.max()))
        return self._replace(low=low, high=high)


class Scaling(NamedTuple):
    """The statistics of the training rows, all float64 of shape (n_features,)."""

    kind: str  # "feature", "global" or "none"
    loc: np.ndarray
    scale: np.ndarray
    noise_floor: np.ndarray  # smallest standard deviation of the noise, in units of the scale
    largest_input: np.ndarray  # cut-off of the encoder's inputs, in units of the scale
    unknown: np.ndarray  # bool: constant columns, whose own scale is unknown
    low: float  # smallest value of the table
    high: float  # largest value of the table
    saturated: bool  # at least 1 % of the values equal `low` or `high`, as in images


def measure(X: np.ndarray, scaling: str) -> Scaling:
    """Measure centre, scale and noise floor of the columns of X.

    Wild values (:func:`ordinary_ends`) count as the nearest ordinary ones, so that one broken cell
    does not decide the scale of its column. A column that was recorded in steps of size r has a
    rounding error of standard deviation ``r / sqrt(12)`` (Sheppard, 1898). This is the lower bound
    of its scale and of its noise, so that inputs and density stay bounded for binary, integer and
    nearly constant columns. A constant column gets the median scale of the others. A common scale
    is the pooled standard deviation of the columns, or half of their range if the values are
    saturated.
    """
    ends = ordinary_ends(X)
    loc, std = column_moments(X, ends)
    kind = choose_scaling(X, std, ends) if scaling == "auto" else scaling
    if kind != "feature" and ends.wild.any():
        ends = ends.in_common()
        loc, std = column_moments(X, ends)
    low, high = float(ends.low.min()), float(ends.high.max())
    sample = X[:: _stride(X.size, _SAMPLED_VALUES)]
    at_ends = np.count_nonzero((sample == low) | (sample == high)) - 2  # each end occurs
    saturated = bool(at_ends >= _SATURATED_SHARE * sample.size)
    constant = std == 0
    varied = ~constant if not constant.all() else np.ones_like(constant)
    if kind == "feature":
        columns = X[:: _stride(len(X), _SAMPLED_ROWS)].T
        rounding = np.array([_resolution(column) for column in columns]) / np.sqrt(12)
        scale = np.maximum(std, rounding)
        scale[constant] = np.median(scale[varied])
    else:
        rounding = np.full(X.shape[1], _resolution(sample) / np.sqrt(12))
        one = (high - low) / 2 if kind == "global" and saturated else _pooled(std)
        scale = np.full(X.shape[1], one)
    scale[scale <= np.finfo(np.float64).tiny] = 1.0  # a constant table
    return Scaling(
        kind=kind,
        loc=loc,
        scale=scale,
        noise_floor=np.maximum(rounding / scale, _NOISE_FLOOR),
        largest_input=_largest_input(loc, std, scale, ends),
        unknown=constant if kind == "feature" else np.zeros_like(constant),
        low=low,
        high=high,
        saturated=saturated,
    )


def ordinary_ends(X: np.ndarray) -> Ends:
    """Return the ends of the columns of X without their wild values.

    A value is wild if a gap separates it from the others: its distance from the median is at least
    five times the next smaller distance, or lies beyond such a gap. At most 2 % of a column can be
    wild, or two values in a small table, and only values that are further out than half of those
    that differ from the median: most of a column may be equal. Heavy tails are ordinary, as their
    values follow one another closely.
    """
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    sample = X[:: _stride(X.size, _SAMPLED_VALUES)].astype(np.float64)
    reach = np.full(X.shape[1], np.inf)
    with np.errstate(over="ignore"):  # differences of the largest numbers are infinite
        median = np.median(sample, axis=0)
        furthest = np.maximum(high - median, median - low)
        n_rows = len(sample)
        usual = np.sort(np.abs(sample - median), axis=0)[n_rows - 1 - _most_wild(n_rows)]
        for column in np.flatnonzero(furthest >= _WILD_GAP * usual):
            deviations = np.abs(X[:, column].astype(np.float64) - median[column])
            reach[column] = _ordinary_reach(deviations)
        return Ends(np.maximum(low, median - reach), np.minimum(high, median + reach), low, high)


def winsorized(X: np.ndarray) -> np.ndarray:
    """Return a copy of X in which wild values are replaced by the nearest ordinary ones."""
    ends = ordinary_ends(X)
    return np.clip(X, ends.low, ends.high)


def within_fences(X: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """Return the rows clipped at the outer fences, which may be those of other rows."""
    low, high = outer_fences(X if like is None else like)
    return np.clip(X, low, high)


def outer_fences(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values three interquartile ranges below and above the quartiles.

    If more than half of a column is one value, they are the quartiles of the others, widened to
    include that value. A column of two values has no fences.
    """
    rows = X[:: max(1, len(X) // _SAMPLED_ROWS)].astype(np.float64)
    lower, upper = np.percentile(rows, [25, 75], axis=0)
    spike = np.median(rows, axis=0)
    for column in np.flatnonzero((rows == spike).mean(axis=0) > 0.5):
        others = rows[rows[:, column] != spike[column], column]
        if len(others):
            quartiles = np.percentile(others, [25, 75])
            lower[column], upper[column] = np.sort([*quartiles, spike[column]])[[0, 2]]
    low, high = fences(lower, upper)
    low[lower == upper], high[lower == upper] = -np.inf, np.inf
    with np.errstate(over="ignore"):  # a fence that overflows clips nothing
        return low.astype(X.dtype), high.astype(X.dtype)


def fences(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the outer fences of Tukey (1977): three interquartile ranges beyond the quartiles."""
    with np.errstate(over="ignore"):
        reach = 3 * (upper - lower)
        return lower - reach, upper + reach


def filled_by_ranks(X: np.ndarray) -> np.ndarray:
    """Return rows in which missing values are replaced by observed values of their columns.

    The stand-ins of a column are evenly spaced quantiles of its observed values, so that moments,
    quantiles, frequencies and range stay what they are. A row whose observed values rank higher
    gets higher stand-ins, which keeps neighbouring pixels and wavelengths alike. A column without
    observed values becomes zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    X_filled : ndarray of shape (n_samples, n_features)
        X itself if no value is missing.

    Examples
    --------
    >>> nan = np.nan
    >>> filled_by_ranks(np.array([[1.0, 10.0], [2.0, nan], [3.0, 30.0], [4.0, nan]]))
    array([[ 1., 10.],
           [ 2., 10.],
           [ 3., 30.],
           [ 4., 30.]])
    """
    if not has_gaps(X):
        return X
    missing = np.isnan(X)
    filled, level = X.copy(), _levels_of_rows(X, missing)
    for column in np.flatnonzero(missing.any(axis=0)):
        gaps = np.flatnonzero(missing[:, column])
        observed = np.sort(X[~missing[:, column], column])
        if len(observed) == 0:
            filled[:, column] = 0.0
            continue
        places = (np.arange(len(gaps)) + 0.5) * len(observed) / len(gaps)
        filled[gaps[level[gaps].argsort(kind="stable")], column] = observed[places.astype(int)]
    return filled


def _levels_of_rows(X: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the mean rank of the observed values of each row, in (0, 1); 1/2 if there are none."""
    total, n_observed = np.zeros(len(X)), (~missing).sum(axis=1)
    for column, gaps in zip(X.T, missing.T, strict=True):
        observed = np.flatnonzero(~gaps)
        if len(observed):
            order = np.argsort(column[observed], kind="stable")
            total[observed[order]] += (np.arange(len(observed)) + 0.5) / len(observed)
    return np.where(n_observed > 0, total / np.maximum(n_observed, 1), 0.5)


def column_moments(X: np.ndarray, ends: Ends | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the columns, float64, without a second copy of X.

    Values beyond the `ends` count as the nearest of the two. The range of every column is first
    mapped to [0, 1]. Squares then neither overflow nor vanish, the mean of a constant column is
    exact and its standard deviation is zero, and the variance, which is at least
    1 / (2 n_samples) on that scale, is not lost in the difference of two sums.
    """
    low, high, has_wild = X.min(axis=0), X.max(axis=0), False
    if ends is not None and ends.wild.any():
        low, high, has_wild = ends.low, ends.high, True
    low = low.astype(np.float64)
    width = high.astype(np.float64) - low
    width[width == 0] = 1.0
    n_rows = max(1, _CHUNK_VALUES // X.shape[1])
    sums, squares = np.zeros_like(low), np.zeros_like(low)
    for start in range(0, len(X), n_rows):
        shares = (X[start : start + n_rows] - low) / width
        if has_wild:
            shares = shares.clip(0, 1)
        sums += shares.sum(axis=0)
        squares += np.einsum("ij,ij->j", shares, shares)
    mean = sums / len(X)
    variance = np.maximum(squares / len(X) - mean**2, 0.0)
    return low + width * mean, width * np.sqrt(variance)


def _ordinary_reach(deviations: np.ndarray) -> float:
    """Return the largest ordinary distance of a column from its median, infinite if all are."""
    others = np.sort(deviations[deviations > 0])
    first = max(len(others) - 1 - _most_wild(len(deviations)), (len(others) - 1) // 2)
    tail = others[first:]
    gaps = np.flatnonzero(tail[1:] >= _WILD_GAP * tail[:-1])
    return float(tail[gaps[0]]) if len(gaps) else np.inf


def _most_wild(n_rows: int) -> int:
    return min(max(2, int(_WILD_SHARE * n_rows)), n_rows // 4)


def _largest_input(loc: np.ndarray, std: np.ndarray, scale: np.ndarray, ends: Ends) -> np.ndarray:
    """Return the cut-off of the encoder's inputs, in units of the scale.

    It is 20 standard deviations, or in columns with wild values twice the largest deviation of the
    ordinary ones.
    """
    # with a common scale, a column may have a standard deviation of many times that scale
    largest = LARGEST_INPUT * np.maximum(std / scale, 1)
    ordinary = 2 * np.maximum(ends.high - loc, loc - ends.low) / scale
    return np.where(ends.wild & (ordinary > 0), np.minimum(largest, ordinary), largest)


def _pooled(std: np.ndarray) -> float:
    """Return the root of the mean square."""
    largest = std.max() or 1.0
    return float(largest * np.sqrt(np.mean((std / largest) ** 2)))


def choose_scaling(X: np.ndarray, std: np.ndarray, ends: Ends) -> str:
    """Return "global" if the features share one range, as pixels and spectra do, else "feature".

    "global" needs at least 16 columns that vary, with standard deviations that differ by more than
    a factor of 1.2. If they differ by less, X was probably scaled before, and the choice makes
    little difference.
    """
    varied = ends.high > ends.low
    if varied.sum() < 16 or std[varied].max() <= 1.2 * std[varied].min():
        return "feature"
    low, high = ends.low[varied], ends.high[varied]
    rows = X[:: _stride(X.size, _SAMPLED_VALUES)][:, varied].clip(low, high)
    alike = _share_one_range(rows, low, high) or _run_smoothly(rows, low, high)
    return "global" if alike else "feature"


def _share_one_range(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether the columns cover a common range, or lie in its background, as pixels do.

    The common range extends from the median of the minima to the median of the maxima. The range
    of all columns together may be at most twice as wide. Three quarters of the columns cover half
    of the common range. If there are others, a quarter of the table is background, a twentieth of
    the range at one of its ends, and a quarter of each of the others lies that close to an end.
    """
    common_low, common_high = np.median(low), np.median(high)
    width = common_high - common_low
    wide = _overlap(low, high, common_low, common_high) >= 0.5
    if high.max() - low.min() > 2 * width or wide.mean() < 0.75:
        return False
    at_low, at_high = rows <= common_low + width / 20, rows >= common_high - width / 20
    shares = at_low.mean(axis=0), at_high.mean(axis=0)
    has_background = max(share.mean() for share in shares) >= 0.25
    return bool(wide.all() or (has_background and np.maximum(*shares)[~wide].min() >= 0.25))


def _run_smoothly(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether neighbouring columns resemble each other, as in spectra and time series.

    Three quarters of the neighbouring pairs share half of their ranges, and the median of their
    correlations is above 0.9. Every pair shares a tenth of its range or has such a correlation.
    """
    overlap = _overlap(low[:-1], high[:-1], low[1:], high[1:])
    if np.mean(overlap >= 0.5) < 0.75:
        return False
    centred = rows / np.maximum(np.abs(low), np.abs(high))  # squares of large values overflow
    centred = centred - centred.mean(axis=0, dtype=np.float64)
    products = (centred[:, :-1] * centred[:, 1:]).mean(axis=0)
    std = np.maximum(centred.std(axis=0), np.finfo(np.float64).tiny)
    correlation = products / std[:-1] / std[1:]
    related = (overlap >= 0.1) | (correlation > 0.9)
    return bool(np.median(correlation) > 0.9 and related.all())


def _overlap(low, high, other_low, other_high) -> np.ndarray:
    """Return the share of the union of two ranges that both cover, negative if they are apart."""
    shared = np.minimum(high, other_high) - np.maximum(low, other_low)
    return shared / (np.maximum(high, other_high) - np.minimum(low, other_low))


def _stride(size: int, enough: int) -> int:
    """Return the step between sampled rows, so that about `enough` values are sampled."""
    return max(1, size // enough)


def _resolution(values: np.ndarray) -> float:
    """Return the smallest step between two different values, or 0 if there is only one."""
    steps = np.diff(np.unique(values).astype(np.float64))
    return float(steps.min()) if steps.size else 0.0
