"""Columns of text to a data frame with types: numbers, booleans, dates and text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any

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
        A column that cannot be of the kind of its model holds text, which the model refuses.
    """
    kinds = {} if schema is None else {each.name: _kind(each) for each in schema.columns}
    return import_pandas().DataFrame(
        {name: _typed(cells, kinds.get(name), decimal) for name, cells in columns.items()}
    )


def value_of(text: str, column: Any) -> Any:
    """Return the value that a text stands for in a column of a model, or the text itself."""
    kind = _kind(column)
    if kind == "level":
        return {str(level): level for level in (*column.levels, *column.others)}.get(text, text)
    try:
        read: dict[str, Callable[[str], Any]] = {
            "boolean": lambda text: _BOOLEANS[text.strip().lower()],
            "number": _number,
            "datetime": datetime.fromisoformat,
            "duration": import_pandas().Timedelta,
        }
        return read[kind](text)
    except (KeyError, ValueError):
        return text


def import_pandas() -> Any:
    """Return pandas, an optional dependency."""
    try:
        return import_module("pandas")
    except ImportError as exc:
        raise ImportError(
            "Tables with text, True and False or dates need pandas, which is not installed. "
            "Install it with pip install pandas."
        ) from exc


def _kind(column: Any) -> str:
    """Return how the cells of a column of a model are read."""
    if column.base in ("real", "whole"):
        return "number"
    types = set(map(type, column.levels))
    if column.base != "level" or str in types or not types:
        return column.base
    return "boolean" if types == {bool} else "number"


def _typed(cells: Sequence[str], kind: str | None, decimal: str) -> Any:
    """Return the cells as a series of a kind or, without one, of the first kind that they fit."""
    gaps = [cell.strip().lower() in _GAPS for cell in cells]
    filled = [cell for cell, gap in zip(cells, gaps, strict=True) if not gap]
    readers = {"number": _numbers, "boolean": _booleans, "datetime": _dates, "duration": _durations}
    tried = ["number", "boolean", "datetime"] if kind is None else [kind]
    for name in tried if filled else []:
        values = readers[name](filled, decimal) if name in readers else None
        if values is not None:
            return _with_gaps(values, gaps)
    return import_pandas().Series([cell if cell.strip() else None for cell in cells])


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


def _number(text: str) -> float | int:
    return int(text) if _WHOLE.fullmatch(text) else float(text)
