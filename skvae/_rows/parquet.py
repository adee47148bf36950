"""Parquet files as data frames: whole if they are small, else in pieces of a group of rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from skvae._rows.arrays import NARROW, evenly_spaced, refuse_infinite
from skvae._rows.source import sample_size
from skvae._rows.table import TableSchema
from skvae._validation import import_extra

_PIECE_VALUES = 2**22  # that are read at a time
_BUFFER = 2**16  # bytes per column
_LEVELS = {"bool", "null", "string", "large_string", "string_view"}
_MOST_LEVELS = 1000  # of a column, of which the sample has a row each


class ParquetTable:
    """A data frame in Parquet files, which is read in pieces.

    Parameters
    ----------
    X : path or pyarrow.dataset.Dataset
        A file, a folder of files, or a data set, which may be filtered.

    Raises
    ------
    ValueError
        If it has no columns.
    """

    def __init__(self, X: Any):
        dataset = import_extra("pyarrow.dataset", "A Parquet file", "parquet")
        self.is_path = not type(X).__module__.startswith("pyarrow")
        self.files = X
        if self.is_path:
            self.files = dataset.dataset(X, format="parquet", partitioning="hive")
        pandas = self.files.schema.pandas_metadata or {}
        index = [name for name in pandas.get("index_columns", ()) if isinstance(name, str)]
        self.names = [name for name in self.files.schema.names if name not in index]
        if not self.names:
            raise ValueError(f"{X} has no columns. Pass a file or a folder with columns.")

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.files.count_rows(), len(self.names)

    def table(self) -> Any:
        """Return all rows as a table of pyarrow."""
        return self.files.to_table(columns=self.names)

    @property
    def header(self) -> Any:
        """A table of pyarrow with the same columns and without rows."""
        return self.files.schema.empty_table().select(self.names)

    def pieces(self) -> Iterator[Any]:
        """Yield the rows in order, as tables of pyarrow.

        The scanner of pyarrow has two row groups in memory at a time, each of a million rows by
        default. Files are therefore read without it, unless they are parts of a data set of the
        user's own, which may be filtered, or some lack a column.
        """
        pyarrow = import_extra("pyarrow", "A Parquet file", "parquet")
        for batch in self._record_batches():
            if batch.num_rows:
                yield pyarrow.Table.from_batches([batch])

    def _record_batches(self) -> Iterator[Any]:
        parquet = import_extra("pyarrow.parquet", "A Parquet file", "parquet")
        n_rows = max(1, _PIECE_VALUES // len(self.names))
        if not self.is_path or any(
            set(self.names) - {*parquet.read_schema(path).names} for path in self.files.files
        ):
            yield from self.files.to_batches(
                columns=self.names, batch_size=n_rows, batch_readahead=1, fragment_readahead=1
            )
            return
        for path in self.files.files:
            with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
                for batch in file.iter_batches(n_rows, columns=self.names):
                    yield batch.select(self.names)

    def sample(self) -> Any:
        """Return rows to learn a schema from, as a table of pyarrow.

        They are evenly spaced. Before them come others with the smallest and largest value of every
        column, a missing one, and the first 1,000 levels.

        Raises
        ------
        ValueError
            Naming the column and the row of an infinite value.
        """
        pyarrow = import_extra("pyarrow", "A Parquet file", "parquet")
        spaced = evenly_spaced(self.shape[0], sample_size(*self.shape))
        telling, first = _Telling(self.names), 0
        evenly, others, numbers = [], [], []
        for piece in self.pieces():
            inside = slice(*np.searchsorted(spaced, [first, first + len(piece)]))
            evenly.append(piece.take(spaced[inside] - first))
            places = telling.places_in(piece)
            others.append(piece.take(places))
            numbers.append(places + first)
            first += len(piece)
        candidates = pyarrow.concat_tables(others).unify_dictionaries()
        places = _Telling(self.names).places_in(candidates)  # as each piece has ends of its own
        places = places[~np.isin(np.concatenate(numbers)[places], spaced)]
        return pyarrow.concat_tables([candidates.take(places), *evenly]).unify_dictionaries()

    def numbers(self, schema: TableSchema | None) -> Iterator[np.ndarray]:
        """Yield the rows in order as arrays of floats, names and dates as codes of a schema.

        Raises
        ------
        ValueError
            Naming the column, if there is no schema and it does not hold numbers, and the row of an
            infinite value.
        """
        if schema is None:
            self._refuse_names()
        first = 0
        for piece in self.pieces():
            rows = self._floats(piece) if schema is None else schema.encode(piece)
            refuse_infinite(rows, self.names, first=first)
            first += len(rows)
            yield rows

    def _refuse_names(self) -> None:
        types = import_extra("pyarrow.types", "A Parquet file", "parquet")
        tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        others = [
            field.name
            for field in self.header.schema
            if not any(test(field.type) for test in tests)
        ]
        if others:
            raise ValueError(
                f"X has columns that do not hold numbers: {', '.join(map(repr, others))}. Use "
                'likelihood="auto", which models text, categories and dates, or pass '
                "dataset.dataset(path) of pyarrow without them."
            )

    def _floats(self, piece: Any) -> np.ndarray:
        kinds = {str(field.type) for field in piece.schema}
        precision = np.float32 if kinds <= NARROW else np.float64
        columns = [column.to_numpy() for column in piece.columns]
        return np.column_stack([column.astype(precision) for column in columns])


class _Telling:
    """Finds rows that tell of the ends, gaps and levels of columns, in one piece after another."""

    def __init__(self, names: list[str]):
        self.names = names
        self.levels: list[set[Any]] = [set() for _ in names]
        self.has_gap = [False] * len(names)
        self.n_rows = 0

    def places_in(self, piece: Any) -> np.ndarray:
        """Return the places of such rows in the next piece, in ascending order."""
        found: set[int] = set()
        for position, column in enumerate(piece.columns):
            found |= self._places(position, column)
        self.n_rows += len(piece)
        return np.array(sorted(found), dtype=np.int64)

    def _places(self, position: int, column: Any) -> set[int]:
        compute = import_extra("pyarrow.compute", "A Parquet file", "parquet")
        types = import_extra("pyarrow.types", "A Parquet file", "parquet")
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        for test, other in ((types.is_float16, "float"), (types.is_duration, "int64")):
            if test(column.type):  # of the other type, Arrow finds the ends
                column = column.cast(other)
        values: list[Any] = []
        if str(column.type) in _LEVELS:
            values = self._new_levels(position, column)
        elif not types.is_nested(column.type):
            values = [end for end in compute.min_max(column).values() if end.is_valid]
            self._refuse_infinite(position, column, values)
        places = {compute.index(column, value).as_py() for value in values}
        if not self.has_gap[position]:
            first_gap = compute.index(compute.is_null(column, nan_is_null=True), True).as_py()
            self.has_gap[position] = first_gap >= 0
            places.add(first_gap)
        return places - {-1}

    def _new_levels(self, position: int, column: Any) -> list[Any]:
        seen = self.levels[position]
        if len(seen) >= _MOST_LEVELS:
            return []
        values = [value for value in column.unique().to_pylist() if value not in seen | {None}]
        seen.update(values[: _MOST_LEVELS - len(seen)])
        return values[:_MOST_LEVELS]

    def _refuse_infinite(self, position: int, column: Any, ends: list[Any]) -> None:
        if any(isinstance(end.as_py(), float) and np.isinf(end.as_py()) for end in ends):
            values = column.to_numpy()[:, None]
            refuse_infinite(values, [self.names[position]], first=self.n_rows)
