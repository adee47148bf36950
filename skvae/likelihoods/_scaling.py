"""How a Gaussian likelihood measures its features: one scale for all, or a scale for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROWS_LOOKED_AT = 10_000  # enough to tell the resolution of a column, and to sort quickly
_NOISE_FLOOR = 1e-3  # of the scale


class Scaling(NamedTuple):
    """The statistics of the training rows, all float64 of shape (n_features,)."""

    kind: str  # "feature", "global" or "none"
    loc: np.ndarray
    scale: np.ndarray
    noise_floor: np.ndarray  # smallest standard deviation of the noise, in units of the scale
    constant: np.ndarray  # bool: the column has a single value


def measure(X: np.ndarray, scaling: str) -> Scaling:
    """Measure centre, scale and noise floor of the columns of X.

    A column that was recorded in steps of size r carries a rounding error of standard deviation
    ``r / sqrt(12)`` (Sheppard, 1898). Neither its scale nor its noise is taken for smaller than
    that, so that binary, integer and nearly constant columns bound the inputs and the density. A
    column with a single value teaches no scale: it takes the median one of the others.
    """
    loc = X.mean(axis=0, dtype=np.float64)
    std = X.std(axis=0, dtype=np.float64)
    constant = X.min(axis=0) == X.max(axis=0)
    kind = choose_scaling(X, std) if scaling == "auto" else scaling
    varied = ~constant if not constant.all() else np.ones_like(constant)
    if kind == "feature":
        rounding = np.array([_resolution(column) for column in _sample(X).T]) / np.sqrt(12)
        scale = np.maximum(std, rounding)
        scale[constant] = np.median(scale[varied])
    else:
        rounding = np.full(X.shape[1], _resolution(_sample(X).ravel()) / np.sqrt(12))
        scale = np.full(X.shape[1], np.sqrt(np.mean(np.square(std))))
    scale[scale <= np.finfo(np.float64).tiny] = 1.0  # nothing varies at all
    return Scaling(kind, loc, scale, np.maximum(rounding / scale, _NOISE_FLOOR), constant)


def choose_scaling(X: np.ndarray, std: np.ndarray) -> str:
    """Return "global" where the features share one range, as pixels do, else "feature".

    The common range reaches from the median of the columns' minima to the median of their maxima,
    constant columns left out. The features share it when

    - there are at least 16 of them,
    - three quarters of them cover it at least half (intersection over union),
    - none reaches beyond twice that range, and
    - their spreads differ: the largest standard deviation is over 1.2 times the smallest. (Else a
      scaler came before, and one scale or many are the same.)
    """
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    varied = high > low
    if varied.sum() < 16:
        return "feature"
    low, high, std = low[varied], high[varied], std[varied]
    common_low, common_high = np.median(low), np.median(high)
    width = common_high - common_low
    shared = np.minimum(high, common_high) - np.maximum(low, common_low)
    covered = np.maximum(high, common_high) - np.minimum(low, common_low)
    share_range = np.mean(shared >= 0.5 * covered) >= 0.75
    within_reach = high.max() - low.min() <= 2 * width
    differ = std.max() > 1.2 * std.min()
    return "global" if share_range and within_reach and differ else "feature"


def _sample(X: np.ndarray) -> np.ndarray:
    return X[:: max(1, len(X) // _ROWS_LOOKED_AT)]


def _resolution(values: np.ndarray) -> float:
    """Return the smallest step between two different values; 0 where there is only one."""
    if values.size > 100 * _ROWS_LOOKED_AT:
        values = values[:: values.size // (100 * _ROWS_LOOKED_AT)]
    steps = np.diff(np.unique(values).astype(np.float64))
    return float(steps.min()) if steps.size else 0.0
