"""Checks of arguments; the one file that imports scikit-learn's private names.

An upstream rename is then one repair.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, InvalidParameterError, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "_fit_context",
    "check_count",
    "check_is_fitted",
]


def check_count(name: str, value: Any) -> None:
    """Refuse anything but a positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"'{name}' must be an integer of at least 1, got {value!r}.")
