"""Values as whole numbers: multiples of the step of their column, or the order of floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Values per unit that are tried, in this order; 255 for bytes divided by it.
SCALES = (1, 10, 10**2, 10**3, 10**4, 10**5, 10**6, 255, 10**7, 10**8, 10**9, 10**10)
_PARTS = ("scale", "short", "signed", "low", "high")
_LARGEST = 2.0**53
_SIGNLESS = np.int64(2**63 - 1)
_SIGNLESS_SHORT = np.int32(2**31 - 1)
_LARGEST_SHORT = 0x7F7FFFFF  # number of the largest float of single precision


@dataclass(frozen=True)
class ValueGrid:
    """The values that each column can have, in ascending order, and the range of those that occur.

    Parameters
    ----------
    scale : ndarray of float64 of shape (n_columns,)
        Number of values per unit, such as 100 for two decimals; 0 if any float is one.
    short : ndarray of bool of shape (n_columns,)
        Whether values are rounded to single precision.
    signed : ndarray of bool of shape (n_columns,)
        Whether a negative zero comes before zero among the multiples.
    low, high : ndarray of int64 of shape (n_columns,)
        Numbers of the smallest and the largest value.
    """

    scale: np.ndarray
    short: np.ndarray
    signed: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of_rows(cls, X: np.ndarray) -> ValueGrid:
        """Return the coarsest grid that holds the values, float64 with NaN for missing ones."""
        scale = np.zeros(X.shape[1])
        with np.errstate(over="ignore"):
            short = ((X.astype(np.float32) == X) | np.isnan(X)).all(axis=0)
        is_settled = np.zeros(X.shape[1], dtype=bool)
        for candidate in SCALES:
            for is_short in (False, True):
                left = np.flatnonzero(~is_settled)
                fits = left[_fits(X[:, left], candidate, is_short)]
                scale[fits], short[fits], is_settled[fits] = candidate, is_short, True
        signed = ((X == 0) & np.signbit(X)).any(axis=0) & (scale > 0)
        ends = np.zeros(X.shape[1], dtype=np.int64)
        grid = cls(scale, short, signed, ends, ends)
        numbers, missing = grid.numbers(X), np.isnan(X)
        low = np.where(missing, np.iinfo(np.int64).max, numbers).min(axis=0)
        high = np.where(missing, np.iinfo(np.int64).min, numbers).max(axis=0)
        is_empty = missing.all(axis=0)
        low, high = np.where(is_empty, 0, low), np.where(is_empty, 0, high)
        return cls(scale, short, signed, low, high)

    def in_common(self) -> ValueGrid:
        """Return the grid with one range for all columns."""
        low, high = np.full_like(self.low, self.low.min()), np.full_like(self.high, self.high.max())
        return ValueGrid(self.scale, self.short, self.signed, low, high)

    def numbers(self, X: np.ndarray) -> np.ndarray:
        """Return the numbers of values; those of missing ones are 0."""
        X = np.where(np.isnan(X), 0.0, X)
        multiples = np.rint(X * np.where(self.scale > 0, self.scale, 0.0)).astype(np.int64)
        if self.signed.any():
            multiples -= self.signed & np.signbit(X)
        if (self.scale > 0).all():
            return multiples
        ordered = np.where(self.short, _order_of_short(X), _order_of(X))
        return np.where(self.scale > 0, multiples, ordered)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Return the values of numbers, float64."""
        is_negative = self.signed & (numbers < 0)
        multiples = (numbers + is_negative) / np.where(self.scale > 0, self.scale, 1.0)
        if is_negative.any():
            multiples = np.where(is_negative, -np.abs(multiples), multiples)
        if not (self.scale > 0).all():
            multiples = np.where(self.scale > 0, multiples, self._floats(numbers))
        if not self.short.any():
            return multiples
        with np.errstate(over="ignore"):  # of values that are not short
            return np.where(self.short, multiples.astype(np.float32), multiples)

    def upper_ends(self, numbers: np.ndarray) -> np.ndarray:
        """Return values between those of numbers and the next ones."""
        ends = (numbers + 0.5) / np.where(self.scale > 0, self.scale, 1.0)
        if self.signed.any():  # half of the cell of zero is that of the negative zero
            multiples = (numbers + 1.5).clip(max=0) / np.where(self.scale > 0, self.scale, 1.0)
            multiples = np.where(numbers == -1, 0.0, multiples)
            ends = np.where(self.signed & (numbers < 0), multiples, ends)
        if (self.scale > 0).all():
            return ends
        return np.where(self.scale > 0, ends, self._floats(numbers))

    def state(self) -> dict[str, Any]:
        """Return the grid as plain values: a single one for equal ones, none for zeros."""
        parts = {name: vars(self)[name].astype(np.int64) for name in _PARTS}
        return {name: _shortened(values.tolist()) for name, values in parts.items() if values.any()}

    @classmethod
    def from_state(cls, state: dict[str, Any], n_columns: int) -> ValueGrid:
        """Return the grid of plain values, none of which is trusted.

        Raises
        ------
        ValueError
            If they are not those of a grid.
        """
        if not (isinstance(state, dict) and set(state) <= set(_PARTS)):
            raise ValueError("values of its columns have other names")
        parts = (_column(state.get(name, 0), n_columns) for name in _PARTS)
        scale, short, signed, low, high = parts
        largest = np.where(scale > 0, np.int64(_LARGEST), np.iinfo(np.int64).max - 1)
        if not (
            np.isin(scale, (0, *SCALES)).all()
            and np.isin([short, signed], (0, 1)).all()
            and (low <= high).all()
            and (low >= -largest).all()
            and (high <= largest).all()
        ):
            raise ValueError("values of its columns are out of range")
        return cls(scale.astype(np.float64), short.astype(bool), signed.astype(bool), low, high)

    def _floats(self, numbers: np.ndarray) -> np.ndarray:
        short = _short_of_order(numbers.clip(~_LARGEST_SHORT, _LARGEST_SHORT))
        return np.where(self.short, short, _of_order(numbers))


