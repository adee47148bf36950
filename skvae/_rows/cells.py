"""The columns of a data frame, of any library, as NumPy arrays and lists.

They are read through narwhals. What the values mean is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import narwhals as nw
import numpy as np

from skvae._rows.arrays import place_of
from skvae._rows.native import Library

_OBJECTS: dict[str, tuple[Any, str]] = {  # what a column of objects may hold; the first that fits
    "nothing": ((), "level"),
    "bool": ((bool, np.bool_), "level"),
    "int": (Integral, "number"),
    "float": (Real, "number"),
    "Decimal": (Decimal, "number"),
    "str": (str, "level"),
    "datetime": (datetime, "datetime"),
    "date": (date, "datetime"),
    "timedelta": (timedelta, "duration"),
}
_MOST_WHOLE = 2**127
_LEVELS = (nw.Boolean, nw.String, nw.Categorical, nw.Enum)


@dataclass(frozen=True)
class Cells:
    """The cells of one column.

    Parameters
    ----------
    name : object
        Name of the column.
    dtype : str
        Name of the native type.
    missing : ndarray of bool
        Which cells are missing.
    family : {"number", "level", "datetime", "duration"}
        What the values are.
    values : ndarray or list
        Numbers, `datetime64` in UTC, or `timedelta64`; of levels a list of text, booleans or
        numbers. The values of missing cells are arbitrary.
    is_text : bool, default=False
        Whether the column is plain text, neither categories nor booleans.
    categories : tuple or None, default=None
        The levels that the native type lists, in its order.
    ordered : bool, default=False
        Whether the native type says that its levels are ordered.
    time_zone : str or None, default=None
        The time zone of dates that have one.
    """

    name: Any
    dtype: str
    missing: np.ndarray
    family: str
    values: Any
    is_text: bool = False
    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    time_zone: str | None = None

    def __len__(self) -> int:
        return len(self.missing)

    @property
    def observed(self) -> Any:
        """The values of the cells that are not missing."""
        if not self.missing.any():
            return self.values
        if self.family != "level":
            return self.values[~self.missing]
        return [cell for cell, gap in zip(self.values, self.missing, strict=True) if not gap]

    def part(self, start: int, stop: int) -> Cells:
        """Return some of the cells."""
        return replace(self, missing=self.missing[start:stop], values=self.values[start:stop])

    def as_levels(self) -> Cells:
        """Return a column of numbers as one of levels."""
        return replace(self, family="level", values=self.values.tolist())


def read(frame: Any, library: Library) -> Iterator[Cells]:
    """Return the cells of the columns of a data frame, one column after another.

    Raises
    ------
    ValueError
        Naming the column, if it holds neither numbers nor text, booleans, categories, dates or
        durations.
    """
    columns = zip(library.names(frame), library.columns(frame), strict=True)
    return (_read(name, column, library) for name, column in columns)


def _read(name: Any, column: Any, library: Library) -> Cells:
    dtype = library.type_name(column)
    if not library.has_type(dtype):
        raise _error_of_type(name, dtype)
    series = nw.from_native(library.readable(column), series_only=True)
    missing = series.is_null().to_numpy()
    if dtype == "object":
        return _read_objects(name, series.to_numpy(), missing)
    if dtype.lower() in ("null", "arrowdtype(null)"):
        return Cells(name, dtype, missing, "level", [None] * len(missing))
    if isinstance(series.dtype, _LEVELS):
        return _read_levels(name, dtype, column, missing, library)
    return _read_array(name, dtype, series, missing)


def _read_levels(
    name: Any, dtype: str, column: Any, missing: np.ndarray, library: Library
) -> Cells:
    cells, declared = library.cells(column), library.categories(column)
    if declared is None:
        is_text = not dtype.startswith("Categorical") and "bool" not in dtype.lower()
        return Cells(name, dtype, missing, "level", cells, is_text=is_text)
    levels, ordered = declared
    return Cells(name, dtype, missing, "level", cells, categories=tuple(levels), ordered=ordered)


def _read_array(name: Any, dtype: str, series: Any, missing: np.ndarray) -> Cells:
    """Read numbers, dates or durations."""
    if series.dtype.is_numeric() and missing.any():
        series = series.fill_null(0)
    values = series.to_numpy()
    if "decimal" in dtype.lower():
        values = np.round(values, _scale(dtype))  # Arrow does not find the nearest floats
    if values.dtype.kind == "b":  # sparse booleans
        return Cells(name, dtype, missing, "level", values.tolist())
    if values.dtype.kind == "f":
        missing = missing | np.isnan(values)  # polars and Arrow tell NaN from null
        _refuse_infinite(name, values)
    family = {"M": "datetime", "m": "duration"}.get(values.dtype.kind, "number")
    zone = _zone(dtype) if family == "datetime" else None
    return Cells(name, dtype, missing, family, values, time_zone=zone)


def _scale(dtype: str) -> int:
    """Return the number of decimals of a type such as "decimal128(10, 2)"."""
    return int(re.findall(r"\d+", dtype)[-1])


def _zone(dtype: str) -> str | None:
    """Return the time zone in the name of a type of dates."""
    zone = re.search(r"(?:\[\w+, (?:tz=)?|time_zone=')([^\]']+)", dtype)
    return zone and zone[1]


def _read_objects(name: Any, values: np.ndarray, missing: np.ndarray) -> Cells:
    types = set(map(type, values[~missing].tolist()))
    held, family = _held(name, values, missing, types)
    gaps = values[missing]
    dtype = f"object[{held}, nan]" if len(gaps) and gaps[0] is not None else f"object[{held}]"
    if family == "level":
        cells = np.where(missing, False, values).astype(bool) if held == "bool" else values
        return Cells(name, dtype, missing, family, cells.tolist(), is_text=held == "str")
    if held == "datetime":
        _refuse_zones(name, values[~missing])
    filled = np.where(missing, values[~missing][0], values)
    unit = "D" if held == "date" else "us"
    kind = {"datetime": f"M8[{unit}]", "duration": "m8[us]"}.get(family)
    filled = _numbers(name, filled) if kind is None else filled.astype(kind)
    if family == "number" and filled.dtype.kind == "f":
        missing = missing | np.isnan(filled)
        _refuse_infinite(name, filled)
    return Cells(name, dtype, missing, family, filled)


def _held(name: Any, values: np.ndarray, missing: np.ndarray, types: set[type]) -> tuple[str, str]:
    """Return the type of the cells of a column of objects, and the family of their values."""
    for held, (parents, family) in _OBJECTS.items():
        if all(issubclass(each, parents) for each in types):
            return held, family
    if len(types) == 1:
        raise _error_of_type(name, f"object[{types.pop().__name__}]")
    rows = {type(values[row]).__name__: row for row in np.flatnonzero(~missing)[::-1]}
    found = ", ".join(f"{kind} (row {row})" for kind, row in sorted(rows.items()))
    raise ValueError(
        f"Column {name!r} holds values of several types: {found}, with rows counted from 0. "
        "Convert it to one type, for example to text by astype(str), or drop it."
    )


def _numbers(name: Any, values: np.ndarray) -> np.ndarray:
    """Return Python numbers as an array; whole numbers stay objects if they are too large."""
    if not all(issubclass(kind, Integral) for kind in set(map(type, values.tolist()))):
        return values.astype(np.float64)
    largest = max(-values.min(), values.max())
    if largest >= _MOST_WHOLE:
        row = int(np.abs(values).argmax())
        raise ValueError(
            f"X holds a whole number beyond 2**127 in {place_of(name, row)}. Convert the column to "
            "floats or to text, or drop it."
        )
    return values.astype(np.int64) if largest < 2**63 else values


def _refuse_zones(name: Any, values: np.ndarray) -> None:
    if any(value.tzinfo is not None for value in values):
        raise ValueError(
            f"Column {name!r} holds Python objects of dates with a time zone. Convert it first, "
            "for example by pandas.to_datetime(column, utc=True)."
        )


def _refuse_infinite(name: Any, values: np.ndarray) -> None:
    wrong = np.isinf(values)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"Input X contains infinity in {place_of(name, row)}. Replace it, or drop the row."
        )


def _error_of_type(name: Any, dtype: str) -> ValueError:
    return ValueError(
        f"Column {name!r} is of type {dtype}. Expected numbers, text, booleans, categories, dates "
        "or durations. Convert the column, or drop it."
    )
