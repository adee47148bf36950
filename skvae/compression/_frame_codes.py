"""Data frames as numbers for a model, and what the model does not tell apart besides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from skvae._rows.cells import read
from skvae._rows.native import library_of
from skvae._rows.table import Column, TableSchema


class FrameCodes:
    """The levels and bounds of a data frame to be coded, next to those of the training rows.

    In the schema of training rare levels share a code and other levels, too; bounds are those of
    the training rows. The full schema has a code for every level, and wider bounds.

    Parameters
    ----------
    schema : TableSchema
        Of the training rows.
    new_levels : list of list
        For each column the levels that did not occur in training, in the order of their codes.
    """

    def __init__(self, schema: TableSchema, new_levels: list[list[Any]]):
        self.columns = schema.columns
        self.new_levels = new_levels
        full = tuple(map(_with_levels, schema.columns, new_levels))
        self.full = TableSchema(full, schema.library)

    @classmethod
    def of_frame(cls, schema: TableSchema, frame: Any) -> FrameCodes:
        """Return the codes for a frame, with the levels that are new in it."""
        library = library_of(frame)
        assert library is not None
        columns = zip(schema.columns, read(frame, library), strict=True)
        return cls(schema, [_new_levels(column, cells) for column, cells in columns])

    def split(self, numbers: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return rows as the model takes them, and members of groups of levels.

        `numbers` are the rows by the full schema. The members are numbers from 0, for each of
        `groups` in the order of its rows.
        """
        rows, members = numbers.copy(), []
        for place, code, first, size in self.groups():
            inside = (numbers[:, place] >= first) & (numbers[:, place] < first + size)
            rows[inside, place] = code
            members.append((numbers[inside, place] - first).astype(np.int64))
        return rows, members

    def joined(self, rows: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
        """Return the rows by the full schema that `split` took apart."""
        numbers = rows.copy()
        for (place, code, first, _), own in zip(self.groups(), members, strict=True):
            numbers[rows[:, place] == code, place] = first + own
        return numbers

    def groups(self) -> Iterator[tuple[int, int, int, int]]:
        """Yield column, common code, first full code and size of every group of levels."""
        for place, (column, new) in enumerate(zip(self.columns, self.new_levels, strict=True)):
            if column.base == "level":
                n_known = len(column.levels) + len(column.others)
                if column.others:
                    yield place, len(column.levels), len(column.levels), len(column.others)
                if new:
                    yield place, column.n_codes, n_known, len(new)

    def decode(self, numbers: np.ndarray) -> Any:
        """Return the rows by the full schema as a data frame like that of training."""
        columns = map(_with_bounds, self.full.columns, numbers.T)
        return TableSchema(tuple(columns), self.full.library).decode(numbers)


def refuse_differences(frame: Any, decoded: Any) -> None:
    """Refuse a frame that does not come back as it was.

    Raises
    ------
    ValueError
        Naming the first column and row that differ.
    """
    libraries = library_of(frame), library_of(decoded)
    pairs = (read(own, library) for own, library in zip((frame, decoded), libraries, strict=True))
    for before, after in zip(*pairs, strict=True):
        gaps = before.missing | after.missing
        differs = np.array(
            [x != y for x, y in zip(_objects(before), _objects(after), strict=True)], dtype=bool
        )
        wrong = (differs & ~gaps) | (before.missing != after.missing)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"X holds {_objects(before)[row]!r} in column {before.name!r}, row {row} (counted "
                f"from 0), which a column of type {after.dtype} with the precision of the training "
                "rows does not hold. Round it, drop the column, or convert it to text."
            )


def _objects(cells: Any) -> list[Any]:
    if isinstance(cells.values, list):
        return cells.values
    if cells.values.dtype.kind in "mM":
        unit = "M8[ns]" if cells.values.dtype.kind == "M" else "m8[ns]"
        return cells.values.astype(unit).view(np.int64).tolist()
    return cells.values.tolist()


def _new_levels(column: Column, cells: Any) -> list[Any]:
    if column.base != "level":
        return []
    cells = cells.as_levels() if cells.family == "number" else cells
    if cells.family != "level":
        return []  # an error of `encode`, which names the column
    known = {*column.levels, *column.others}
    return sorted(set(cells.observed) - known, key=repr)  # in any order, but always the same


def _with_levels(column: Column, new: list[Any]) -> Column:
    """Return a column in which every level has a code."""
    if column.base != "level":
        return column
    categories = column.categories
    if categories is not None:
        categories = (*categories, *new)
    levels = (*column.levels, *column.others, *new)
    return replace(column, levels=levels, others=(), shares=(), categories=categories)


def _with_bounds(column: Column, x: np.ndarray) -> Column:
    """Return a column whose bounds hold the values."""
    observed = x[~np.isnan(x)]
    if len(observed) == 0:
        return column
    low, high = float(observed.min()), float(observed.max())
    if column.low is not None:
        low, high = min(low, column.low), max(high, column.high)
    return replace(column, low=low, high=high)
