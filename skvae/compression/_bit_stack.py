"""A stack of bits, onto which whole numbers of known distributions are pushed, by bisection.

A number is a path of yes-or-no decisions: whether it lies in the upper half of the interval that is
left. The probability of each follows from the distribution function, so that any distribution over
any range takes the same code, and no value of the range is impossible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skvae._validation import import_extra

# Of a decision; a multiple of 1/2^16, as its last digits may differ between machines. At least
# that share of the other half costs 2e-5 bits per decision.
_STEPS = 2**16
_LEAST_MASS = 2.0**-30  # below it both halves are as likely, because differences are rounded

Cdf = Callable[[np.ndarray], np.ndarray]
Choose = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class BitStack:
    """An ANS coder: what is pushed last is popped first.

    Popping inverts pushing and pushing inverts popping, with the same arguments. Popping from bits
    that hold something else draws a number from its distribution, also if the stack is empty.

    Parameters
    ----------
    caller : str
        Name of the function, for the error message if the package is not installed.
    payload : bytes, default=b""
        What `payload` of another stack returned.
    """

    def __init__(self, caller: str, payload: bytes = b""):
        constriction = import_extra("constriction", caller, "compression")
        words = np.frombuffer(payload, dtype="<u4").astype(np.uint32)
        self._coder = constriction.stream.stack.AnsCoder(words)
        self._decision = constriction.stream.model.Bernoulli(perfect=False)

    @property
    def payload(self) -> bytes:
        """The bits of the stack, in whole words of 32 bits."""
        return self._coder.get_compressed().astype("<u4").tobytes()

    def push(self, numbers: np.ndarray, low: Any, high: Any, cdf: Cdf) -> None:
        """Push whole numbers.

        Parameters
        ----------
        numbers : ndarray of int64
            Between `low` and `high`.
        low, high : ndarray of int64 or int
            Bounds, which broadcast to the numbers.
        cdf : callable
            ``cdf(x)`` returns the probability that a number is at most x, for x of the shape of the
            numbers; values need not be exact.
        """
        decisions = []

        def choose(middle: np.ndarray, p: np.ndarray, is_open: np.ndarray) -> np.ndarray:
            upper = numbers > middle
            decisions.append((upper[is_open].astype(np.int32), p[is_open]))
            return upper

        _descend(numbers.shape, low, high, cdf, choose)
        for upper, p in reversed(decisions):
            self._coder.encode_reverse(upper, self._decision, p)

    def pop(self, shape: tuple[int, ...], low: Any, high: Any, cdf: Cdf) -> np.ndarray:
        """Pop whole numbers of a shape, as `push` describes them."""

        def choose(middle: np.ndarray, p: np.ndarray, is_open: np.ndarray) -> np.ndarray:
            upper = np.zeros(shape, dtype=bool)
            upper[is_open] = self._coder.decode(self._decision, p[is_open])
            return upper

        return _descend(shape, low, high, cdf, choose)


def uniform(low: Any, high: Any) -> Cdf:
    """Return the distribution function of whole numbers that are all as likely."""
    return lambda x: (x - low + 1) / (high - low + 1)


def of_shares(shares: np.ndarray) -> Cdf:
    """Return the distribution function of numbers from 0 with these shares, (..., n_numbers)."""
    below = np.concatenate([np.zeros_like(shares[..., :1]), shares.cumsum(-1)], axis=-1)
    if shares.ndim == 1:
        return lambda x: below[x + 1]
    return lambda x: np.take_along_axis(below, x[..., None] + 1, axis=-1)[..., 0]


def _descend(shape: tuple[int, ...], low: Any, high: Any, cdf: Cdf, choose: Choose) -> np.ndarray:
    """Halve the intervals of all numbers until one number is left in each.

    ``choose(middle, p, is_open)`` returns which numbers lie above the middle, of probability p; it
    is asked for those whose interval is open, and the others are at the middle.
    """
    low, high = np.broadcast_to(low, shape).copy(), np.broadcast_to(high, shape).copy()
    below, above = cdf(low - 1), cdf(high)
    while (is_open := low < high).any():
        middle = (low >> 1) + (high >> 1) + (low & high & 1)  # cannot overflow
        is_known = is_open & (above - below > _LEAST_MASS)
        at = cdf(middle) if is_known.any() else below
        upper = choose(middle, _probability(below, at, above), is_open)
        low, below = np.where(upper, middle + 1, low), np.where(upper, at, below)
        high, above = np.where(upper, high, middle), np.where(upper, above, at)
    return low


def _probability(below: np.ndarray, at: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Return the probability of the upper part, between 1/2^16 and 1 - 1/2^16."""
    mass = above - below
    is_known = mass > _LEAST_MASS  # not if it is NaN
    with np.errstate(invalid="ignore"):
        share = np.where(is_known, (above - at) / np.where(is_known, mass, 1.0), 0.5)
    return np.rint(share * _STEPS).clip(1, _STEPS - 1) / _STEPS
