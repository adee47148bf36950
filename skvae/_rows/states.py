"""Columns of tables as plain values, which JSON can hold, and back. No value is trusted."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

import numpy as np

from skvae._rows.cells import read
from skvae._rows.columns import (
    KINDS,
    MOST_DECIMALS,
    SPIKE_SHARE,
    UNITS,
    Column,
    decode_joined,
    encode,
    joined_type,
)
from skvae._rows.lines import Lines
from skvae._rows.native import Library

PACKED = ("columns", "levels", "shares", "categories")  # fields of packed columns
_BASES = {kind for kinds in KINDS.values() for kind in kinds}
_TIMES = ("datetime", "duration")
_NUMBERS = ("real", "whole")
_FIELDS = [field.name for field in fields(Column)]
_LISTS = ("levels", "others", "shares", "categories")  # as long as there are levels in a column
_NAMES = ("kind", "base", "dtype", "unit", "resolution", "time_zone")  # few, which columns share
_MOST_JOINED = 1000  # columns, each of which takes a few arrays meanwhile
_MOST_PARTS = 64  # of the name of a column that has several


def column_state(column: Column) -> dict[str, Any]:
    """Return a column as plain values. Names that JSON does not have are given as text."""
    state = {name: _listed(value) for name, value in asdict(column).items()}
    return state | {"name": _plain_name(column.name)}


def packed(columns: Sequence[Column]) -> dict[str, Any]:
    """Return columns in little memory: the lists in them stand end to end, beside the columns."""
    known = [[*column.levels, *column.others] for column in columns]
    shares = [*chain.from_iterable(column.shares for column in columns)]
    places = [*chain.from_iterable(map(_places, columns, known))]
    return {
        "columns": Lines.of(map(_without_lists, columns)),
        "levels": Lines.of(chain.from_iterable(known)),
        "shares": np.array(shares, dtype=np.float64),
        "categories": np.array(places, dtype=np.int64),
    }


def unpacked(state: Any) -> Iterator[dict[str, Any]]:
    """Yield the plain values of each of some columns that were packed.

    Raises
    ------
    ValueError
        If they are not what `packed` returns.
    """
    columns, texts, shares, places = (state[name] for name in PACKED)
    is_packed = isinstance(columns, Lines) and isinstance(texts, Lines)
    if not (is_packed and _is_array(shares, "float64") and _is_array(places, "int64")):
        raise ValueError("The columns of a table must be lines and arrays.")
    levels, shares, places = map(_level, texts), map(float, shares), map(int, places)
    for column in columns:
        _check_fields(column, set(_FIELDS) - {"shares"})
        groups = [_taken(column, name, column[name], levels) for name in ("levels", "others")]
        known = [*chain(*groups)]
        lists: list[Any] = [*groups, _taken(column, "others", column["others"], shares), None]
        if column["categories"] is not None:
            _require(column, "categories", column["categories"] is True)
            order = _taken(column, "categories", len(known), places)
            _require(column, "categories", all(0 <= place < len(known) for place in order))
            lists[-1] = [known[place] for place in order]
        yield column | dict(zip(_LISTS, lists, strict=True))
    if [*chain(*(islice(rest, 1) for rest in (levels, shares, places)))]:
        raise ValueError("The columns of a table have other levels than stand beside them.")


def column_of(state: Any) -> Column:
    """Return the column of such values. Its type is checked by `check_types`.

    Raises
    ------
    ValueError
        Naming the column and the field, if a value is not what a column can have.
    """
    _check_fields(state, set(_FIELDS))
    _check_texts(state)
    _check_levels(state)
    _check_bounds(state)
    _check_lattice(state)
    lists = {name: tuple(value) for name, value in state.items() if isinstance(value, list)}
    names = {name: sys.intern(state[name]) for name in _NAMES if state[name] is not None}
    return Column(**state | lists | names | {"name": _name_of(state["name"])})


def check_types(columns: Sequence[Column], library: Library) -> None:
    """Refuse columns whose bounds the native type does not give back, if there is the library.

    Raises
    ------
    ValueError
        Naming the column.
    """
    if find_spec(library.name) is None:
        return
    for places in alike(columns):
        if wrong := _first_wrong([columns[place] for place in places], library):
            _check_type(wrong, library)


def alike(columns: Sequence[Column]) -> Iterator[list[int]]:
    """Yield the positions of columns that can be joined, in groups of bounded size."""
    groups: dict[Any, list[int]] = {}
    for place, column in enumerate(columns):
        groups.setdefault(joined_type(column), []).append(place)
    for group in groups.values():
        for start in range(0, len(group), _MOST_JOINED):
            yield group[start : start + _MOST_JOINED]


def bounds_of(column: Column) -> np.ndarray:
    """Return the bounds of a column; of one without values, none."""
    return np.array([] if column.low is None else [column.low, column.high], dtype=np.float64)


def _without_lists(column: Column) -> dict[str, Any]:
    """Return a column with numbers of levels in place of the levels."""
    state = column_state(column)
    del state["shares"]
    counts = {name: len(state[name]) for name in ("levels", "others")}
    return state | counts | {"categories": None if column.categories is None else True}


def _places(column: Column, known: list[Any]) -> list[int]:
    """Return the positions of the categories among the levels."""
    places = {level: place for place, level in enumerate(known)}
    return [places[level] for level in column.categories or ()]


def _level(value: Any) -> Any:
    if not _is_level(value):
        raise ValueError(f"A column of a table has the impossible level {_brief(value)}.")
    return value


def _taken(column: dict[str, Any], field: str, n: Any, values: Iterator[Any]) -> list[Any]:
    """Return the next n values."""
    taken = [*islice(values, n)] if _is_whole(n) and 0 <= n < sys.maxsize else None
    _require(column | {field: n}, field, taken is not None and len(taken) == n)
    assert taken is not None
    return taken


def _is_array(value: Any, dtype: str) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == 1


def _check_fields(state: Any, expected: set[str]) -> None:
    if not isinstance(state, dict) or set(state) != expected:
        raise ValueError(f"A column must have the fields {sorted(expected)}, got {_brief(state)}.")


def _check_texts(state: dict[str, Any]) -> None:
    base = state["base"]
    _require(state, "name", _is_name(state["name"]))
    _require(state, "base", isinstance(base, str) and base in _BASES)
    _require(state, "kind", state["kind"] in (base, "constant"))
    _require(state, "dtype", isinstance(state["dtype"], str))
    _require(state, "missing", isinstance(state["missing"], bool))
    _require(state, "ordered", isinstance(state["ordered"], bool))
    zone = state["time_zone"]
    _require(state, "time_zone", zone is None or (isinstance(zone, str) and base == "datetime"))


def _check_levels(state: dict[str, Any]) -> None:
    levels, others, shares = state["levels"], state["others"], state["shares"]
    for name in ("levels", "others"):
        _require(state, name, isinstance(state[name], list))
        _require(state, name, all(map(_is_level, state[name])))
        _require(state, name, not state[name] or state["base"] == "level")
    known = {*levels, *others}
    _require(state, "levels", len(set(levels)) == len(levels))
    _require(state, "others", len(known) == len(levels) + len(others))
    _require(state, "shares", isinstance(shares, list) and len(shares) == len(others))
    _require(state, "shares", all(_is_number(share) and 0 <= share <= 1 for share in shares))
    _require(state, "shares", not others or math.isclose(sum(shares), 1, abs_tol=1e-6))
    categories = state["categories"]
    if categories is not None:
        _require(
            state, "categories", isinstance(categories, list) and len(categories) == len(known)
        )
        _require(state, "categories", all(map(_is_level, categories)))
        known.difference_update(categories)
        _require(state, "categories", not known)


def _check_bounds(state: dict[str, Any]) -> None:
    low, high, spikes = state["low"], state["high"], state["spikes"]
    if low is None:
        _require(state, "high", high is None)
    else:
        _require(state, "low", _is_number(low))
        _require(state, "high", _is_number(high) and low <= high)
        _require(state, "high", low == high or state["kind"] != "constant")
    _require(state, "spikes", isinstance(spikes, list) and len(spikes) <= 1 / SPIKE_SHARE)
    within = (low is not None and _is_number(spike) and low <= spike <= high for spike in spikes)
    _require(state, "spikes", all(within))
    if state["base"] == "level" and low is not None:
        n_codes = len(state["levels"]) + bool(state["others"])
        _require(state, "low", low >= 0 and float(low).is_integer())
        _require(state, "high", high < n_codes and float(high).is_integer())


def _check_lattice(state: dict[str, Any]) -> None:
    decimals, step, origin = state["decimals"], state["step"], state["origin"]
    is_time, is_number = state["base"] in _TIMES, state["base"] in _NUMBERS
    few = _is_whole(decimals) and 0 <= decimals <= MOST_DECIMALS and is_number
    _require(state, "decimals", decimals is None or few)
    _require(state, "step", step is None or (_is_number(step) and step > 0))
    _require(state, "origin", _is_whole(origin) and abs(origin) < 2 ** (63 if is_time else 128))
    for name in ("unit", "resolution"):
        known = isinstance(state[name], str) and state[name] in UNITS
        _require(state, name, known if is_time else state[name] is None)
    if is_time:
        _require(state, "unit", UNITS[state["unit"]] >= UNITS[state["resolution"]])


def _first_wrong(columns: Sequence[Column], library: Library) -> Column | None:
    """Return a column whose bounds its type does not give back, or None; the columns are alike."""
    try:
        _check_joined(columns, library)
    except Exception:  # whatever a library raises for values that do not fit
        if len(columns) == 1:
            return columns[0]
        half = len(columns) // 2
        return _first_wrong(columns[:half], library) or _first_wrong(columns[half:], library)
    return None


def _check_type(column: Column, library: Library) -> None:
    """Refuse bounds that the native type does not give back."""
    state = {"name": column.name, "dtype": column.dtype}
    _require(state, "dtype", library.has_type(column.dtype))
    try:
        _check_joined([column], library)
    except Exception as exc:  # whatever a library raises for values that do not fit
        raise ValueError(
            f"Column {_brief(column.name)} has bounds, levels or units that its type, "
            f"{_brief(column.dtype)}, does not hold ({type(exc).__name__}: {exc})."
        ) from exc


def _check_joined(columns: Sequence[Column], library: Library) -> None:
    """Refuse bounds that a native column, in which they stand end to end, does not give back."""
    gaps = [np.full(int(column.missing), np.nan) for column in columns]
    values = [np.append(*pair) for pair in zip(map(bounds_of, columns), gaps, strict=True)]
    native = decode_joined(columns, values, library)
    [cells] = read(library.frame(["bounds"], [native]), library)
    ends = np.cumsum([len(x) for x in values]).tolist()
    parts = [cells.part(*ends_of) for ends_of in zip([0, *ends], ends, strict=False)]
    encoded = [encode(*pair) for pair in zip(columns, parts, strict=True)]
    same = np.array_equal(np.concatenate(encoded), np.concatenate(values), equal_nan=True)
    first = columns[0]
    is_type = cells.dtype == first.dtype
    _require({"name": first.name, "low": first.low}, "low", same and is_type)


def _require(state: dict[str, Any], field: str, is_right: bool) -> None:
    if not is_right:
        raise ValueError(
            f"Column {_brief(state['name'])} has an impossible value of '{field}': "
            f"{_brief(state[field])}."
        )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: Any) -> bool:
    is_plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_plain and abs(value) <= float(np.finfo(np.float64).max)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_level(value: Any) -> bool:
    return isinstance(value, (str, bool)) or _is_number(value)


def _is_name(name: Any) -> bool:
    if isinstance(name, list):
        return len(name) <= _MOST_PARTS and all(map(_is_name, name))
    return name is None or isinstance(name, (str, int)) or _is_number(name)


def _name_of(name: Any) -> Any:
    return tuple(map(_name_of, name)) if isinstance(name, list) else name


def _plain_name(name: Any) -> Any:
    if isinstance(name, tuple):
        return list(map(_plain_name, name))
    is_plain = name is None or isinstance(name, (str, int)) or _is_number(name)
    return name if is_plain else str(name)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
