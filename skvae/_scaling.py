"""Centre and scale of the features: one scale for all of them, or one for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_CHUNK_VALUES = 2**18
_NOISE_FLOOR = 1e-3  # of the scale
_LARGEST_INPUT = 20.0  # in standard deviations: an outlier must not blow up the encoder
_SATURATED_SHARE = 0.01


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

    A column that was recorded in steps of size r has a rounding error of standard deviation
    ``r / sqrt(12)`` (Sheppard, 1898). This is the lower bound of its scale and of its noise, so
    that inputs and density stay bounded for binary, integer and nearly constant columns. A constant
    column gets the median scale of the others. A common scale is the pooled standard deviation of
    the columns, or half of their range if the values are saturated.
    """
    loc, std = column_moments(X)
    sample = X[:: _stride(X.size, 1_000_000)]
    lows, highs = X.min(axis=0), X.max(axis=0)
    low, high = float(lows.min()), float(highs.max())
    at_ends = np.count_nonzero((sample == low) | (sample == high)) - 2  # each end occurs
    saturated = bool(at_ends >= _SATURATED_SHARE * sample.size)
    constant = lows == highs
    kind = choose_scaling(X, std, lows, highs) if scaling == "auto" else scaling
    varied = ~constant if not constant.all() else np.ones_like(constant)
    if kind == "feature":
        columns = X[:: _stride(len(X), 10_000)].T
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
        # with a common scale, a column may have a standard deviation of many times that scale
        largest_input=_LARGEST_INPUT * np.maximum(std / scale, 1),
        unknown=constant if kind == "feature" else np.zeros_like(constant),
        low=low,
        high=high,
        saturated=saturated,
    )


def column_moments(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the columns, float64, without a second copy of X.

    The range of every column is first mapped to [0, 1]. Squares then neither overflow nor vanish,
    the mean of a constant column is exact and its standard deviation is zero, and the variance,
    which is at least 1 / (2 n_samples) on that scale, is not lost in the difference of two sums.
    """
    low = X.min(axis=0).astype(np.float64)
    width = X.max(axis=0).astype(np.float64) - low
    width[width == 0] = 1.0
    n_rows = max(1, _CHUNK_VALUES // X.shape[1])
    sums, squares = np.zeros_like(low), np.zeros_like(low)
    for start in range(0, len(X), n_rows):
        shares = (X[start : start + n_rows] - low) / width
        sums += shares.sum(axis=0)
        squares += np.einsum("ij,ij->j", shares, shares)
    mean = sums / len(X)
    variance = np.maximum(squares / len(X) - mean**2, 0.0)
    return low + width * mean, width * np.sqrt(variance)


def _pooled(std: np.ndarray) -> float:
    """Return the root of the mean square."""
    largest = std.max() or 1.0
    return float(largest * np.sqrt(np.mean((std / largest) ** 2)))


def choose_scaling(X: np.ndarray, std: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """Return "global" if the features share one range, as pixels and spectra do, else "feature".

    "global" needs at least 16 columns that vary, with standard deviations that differ by more than
    a factor of 1.2. If they differ by less, X was probably scaled before, and the choice makes
    little difference.
    """
    varied = high > low
    if varied.sum() < 16 or std[varied].max() <= 1.2 * std[varied].min():
        return "feature"
    low, high = low[varied].astype(np.float64), high[varied].astype(np.float64)
    rows = X[:: _stride(X.size, 1_000_000)][:, varied]
    return "global" if _share_one_range(low, high) or _run_smoothly(rows, low, high) else "feature"


def _share_one_range(low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether three quarters of the columns cover half of the common range, as pixels do.

    The common range extends from the median of the minima to the median of the maxima. The range
    of all columns together may be at most twice as wide.
    """
    common_low, common_high = np.median(low), np.median(high)
    within_reach = high.max() - low.min() <= 2 * (common_high - common_low)
    return bool(within_reach and _mostly_overlap(low, high, common_low, common_high))


def _run_smoothly(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether neighbouring columns resemble each other, as in spectra and time series.

    Three quarters of the neighbouring pairs share half of their ranges, and the median of their
    correlations is above 0.9.
    """
    if not _mostly_overlap(low[:-1], high[:-1], low[1:], high[1:]):
        return False
    centred = rows / np.maximum(np.abs(low), np.abs(high))  # squares of large values overflow
    centred = centred - centred.mean(axis=0, dtype=np.float64)
    products = (centred[:, :-1] * centred[:, 1:]).mean(axis=0)
    std = np.maximum(centred.std(axis=0), np.finfo(np.float64).tiny)
    return bool(np.median(products / std[:-1] / std[1:]) > 0.9)


def _mostly_overlap(low, high, other_low, other_high) -> bool:
    """Return whether at least three quarters of the pairs of ranges share half of their union."""
    shared = np.minimum(high, other_high) - np.maximum(low, other_low)
    covered = np.maximum(high, other_high) - np.minimum(low, other_low)
    return bool(np.mean(shared >= 0.5 * covered) >= 0.75)


def _stride(size: int, enough: int) -> int:
    """Return the step between sampled rows, so that about `enough` values are sampled."""
    return max(1, size // enough)


def _resolution(values: np.ndarray) -> float:
    """Return the smallest step between two different values, or 0 if there is only one."""
    steps = np.diff(np.unique(values).astype(np.float64))
    return float(steps.min()) if steps.size else 0.0
