"""The values that likelihoods take, whole numbers among them, and refusals of rows with others."""

from __future__ import annotations

import numpy as np

LARGEST_COUNT = 2.0**53  # from there on float64 no longer tells whole numbers apart
ROUNDING = 12**-0.5  # standard deviation of the rounding error of whole numbers
_CHUNK_VALUES = 2**18
_REAL = "or choose likelihood='gaussian', which takes any real values."


class WholeNumbers:
    """The `support` of a density on the whole numbers from 0 to `high`.

    Parameters
    ----------
    high : float
        The largest of them.
    remedy : str
        What to do about rows that lie outside; the choice of a Gaussian is added.
    """

    def __init__(self, high: float, remedy: str):
        self.high = float(high)
        self.remedy = remedy

    def check(self, X: np.ndarray, likelihood: object) -> None:
        """Refuse rows that hold anything else.

        Raises
        ------
        ValueError
            Naming the likelihood, the first column at fault, what it holds, and the remedy.
        """
        n_rows = max(1, _CHUNK_VALUES // X.shape[1])
        for start in range(0, len(X), n_rows):
            rows = X[start : start + n_rows]
            wrong = (rows < 0) | (rows > self.high) | (rows != np.rint(rows))
            if wrong.any():
                row, column = np.argwhere(wrong)[0]
                where = f"column {column} of X" if X.shape[1] > 1 else "X"
                raise ValueError(
                    f"{likelihood!r} takes whole numbers {self._range()}, but {where} holds "
                    f"{rows[row, column]:g}. {self.remedy}, {_REAL}"
                )

    def _range(self) -> str:
        return "from 0 on" if self.high == LARGEST_COUNT else f"from 0 to {self.high:g}"


COUNTS = WholeNumbers(LARGEST_COUNT, "Round X, if it holds counts")


def levels(n_levels: int, parameter: str) -> WholeNumbers:
    """Return the support of `n_levels` levels, a number that the spec calls `parameter`."""
    return WholeNumbers(
        n_levels - 1,
        f"Give the number of levels by {parameter!r}, bring grey levels between 0 and 1 back to "
        "bytes by (255 * X).round()",
    )
