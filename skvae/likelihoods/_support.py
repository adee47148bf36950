"""Supports of the likelihoods: the unit interval, and ranges of whole numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skvae._parts import Support

LARGEST_COUNT = 2.0**53  # beyond it float64 no longer distinguishes neighbouring whole numbers
ROUNDING = 12**-0.5  # standard deviation of the rounding error of whole numbers
_CHUNK_VALUES = 2**18
_REAL = "or choose likelihood='gaussian', which accepts any real values."


class UnitInterval(Support):
    """The real numbers from 0 to 1."""

    def check(self, X: np.ndarray, likelihood: object) -> None:
        minimum, maximum = float(X.min()), float(X.max())
        if minimum < 0 or maximum > 1:
            division = f" or X / {maximum:g}" if minimum >= 0 else ""
            raise ValueError(
                f"{likelihood!r} accepts values in [0, 1], but X ranges from {minimum:g} to "
                f"{maximum:g}. Scale X first, for example with "
                f"sklearn.preprocessing.MinMaxScaler(clip=True){division}, {_REAL}"
            )


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
        self.remedy = remedy

    def check(self, X: np.ndarray, likelihood: object) -> None:
        n_rows = max(1, _CHUNK_VALUES // X.shape[1])
        for start in range(0, len(X), n_rows):
            rows = X[start : start + n_rows]
            wrong = (rows < 0) | (rows > self.high) | (rows != np.rint(rows))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                where = f"column {column} of X" if X.shape[1] > 1 else "X"
                raise ValueError(
                    f"{likelihood!r} accepts whole numbers {self._range()}, but {where} holds "
                    f"{rows[row, column]:g}. {self.remedy}, {_REAL}"
                )

    def nearest(self, X: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(X), 0, self.high)

    def _range(self) -> str:
        return "from 0 on" if self.high == LARGEST_COUNT else f"from 0 to {self.high:g}"


class ObservedLevels(Support):
    """The levels that occurred in training. Others are unlikely, but not an error.

    Parameters
    ----------
    levels : callable
        Returns the levels of every column in ascending order, (n_levels, n_features).
    """

    def __init__(self, levels: Callable[[], np.ndarray]):
        self.levels = levels

    def check(self, X: np.ndarray, likelihood: object) -> None:
        pass

    def accepts(self, X: np.ndarray) -> np.ndarray:
        """Return which values are levels that occurred in training."""
        return self.nearest(X) == X

    def nearest(self, X: np.ndarray) -> np.ndarray:
        nearest = np.empty_like(X)
        for feature, (column, own) in enumerate(zip(X.T, self.levels().T, strict=True)):
            above = np.searchsorted(own, column).clip(1, len(own) - 1)
            closer_below = column - own[above - 1] <= own[above] - column
            nearest[:, feature] = own[above - closer_below]
        return nearest


UNIT_INTERVAL = UnitInterval()
COUNTS = WholeNumbers(LARGEST_COUNT, "Round X if it holds counts")


def levels(n_levels: int, parameter: str) -> WholeNumbers:
    """Return the support of `n_levels` levels; `parameter` names that number in the spec."""
    return WholeNumbers(
        n_levels - 1,
        f"Set {parameter!r} to the number of levels, convert grey levels between 0 and 1 back to "
        "bytes by (255 * X).round()",
    )
