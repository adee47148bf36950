"""Checks by which the fields of a file are declared: type, range and length. No file is read here.

A check takes a value and its place, which it names if the value is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from reprlib import Repr
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._rows.lines import Lines

Check = Callable[[Any, str], None]

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def brief(value: Any) -> str:
    """Return a value as text of bounded length."""
    return _SHORT.repr(value)


def require(is_right: bool, value: Any, where: str, expected: str) -> None:
    """Refuse a value unless it is right.

    Raises
    ------
    ValueError
        Naming the place, the value and what was expected.
    """
    if not is_right:
        raise ValueError(f"its {where!r} is {brief(value)}, but {expected} is expected")


def anything(value: Any, where: str) -> None:
    """Accept every value, which is checked elsewhere."""


def flag(value: Any, where: str) -> None:
    """Check a boolean."""
    require(isinstance(value, bool), value, where, "True or False")


def whole(low: int, high: int) -> Check:
    """Return the check of an integer from `low` to `high`."""

    def check(value: Any, where: str) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        require(is_whole and low <= value <= high, value, where, f"an integer from {low} to {high}")

    return check


def number(low: float, high: float) -> Check:
    """Return the check of a float from `low` to `high`."""

    def check(value: Any, where: str) -> None:
        is_within = isinstance(value, float) and low <= value <= high
        require(is_within, value, where, f"a number from {low:g} to {high:g}")

    return check


def text(most: int = 1000) -> Check:
    """Return the check of a text of at most so many characters."""

    def check(value: Any, where: str) -> None:
        is_short = isinstance(value, str) and len(value) <= most
        require(is_short, value, where, f"a text of at most {most} characters")

    return check


def one_of(*values: Any) -> Check:
    """Return the check of one of a few plain values."""

    def check(value: Any, where: str) -> None:
        is_one = any(type(value) is type(known) and value == known for known in values)
        require(is_one, value, where, f"one of {values}")

    return check


def optional(inner: Check) -> Check:
    """Return the check of None, or what another check accepts."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def instance(cls: type) -> Check:
    """Return the check of an object of a class."""

    def check(value: Any, where: str) -> None:
        require(isinstance(value, cls), value, where, f"a {cls.__name__}")

    return check


def list_of(
    inner: Check, n_items: int | None = None, kind: type[list] | type[tuple] = list
) -> Check:
    """Return the check of a list or a tuple, each item of which another check accepts."""

    def check(value: Any, where: str) -> None:
        is_list = type(value) is kind and n_items in (None, len(value))
        length = "" if n_items is None else f" of length {n_items}"
        require(is_list, value, where, f"a {kind.__name__}{length}")
        for position, item in enumerate(value):
            inner(item, f"{where}.{position}")

    return check


def lines_of(inner: Check) -> Check:
    """Return the check of lines, each value of which another check accepts."""

    def check(value: Any, where: str) -> None:
        require(isinstance(value, Lines), value, where, "lines of text")
        for position, item in enumerate(value):
            inner(item, f"{where}.{position}")

    return check


def mapping(inner: Check, most: int = 1000) -> Check:
    """Return the check of a dictionary with names as keys, each value of which a check accepts."""
    name = text(most)

    def check(value: Any, where: str) -> None:
        require(isinstance(value, dict), value, where, "a dictionary")
        for key, item in value.items():
            name(key, where)
            inner(item, f"{where}.{key}")

    return check


def record(fields: Mapping[str, Check]) -> Check:
    """Return the check of a dictionary with these fields and no others."""

    def check(value: Any, where: str) -> None:
        require(isinstance(value, dict), value, where, "a dictionary")
        if missing := sorted(fields.keys() - value.keys()):
            raise ValueError(f"its {where!r} lacks the field {missing[0]!r}")
        if unknown := [key for key in value if key not in fields]:
            raise ValueError(f"its {where!r} has an unknown field, {brief(unknown[0])}")
        for name, inner in fields.items():
            inner(value[name], f"{where}.{name}")

    return check


def tensor(*dtypes: torch.dtype) -> Check:
    """Return the check of a tensor of finite numbers of one of some types; of any without them."""

    def check(value: Any, where: str) -> None:
        known = isinstance(value, Tensor) and (not dtypes or value.dtype in dtypes)
        require(known, _kind(value), where, f"a tensor of {' or '.join(map(str, dtypes))}")
        require(bool(value.isfinite().all()), _kind(value), where, "a tensor of finite numbers")

    return check


def array(dtype: str, n_dimensions: int, *, finite: bool = True) -> Check:
    """Return the check of an array with at least one element."""

    def check(value: Any, where: str) -> None:
        is_known = isinstance(value, np.ndarray) and value.dtype == dtype
        is_known = is_known and value.ndim == n_dimensions and value.size > 0
        require(is_known, _kind(value), where, f"an array of {dtype} of {n_dimensions} dimensions")
        if finite:
            is_finite = bool(np.isfinite(value).all())
            require(is_finite, _kind(value), where, "an array of finite numbers")

    return check


def either(*checks: Check) -> Check:
    """Return the check of what one of several checks accepts; errors are those of the last."""
    *others, last = checks

    def check(value: Any, where: str) -> None:
        for inner in others:
            try:
                return inner(value, where)
            except ValueError:
                pass
        return last(value, where)

    return check


def _kind(value: Any) -> Any:
    """Return what an error says of a tensor or an array: not its values."""
    if not isinstance(value, Tensor | np.ndarray):
        return value
    return f"{type(value).__name__} of {value.dtype} of shape {tuple(value.shape)}"
