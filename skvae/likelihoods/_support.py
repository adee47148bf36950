"""Supports of the likelihoods: the unit interval, whole numbers, and levels that occurred."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from skvae._parts import Support

LARGEST_COUNT = 2.0**53  # beyond it float64 no longer distinguishes neighbouring whole numbers
ROUNDING = 12**-0.5  # standard deviation of the rounding error of whole numbers
_SLIGHT = 0.01  # beyond the unit interval: an error of rounding or interpolation
_FEWEST_GREY_LEVELS = 10  # whole numbers below are codes
_REAL = "or choose the likelihood 'gaussian', which accepts any real values."


class UnitInterval(Support):
    """The real numbers from 0 to 1."""

    expected = "values in [0, 1]"

    def accepts(self, X: np.ndarray) -> np.ndarray:
        return self.nearest(X) == X

    def nearest(self, X: np.ndarray) -> np.ndarray:
        return X.clip(0, 1)

    def remedy(self, X: np.ndarray) -> str:
        low, high = float(X.min()), float(X.max())
        if low >= -_SLIGHT and high <= 1 + _SLIGHT:
            return f"Clip such values with X.clip(0, 1), {_REAL}"
        division = f" or X / {high:g}" if low >= 0 else ""
        return (
            f"X ranges from {low:g} to {high:g}. Scale it first, for example with "
            f"sklearn.preprocessing.MinMaxScaler(clip=True){division}, {_REAL}"
        )


class Binary(UnitInterval):
    """The numbers 0 and 1, and the grey levels between them."""

    def remedy(self, X: np.ndarray) -> str:
        if np.array_equal(X, np.rint(X)) and np.abs(X).max() < _FEWEST_GREY_LEVELS:
            return f"Code no and yes as 0 and 1, {_REAL}"
        return super().remedy(X)


class WholeNumbers(Support):
    """The whole numbers from 0 to `high`.

    Parameters
    ----------
    high : float
        The largest of them.
    remedy : str
        Advice on rows with other values, for the error message, which also suggests a Gaussian.
    """

    def __init__(self, high: float, remedy: str):
        self.high = float(high)
        self._remedy = remedy
        last = "on" if self.high == LARGEST_COUNT else f"to {self.high:.16g}"
        self.expected = f"whole numbers from 0 {last}"

    def accepts(self, X: np.ndarray) -> np.ndarray:
        return self.nearest(X) == X

    def nearest(self, X: np.ndarray) -> np.ndarray:
        return X.round().clip(0.0, self.high)

    def remedy(self, X: np.ndarray) -> str:
        return f"{self._remedy}, {_REAL}"


class Codes(Support):
    """The whole numbers, also negative ones."""

    expected = "whole numbers"

    def accepts(self, X: np.ndarray) -> np.ndarray:
        return self.nearest(X) == X

    def nearest(self, X: np.ndarray) -> np.ndarray:
        return X.round()

    def remedy(self, X: np.ndarray) -> str:
        return f"Round X if it holds codes, {_REAL}"


class ObservedLevels(Support):
    """The levels that occurred in training. Others are unlikely, but not an error.

    Parameters
    ----------
    levels : callable
        Returns the levels of every column in ascending order, (n_levels, n_features).
    """

    def __init__(self, levels: Callable[[], Tensor]):
        self.levels = levels

    def check(self, X: np.ndarray, likelihood: object) -> None:
        pass

    def accepts(self, X: np.ndarray) -> np.ndarray:
        """Return which values are levels that occurred in training."""
        return self.nearest(X) == X

    def nearest(self, X: np.ndarray) -> np.ndarray:
        levels = self.levels()
        if isinstance(X, Tensor):
            n_below = (X[:, None] > (levels[:-1] + levels[1:]) / 2).sum(1)
            return levels.gather(0, n_below).to(X.dtype)
        nearest = np.empty_like(X)
        for feature, (column, own) in enumerate(zip(X.T, levels.cpu().numpy().T, strict=True)):
            above = np.searchsorted(own, column).clip(1, len(own) - 1)
            closer_below = column - own[above - 1] <= own[above] - column
            nearest[:, feature] = own[above - closer_below]
        return nearest


UNIT_INTERVAL = UnitInterval()
BINARY = Binary()
CODES = Codes()
COUNTS = WholeNumbers(LARGEST_COUNT, "Round X if it holds counts")


def categories(n_categories: int) -> WholeNumbers:
    """Return the support of the codes of categories."""
    return WholeNumbers(
        n_categories - 1,
        "Leave out rows with categories that were not among the training rows, or fit with "
        "'n_categories' set to the number of categories, coded for example by "
        "sklearn.preprocessing.OrdinalEncoder",
    )


def grey_levels(n_levels: int) -> WholeNumbers:
    """Return the support of integer grey levels."""
    return WholeNumbers(
        n_levels - 1,
        "Set 'n_levels' to the number of levels, convert grey levels between 0 and 1 back to "
        "bytes by (255 * X).round()",
    )
