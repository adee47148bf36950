"""Columns of text to a data frame with types: numbers, booleans, dates and text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

_GAPS = {"", "na", "n/a", "nan", "nat", "null", "<na>"}  # in lower case; of text the first only
_BOOLEANS = {"true": True, "false": False}
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
_DATE = re.compile(
    r"\s*\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?\s*(Z|[+-]\d\d(:?\d\d)?)?)?\s*"
)


def typed_frame(columns: dict[str, Sequence[str]], schema: Any = None, decimal: str = ".") -> Any:
    """Return columns of text as a data frame of pandas.

    Without a schema, a column holds whole numbers, other numbers, booleans (True and False) or ISO
    dates if all of its cells do, and text otherwise. An empty cell is missing; so is NA, NaN or
    null in columns that do not hold text.

    Parameters
    ----------
    columns : dict of str to sequence of str
        The cells of every column.
    schema : TableSchema or None, default=None
        The columns of a model, whose kinds are tried first.
    decimal : str, default="."
        The decimal separator.

    Returns
    -------
    frame : pandas.DataFrame

    Raises
    ------
    ValueError
        Naming the column and the first cell that is not of the kind of the schema.
    """
    if schema is None:
        series = {name: _guessed(cells, decimal) for name, cells in columns.items()}
    else:
        kinds = {column.name: _kind(column) for column in schema.columns}
        series = {
            name: _checked(name, cells, kinds[name], decimal) for name, cells in columns.items()
        }
    return import_pandas().DataFrame(series)


def value_of(text: str, column: Any) -> Any:
    """Return the value that a text stands for in a column of a model.

    Raises
    ------
    ValueError
        If it is not of the kind of the column. Any text may be a level.
    """
    kind = _kind(column)
    if kind == "level":
        return text
    [value] = _checked(column.name, [text], kind, ".").tolist()
    return value


def import_pandas() -> Any:
    """Return pandas, an optional dependency."""
    from skvae._validation import import_extra  # not before, as it imports scikit-learn

    return import_extra("pandas", "A table with text, True and False or dates", "tables")


def _kind(column: Any) -> str:
    """Return how the cells of a column of a model are read."""
    if column.base in ("real", "whole"):
        return "number"
    types = set(map(type, column.levels))
    if column.base != "level" or str in types or not types:
        return column.base
    return "boolean" if types == {bool} else "number"


def _guessed(cells: Sequence[str], decimal: str) -> Any:
    """Return the cells as a series of the first kind that all of them have."""
    for kind in ("number", "boolean", "datetime"):
        series = _of_kind(cells, kind, decimal)
        if series is not None:
            return series
    return _of_text(cells)


def _checked(name: str, cells: Sequence[str], kind: str, decimal: str) -> Any:
    """Return the cells as a series of a kind."""
    if kind == "level":
        return _of_text(cells)
    if all(map(is_gap, cells)):
        return import_pandas().Series([None] * len(cells))
    series = _of_kind(cells, kind, decimal)
    if series is not None:
        return series
    ends = range(1, len(cells) + 1)  # if cells up to an end do not fit, more do not either
    end = bisect_left(ends, True, key=lambda end: _misfits(cells[:end], kind, decimal))
    raise ValueError(
        f"column {name!r} holds {cells[end]!r} in row {ends[end]}; expected {_EXPECTED[kind]}, as "
        "in training"
    )


def _misfits(cells: Sequence[str], kind: str, decimal: str) -> bool:
    return not all(map(is_gap, cells)) and _of_kind(cells, kind, decimal) is None


def _of_kind(cells: Sequence[str], kind: str, decimal: str) -> Any:
    """Return the cells as a series, or None if they are not of the kind or all are missing."""
    codes, distinct = _distinct(cells)
    gaps = list(map(is_gap, distinct))
    filled = [cell for cell, gap in zip(distinct, gaps, strict=True) if not gap]
    values = _READERS[kind](filled, decimal) if filled else None
    return None if values is None else _repeated(_with_gaps(values, gaps), codes)


def is_gap(cell: str) -> bool:
    return cell.strip().lower() in _GAPS


def _of_text(cells: Sequence[str]) -> Any:
    codes, distinct = _distinct(cells)
    texts = [cell if cell.strip() else None for cell in distinct]
    return _repeated(import_pandas().Series(texts), codes)


def _distinct(cells: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return the distinct cells, and which of them each cell is."""
    codes, distinct = import_pandas().factorize(np.array(cells, dtype=object))
    return codes, distinct.tolist()


def _repeated(values: Any, codes: np.ndarray) -> Any:
    return values.take(codes).reset_index(drop=True)


def _with_gaps(values: Any, gaps: list[bool]) -> Any:
    """Return a series with missing values put in between, of a type that can hold them."""
    if not any(gaps):
        return values
    pd = import_pandas()
    nullable = {"i": "Int64", "b": "boolean"}.get(values.dtype.kind)
    values.index = [row for row, gap in enumerate(gaps) if not gap]
    return (values.astype(nullable) if nullable else values).reindex(pd.RangeIndex(len(gaps)))


def _numbers(cells: list[str], decimal: str) -> Any:
    pd = import_pandas()
    if all(map(_WHOLE.fullmatch, cells)):
        return pd.Series(list(map(int, cells)), dtype="int64")
    try:
        return pd.Series([float(cell.replace(decimal, ".")) for cell in cells], dtype="float64")
    except ValueError:
        return None


def _booleans(cells: list[str], decimal: str) -> Any:
    values = [_BOOLEANS.get(cell.strip().lower()) for cell in cells]
    return None if None in values else import_pandas().Series(values, dtype="bool")


def _dates(cells: list[str], decimal: str) -> Any:
    """Return dates; those with a distance from UTC in UTC. None if only some of them have one."""
    found = [_DATE.fullmatch(cell) for cell in cells]
    zoned = {bool(match and match[4]) for match in found}
    if not all(found) or len(zoned) > 1:
        return None
    pd = import_pandas()
    texts = [cell.strip() for cell in cells]
    try:
        return pd.Series(pd.to_datetime(texts, format="ISO8601", utc=zoned == {True}))
    except ValueError:  # such as the 30th of February
        return None


def _durations(cells: list[str], decimal: str) -> Any:
    pd = import_pandas()
    try:
        return pd.Series(pd.to_timedelta(cells))
    except ValueError:
        return None


_READERS = {"number": _numbers, "boolean": _booleans, "datetime": _dates, "duration": _durations}
_EXPECTED = {
    "number": "numbers",
    "boolean": "True and False",
    "datetime": "dates such as 2024-12-31",
    "duration": "durations such as 3 days",
}
