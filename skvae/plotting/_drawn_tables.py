"""Tables as arrays from which pictures are drawn: numbers, codes of levels, days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import check_array

from skvae._rows.arrays import is_frame
from skvae._rows.cells import Cells, read
from skvae._rows.columns import UNITS
from skvae._rows.native import library_of


@dataclass(frozen=True)
class DrawnColumn:
    """A column of tables that are drawn together.

    Parameters
    ----------
    family : {"number", "level", "datetime", "duration"}
        What the values are. Dates are in days since 1970 and durations in days.
    levels : tuple of str, default=()
        Names of the codes of levels, from 0: those that occur, in the order of their categories.
    """

    family: str
    levels: tuple[str, ...] = ()


_OTHERS = "others"
_NUMBER = DrawnColumn("number")


@dataclass(frozen=True)
class DrawnTables:
    """Tables of the same columns. NaN is a missing value.

    Parameters
    ----------
    columns : tuple of DrawnColumn
        What the columns hold.
    arrays : tuple of ndarray of shape (n_rows, n_features)
        The tables, in the order in which they were given.
    """

    columns: tuple[DrawnColumn, ...]
    arrays: tuple[np.ndarray, ...]

    @property
    def are_numbers(self) -> bool:
        """Whether all columns hold numbers, as those of images do."""
        return all(column.family == "number" for column in self.columns)


def read_drawn(**tables: Any) -> DrawnTables:
    """Read arrays or data frames of any columns, by their names for errors.

    Raises
    ------
    ValueError
        Naming the table, if its columns are not those of the first one.
    """
    frames = [name for name, table in tables.items() if is_frame(table)]
    columns = {name: _columns_of(tables[name]) for name in frames}
    if all(_are_numbers(columns[name]) for name in frames):
        arrays = {name: _as_array(name, table) for name, table in tables.items()}
        n_features = next(iter(arrays.values())).shape[1]
        return DrawnTables((_NUMBER,) * n_features, tuple(arrays.values()))
    for name in tables:
        if name not in frames:
            raise ValueError(
                f"{name!r} is an array, but {frames[0]!r} is a data frame with columns that do not "
                "hold numbers. Pass a data frame with the same columns."
            )
    _check_names({name: [cells.name for cells in columns[name]] for name in frames})
    return _drawn(columns)


def array_unless_names(X: Any) -> Any:
    """Return a data frame of numbers as an array, and others as they are."""
    return np.asarray(X) if read_drawn(X=X).are_numbers else X


def with_few_levels(
    column: DrawnColumn, x: np.ndarray, most: int
) -> tuple[DrawnColumn, np.ndarray]:
    """Return a column with the most frequent levels of x alone, and one for all others."""
    if len(column.levels) <= most:
        return column, x
    counts = np.bincount(x[~np.isnan(x)].astype(int), minlength=len(column.levels))
    kept = np.sort(np.argsort(-counts, kind="stable")[: most - 1])
    codes = np.full(len(column.levels), len(kept))
    codes[kept] = np.arange(len(kept))
    levels = (*(column.levels[code] for code in kept), _OTHERS)
    few = np.full(x.shape, np.nan)
    few[~np.isnan(x)] = codes[x[~np.isnan(x)].astype(int)]
    return DrawnColumn(column.family, levels), few


def names_in(X: Any) -> list[Any] | None:
    """Return the names of the columns of a data frame, and None for an array."""
    library = library_of(X)
    return None if library is None else list(library.names(X))


def at_least_one_row(X: Any) -> Any:
    """Return a single row, such as ``X[0]`` or ``frame.iloc[0]``, as a table, and others as given.

    The cells of a row of a pandas frame regain their own types.
    """
    if nw.dependencies.is_pandas_series(X):
        return X.to_frame().T.infer_objects()
    return np.asarray(X)[None] if not is_frame(X) and np.ndim(X) == 1 else X


def row_names(X: Any) -> list[str]:
    """Return the labels of the index of a pandas frame, or the numbers of rows from 0."""
    has_index = nw.dependencies.is_pandas_dataframe(X)
    return [str(label) for label in (X.index if has_index else range(len(X)))]


def days(values: np.ndarray) -> np.ndarray:
    """Return dates in days since 1970, as matplotlib counts them, or durations in days.

    What is not a time is NaN.
    """
    unit = np.datetime_data(values.dtype)[0]
    numbers = values.astype(np.int64) * (UNITS[unit] / UNITS["D"])
    return np.where(np.isnat(values), np.nan, numbers)


def dates(values: np.ndarray) -> np.ndarray:
    """Return days since 1970 as dates."""
    return np.rint(values * (UNITS["D"] / UNITS["us"])).astype("M8[us]")


def _columns_of(frame: Any) -> list[Cells]:
    library = library_of(frame)
    return list(read(frame, library)) if library else []


def _are_numbers(columns: Iterable[Cells]) -> bool:
    return all(cells.family == "number" for cells in columns)


def _as_array(name: str, table: Any) -> np.ndarray:
    array = check_array(table, ensure_all_finite="allow-nan", input_name=name)
    return array.astype(np.float64) if array.dtype == object else array  # decimals of polars


def _drawn(tables: dict[str, list[Cells]]) -> DrawnTables:
    columns, values = [], []
    for cells in zip(*tables.values(), strict=True):
        column = _common_column(cells)
        columns.append(column)
        values.append([_encoded(column, each) for each in cells])
    return DrawnTables(tuple(columns), tuple(map(np.column_stack, zip(*values, strict=True))))


def _common_column(cells: tuple[Cells, ...]) -> DrawnColumn:
    first, *others = cells
    for other in others:
        if other.family != first.family:
            raise ValueError(
                f"Column {first.name!r} is of type {first.dtype} in one table and of type "
                f"{other.dtype} in the other. Convert it to one type."
            )
    return DrawnColumn(first.family, _levels(cells) if first.family == "level" else ())


def _levels(cells: tuple[Cells, ...]) -> tuple[str, ...]:
    declared = dict.fromkeys(map(str, chain(*(each.categories or () for each in cells))))
    seen = set(map(str, chain(*(each.observed for each in cells))))
    return *filter(seen.__contains__, declared), *sorted(seen - set(declared))


def _encoded(column: DrawnColumn, cells: Cells) -> np.ndarray:
    if column.family == "level":
        codes = {level: code for code, level in enumerate(column.levels)}
        x = np.array([codes.get(str(cell), np.nan) for cell in cells.values])
    elif column.family == "number":
        x = cells.values.astype(np.float64)
    else:
        x = days(cells.values)
    return np.where(cells.missing, np.nan, x)


def _check_names(names: dict[str, list[Any]]) -> None:
    first, *others = names
    for name in others:
        if names[name] != names[first]:
            raise ValueError(
                f"{name!r} has the columns {names[name]}, but {first!r} has {names[first]}. Pass "
                "tables with the same columns in the same order."
            )
