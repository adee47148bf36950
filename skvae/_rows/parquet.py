"""Parquet files as data frames: whole if they are small, else in pieces of a group of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from skvae._rows.arrays import NARROW, evenly_spaced, refuse_infinite
from skvae._rows.source import sample_size
from skvae._rows.table import Column, TableSchema, refuse_unknown_names
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
        if not self._files_are_whole:
            yield from self.files.to_batches(
                columns=self.names, batch_size=n_rows, batch_readahead=1, fragment_readahead=1
            )
            return
        for path in self.files.files:
            with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
                for batch in file.iter_batches(n_rows, columns=self.names):
                    yield batch.select(self.names)

    @cached_property
    def _files_are_whole(self) -> bool:
        """Whether all rows of files that have all columns are meant."""
        parquet = import_extra("pyarrow.parquet", "A Parquet file", "parquet")
        return self.is_path and all(
            {*self.names} <= {*parquet.read_schema(path).names} for path in self.files.files
        )

    def schema(self, kinds: Mapping[Any, str] | None = None) -> TableSchema:
        """Return the schema of the data frame, as :meth:`TableSchema.learn` does.

        It is learned from evenly spaced rows and, for every column, from its smallest and largest
        value, a missing one, and its first 1,000 levels.

        Raises
        ------
        ValueError
            Naming the column, for the reasons of :meth:`TableSchema.learn`, with the row of an
            infinite value.
        """
        pyarrow = import_extra("pyarrow", "A Parquet file", "parquet")
        kinds = kinds or {}
        refuse_unknown_names(kinds, self.names)
        columns: list[Column] = []
        for name, column in zip(self.names, self._samples(), strict=True):
            frame = pyarrow.table({name: column}).unify_dictionaries()
            own = {name: kinds[name]} if name in kinds else {}
            columns += TableSchema.learn(frame, own).columns
        return TableSchema(tuple(columns), "pyarrow")

    def _samples(self) -> list[Any]:
        """Return a sample of each column, as a chunked array of pyarrow."""
        pyarrow = import_extra("pyarrow", "A Parquet file", "parquet")
        spaced = evenly_spaced(self.shape[0], sample_size(*self.shape))
        evenly, first = [], 0
        telling = self.header.columns
        for piece in self.pieces():
            inside = slice(*np.searchsorted(spaced, [first, first + len(piece)]))
            evenly.append(piece.take(spaced[inside] - first))
            for position, (name, column) in enumerate(zip(self.names, piece.columns, strict=True)):
                told = _telling(column, name, first)
                chunks = [*telling[position].chunks, *told]
                joined = pyarrow.chunked_array(chunks, column.type).unify_dictionaries()
                telling[position] = pyarrow.chunked_array(_telling(joined, name, 0), column.type)
            first += len(piece)
        rows = pyarrow.concat_tables(evenly)
        return [
            pyarrow.chunked_array([*column.chunks, *_without(told, column).chunks], column.type)
            for column, told in zip(rows.columns, telling, strict=True)
        ]

    def numbers(self, schema: TableSchema | None) -> Iterator[np.ndarray]:
        """Yield the rows in order as arrays of floats, names and dates as codes of a schema.

        Raises
        ------
        ValueError
            Naming the column, if there is no schema and it does not hold numbers.
        """
        if schema is None:
            self._refuse_names()
        for piece in self.pieces():
            yield self._floats(piece) if schema is None else schema.encode(piece)

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


def _telling(column: Any, name: str, first: int) -> list[Any]:
    """Return arrays with the ends of a column or its first levels, and with its first gap.

    `first` is the number of its first row.
    """
    compute = import_extra("pyarrow.compute", "A Parquet file", "parquet")
    types = import_extra("pyarrow.types", "A Parquet file", "parquet")
    gaps = compute.is_null(column, nan_is_null=types.is_floating(column.type))
    places = [compute.index(gaps, True).as_py()]
    told = []
    if _has_levels(column):
        told = [column.unique().drop_null().slice(0, _MOST_LEVELS)]
    elif not types.is_nested(column.type):
        plain = _plain(column)
        ends = [end for end in compute.min_max(plain).values() if end.is_valid]
        if any(isinstance(end.as_py(), float) and np.isinf(end.as_py()) for end in ends):
            refuse_infinite(plain.to_numpy()[:, None], [name], first=first)
        places += [compute.index(plain, end).as_py() for end in ends]
    chosen = column.take(sorted({*places} - {-1}) or np.empty(0, dtype=np.int64))
    return [*told, *chosen.chunks]


def _plain(column: Any) -> Any:
    """Return a column in a type of which Arrow finds the ends."""
    types = import_extra("pyarrow.types", "A Parquet file", "parquet")
    if types.is_float16(column.type):
        return column.cast("float")
    return column.cast("int64") if types.is_duration(column.type) else column


def _has_levels(column: Any) -> bool:
    types = import_extra("pyarrow.types", "A Parquet file", "parquet")
    return types.is_dictionary(column.type) or str(column.type) in _LEVELS


def _without(told: Any, column: Any) -> Any:
    """Return values without those that are levels of a column already, whose shares they change."""
    if not _has_levels(column):
        return told
    known = {*column.unique().to_pylist()}
    return told.filter([value not in known for value in told.to_pylist()])