def _fits(X: np.ndarray, scale: float, is_short: bool) -> np.ndarray:
    """Return which columns consist of multiples, rounded to single precision if they are short."""
    missing = np.isnan(X)
    with np.errstate(over="ignore", invalid="ignore"):
        multiples = np.rint(X * scale)
        values = multiples / scale
        values = values.astype(np.float32) if is_short else values
        fits = (values == X) & (np.abs(multiples) < _LARGEST)
    return (fits | missing).all(axis=0)


def _order_of(X: np.ndarray) -> np.ndarray:
    """Return whole numbers in the order of floats, the next float having the next number."""
    bits = np.ascontiguousarray(X).view(np.int64)
    return np.where(bits < 0, bits ^ _SIGNLESS, bits)


def _of_order(numbers: np.ndarray) -> np.ndarray:
    return np.where(numbers < 0, numbers ^ _SIGNLESS, numbers).view(np.float64)


def _order_of_short(X: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        bits = X.astype(np.float32).view(np.int32)
    return np.where(bits < 0, bits ^ _SIGNLESS_SHORT, bits).astype(np.int64)


def _short_of_order(numbers: np.ndarray) -> np.ndarray:
    bits = numbers.astype(np.int32)
    return np.where(bits < 0, bits ^ _SIGNLESS_SHORT, bits).view(np.float32).astype(np.float64)


def _shortened(values: list[int]) -> Any:
    return values[0] if len(set(values)) == 1 else values


def _column(values: Any, n_columns: int) -> np.ndarray:
    column = np.array(values if isinstance(values, list) else [values] * n_columns)
    if column.shape != (n_columns,) or column.dtype != np.int64:
        raise ValueError(f"values of its columns are not {n_columns} whole numbers")
    return column
