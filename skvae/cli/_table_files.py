"""Tables of text and Parquet files: arrays of numbers, or data frames if they hold more."""

# Over 500 lines: both kinds of file share the choice of columns, and the errors that name them.

from __future__ import annotations

import csv
import gzip
import io
import math
import shlex
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO, cast

import numpy as np

from skvae.cli._failures import UsageError, note
from skvae.cli._typed_columns import is_gap, typed_frame

STDIN = "-"
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_BATCH_ROWS = 2**16  # of a Parquet file, read at a time
_LONGEST_LINE = 2**24  # characters
_NUMERIC = ("int", "uint", "float", "halffloat", "double", "decimal")  # types of Arrow
_UNNAMED = ("", "Unnamed: 0", "__index_level_0__")  # the index of pandas in CSV and Parquet files


class Rows(NamedTuple):
    """The rows of a source, with their labels and the names of their features."""

    X: Any  # array or data frame of shape (n_samples, n_features)
    y: np.ndarray | None = None  # labels, for pictures and classifiers
    names: list[str] | None = None
    ids: np.ndarray | None = None  # identifiers

    def classes(self) -> np.ndarray:
        """Return the labels with None for empty cells, which stand for unknown classes."""
        assert self.y is not None
        is_empty = self.y == "" if self.y.dtype.kind == "U" else np.zeros(len(self.y), dtype=bool)
        return np.where(is_empty, None, self.y.astype(object)) if is_empty.any() else self.y

    def without(self, name: str) -> tuple[Rows, np.ndarray]:
        """Return the rows without a feature, and the values of that feature."""
        names = [other for other in self.names or () if other != name]
        if isinstance(self.X, np.ndarray):
            is_it = np.array([other == name for other in self.names or ()])
            return self._replace(X=self.X[:, ~is_it], names=names), self.X[:, is_it][:, 0]

        import narwhals as nw

        frame = nw.from_native(self.X, eager_only=True)
        values = frame[name].to_numpy()
        return self._replace(X=frame.drop(name).to_native(), names=names), values


class Choice(NamedTuple):
    """The columns of a table to read.

    Parameters
    ----------
    columns : list of str or None
        The features, in this order; None stands for all except the other columns below.
    drop : tuple of str
        Columns to leave out.
    target : str or None
        The column of labels.
    id : str or None
        The column of identifiers.
    is_complete : bool
        Whether `columns` are all features of a model, even if they have another role as well.
    """

    columns: list[str] | None = None
    drop: tuple[str, ...] = ()
    target: str | None = None
    id: str | None = None
    is_complete: bool = False

    @property
    def others(self) -> list[str]:
        """The columns that are read beside the features."""
        return [name for name in dict.fromkeys((self.target, self.id)) if name is not None]

    def features(self, path: str, header: list[str]) -> list[str]:
        """Return the columns of features: by default all except those named otherwise."""
        chosen = [*(self.columns or ()), *self.drop, *self.others]
        missing = [name for name in chosen if name not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(map(repr, missing))}; its columns are "
                f"{', '.join(header)}"
            )
        left_out = set() if self.is_complete else {*self.drop, *self.others}
        names = [name for name in self.columns or header if name not in left_out]
        if not names:
            raise UsageError(f"the options leave no column of {path} to read")
        return names


EVERYTHING = Choice()


def read_table(
    path,
    kind,
    choice=EVERYTHING,
    limit=None,
    *,
    schema=None,
    text=False,
    frame=False,
    missing=None,
):
    """Read columns of features and, if they are named, one of labels and one of identifiers.

    Parameters
    ----------
    path : str
        The file, or "-".
    kind : {".csv", ".parquet"}
        Its format. ".csv" is a table of text, separated by commas, semicolons or tabs, compressed
        if the name ends in ".gz", or standard input if it is "-". After semicolons, numbers may
        have a decimal comma. The first line names the columns, unless it has only numbers.
    choice : Choice, default=EVERYTHING
        The columns to read.
    limit : int or None, default=None
        The maximum number of rows to read.
    schema : TableSchema or None, default=None
        The columns of a model that was trained on a data frame. If they, or the cells, hold more
        than numbers, the rows are a data frame, whose columns are of these kinds.
    text : bool, default=False
        Whether columns may hold more than numbers. If one does, or has empty cells, the rows are a
        data frame, in which whole numbers stay such. Without text and a schema, True and yes are 1,
        False and no are 0, and empty cells are NaN.
    frame : bool, default=False
        Whether the rows are a data frame even if they hold only numbers.
    missing : object, default=None
        If it is text, such cells are read as empty ones.

    Returns
    -------
    rows : Rows
        Its `X` is a data frame of pandas for tables of text and one of pyarrow for Parquet files,
        or else an array of numbers.

    Raises
    ------
    ValueError
        If a column is missing or contains other values than allowed, or the file is damaged.
    """
    if kind == ".parquet":
        rows = _read_parquet(path, choice, limit, schema, text, frame)
    else:
        with open_text(path) as file:
            rows = _read_csv(path, Rewindable(file), choice, limit, schema, text, frame, missing)
    return rows if choice.columns else _without_row_numbers(rows)


@contextmanager
def open_text(path: str) -> Iterator[TextIO]:
    """Open a table of text, compressed or not; errors in its encoding name the file."""
    text: dict[str, Any] = {"mode": "rt", "newline": "", "encoding": "utf-8-sig"}
    try:
        if path.lower().endswith(".gz"):
            with gzip.open(path, **text) as file:
                yield cast(TextIO, file)
        else:
            source = sys.stdin.fileno() if path == STDIN else path
            with open(source, closefd=path != STDIN, **text) as file:
                yield file
    except (csv.Error, UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise ValueError(f"{shown(path)} is not a valid CSV file: {exc}") from exc


class Rewindable:
    """Lines of a file that can be read again from the start, even if the file is a pipe."""

    def __init__(self, file: TextIO):
        self._file = file
        self._read: list[str] | None = None if file.seekable() else []

    def __iter__(self) -> Iterator[str]:
        for line in _lines(self._file):
            if self._read is not None:
                self._read.append(line)
            yield line

    def from_start(self) -> Iterator[str]:
        """Return all lines; nothing else can be read afterwards."""
        if self._read is not None:
            return chain(self._read, _lines(self._file))
        self._file.seek(0)
        return _lines(self._file)


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file; a compressed one may have a line that fills the memory."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"it has a line of more than {_LONGEST_LINE} characters")
        yield line


def csv_lines(path: str, file: Iterator[str]):
    """Return a reader of the lines, by the delimiter that the first line suggests."""
    start = []
    for line in file:
        start.append(line)
        if line.strip():
            break
    tabs = ".tsv" in Path(path.lower()).suffixes
    delimiter = "\t" if tabs else _delimiter(start[-1] if start else "")
    return csv.reader(chain(start, file), delimiter=delimiter, skipinitialspace=True)


def _delimiter(line: str) -> str:
    """Return the delimiter by which a line is all numbers or, failing that, has most values."""

    def fitness(delimiter: str) -> tuple[bool, int]:
        try:  # strictly: a quoted name ends where the delimiter is
            values = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            return False, 0
        numeric = all(_is_number(value, decimal_comma=delimiter == ";") for value in values)
        return numeric and len(values) > 1, len(values)

    return max(",;\t", key=fitness)


def _read_csv(
    path: str,
    file: Rewindable,
    choice: Choice,
    limit,
    schema,
    text: bool,
    frame: bool,
    missing: Any,
) -> Rows:
    place = shown(path)
    may_be_frame = text or schema is not None
    if not frame and (schema is None or schema.is_numeric):
        try:
            lines = csv_lines(path, iter(file))
            return _csv_numbers(place, lines, choice, limit, may_be_frame, missing)
        except NotNumbers:
            if not may_be_frame:
                raise
    return _csv_frame(place, csv_lines(path, file.from_start()), choice, limit, schema, missing)


def _csv_numbers(
    path: str, lines, choice: Choice, limit: int | None, may_be_frame: bool, missing: Any
) -> Rows:
    """Read an array; refuse words and gaps if the rows may be a data frame with names."""
    names, columns, first = read_header(path, lines, choice)
    strict = bool(may_be_frame and names)
    rows = filter(None, lines)  # without blank lines
    others = [first.index(name) for name in choice.others]
    values, cells = array("d"), []
    for row in islice(rows if names else chain([first], rows), limit):
        try:
            decimal_comma = lines.dialect.delimiter == ";"
            cells_of_row = _with_gaps(row, columns, missing)
            values.extend(_numbers(cells_of_row, columns, first, decimal_comma, strict))
        except ValueError as exc:
            raise type(exc)(f"{path}, line {lines.line_num}: {exc}") from exc
        if others:
            cells.append([row[column] for column in others])
    X = (np.frombuffer(values) if values else np.empty(0)).reshape(-1, len(columns))
    return _rows(X, names, choice, dict(zip(choice.others, np.array(cells).T, strict=False)))


def _csv_frame(path: str, lines, choice: Choice, limit: int | None, schema, missing: Any) -> Rows:
    names, places, header = read_header(path, lines, choice)
    if names is None:
        raise ValueError(
            f"{path} does not name its columns in its first line, as tables with more than numbers "
            "must"
        )
    cells = []
    for row in islice(filter(None, lines), limit):
        _check_length(row, header, f"{path}, line {lines.line_num}: ")
        cells.append(_with_gaps(row, places, missing))
    by_column = zip(*cells, strict=True) if cells else [()] * len(header)
    columns = dict(zip(header, by_column, strict=True))
    decimal = "," if lines.dialect.delimiter == ";" else "."
    try:
        X = typed_frame({name: columns[name] for name in names}, schema, decimal)
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    return _rows(X, names, choice, {name: np.array(columns[name]) for name in choice.others})


def _with_gaps(row: list[str], columns: Sequence[int], missing: Any) -> list[str]:
    """Return a row in which cells of the columns are empty that hold the text for missing ones."""
    if not isinstance(missing, str):
        return row
    is_gap = [place in columns and cell.strip() == missing for place, cell in enumerate(row)]
    return ["" if gap else cell for gap, cell in zip(is_gap, row, strict=True)]


def _rows(X, names: list[str] | None, choice: Choice, others: dict[str, np.ndarray]) -> Rows:
    y, ids = others.get(choice.target or ""), others.get(choice.id or "")
    return Rows(
        X,
        None if y is None else _as_labels(y),
        names,
        None if ids is None else _as_identifiers(ids),
    )


def read_header(path: str, lines, choice: Choice):
    """Return names and positions of the columns to read, and the first line.

    The names are None if the first line has only values.
    """
    first = next(filter(None, lines), None)
    if first is None:
        raise ValueError(f"{path} is empty; expected a table")
    if _is_row(first, lines.dialect.delimiter == ";"):
        if choice != EVERYTHING:
            raise ValueError(f"{path} does not name its columns in its first line")
        return None, range(len(first)), first
    header = [name.strip() for name in first]
    if len(set(header)) < len(header):
        raise ValueError(f"{path} has two columns of the same name: {', '.join(header)}")
    names = choice.features(path, header)
    return names, [header.index(name) for name in names], header


def _is_row(values: list[str], decimal_comma: bool) -> bool:
    """Return whether the first line of a file has numbers, and nothing that would be a name."""
    numeric = [_is_number(value, decimal_comma) for value in values]
    is_index = not values[0].strip()  # of pandas, whose columns may have numbers as names
    return (
        any(numeric)
        and not is_index
        and all(
            number or is_gap(value) or value.strip().lower() in _WORDS
            for value, number in zip(values, numeric, strict=True)
        )
    )


class NotNumbers(ValueError):
    """A row of a table that does not hold numbers alone."""


def _check_length(row: list[str], header: list[str], place: str = "") -> None:
    if len(row) != len(header):
        raise ValueError(f"{place}{len(row)} values, but the first line has {len(header)}")


def _numbers(
    row: list[str], columns, header: list[str], decimal_comma: bool, strict: bool
) -> list[float]:
    """Return the numbers of a row, among them words such as "yes" and gaps unless it is strict."""
    _check_length(row, header)
    try:
        numbers = [float(row[column]) for column in columns]
        if not (strict and any(map(math.isnan, numbers))):
            return numbers
    except ValueError:
        pass
    read = _written_number if strict else _number
    found = {column: read(row[column], decimal_comma) for column in columns}
    broken = {header[column]: row[column] for column in columns if found[column] is None}
    if broken:
        raise NotNumbers(_not_numeric(broken))
    return [*found.values()]


def _written_number(text: str, decimal_comma: bool) -> float | None:
    """Return the number; None for text, words and gaps."""
    is_word = text.strip().lower() in _WORDS or is_gap(text)
    return None if is_word else _number(text, decimal_comma)


def _number(text: str, decimal_comma: bool) -> float | None:
    """Return the number, or that of a word such as "no" or "NA"; None for other text."""
    try:
        return float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return math.nan if is_gap(text) else _WORDS.get(text.strip().lower())


def _is_number(text: str, decimal_comma: bool) -> bool:
    return _written_number(text, decimal_comma) is not None


def _not_numeric(broken: dict[str, str]) -> str:
    found = ", ".join(f"{name} ({value!r})" for name, value in broken.items())
    return (
        f"not numeric: {found}. Leave out such columns with --drop {_as_option(broken)}, or use "
        "one as labels with --target"
    )


def _as_option(names: Iterable[str]) -> str:
    """Return names as an option has them in a shell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return shlex.quote(text.getvalue())


def _as_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels as numbers if all of them are numbers, otherwise as text."""
    try:
        numbers = labels.astype(np.float64)
    except (ValueError, TypeError):
        return labels.astype(str)
    whole = np.isfinite(numbers).all() and (numbers == numbers.round()).all()
    return numbers.astype(np.int64) if whole else numbers


def _as_identifiers(ids: np.ndarray) -> np.ndarray:
    """Return identifiers as whole numbers if these are written in the same way."""
    try:
        numbers = ids.astype(np.int64)
    except (ValueError, TypeError, OverflowError):
        return ids
    return numbers if (numbers.astype(ids.dtype) == ids).all() else ids


def parquet_columns(path: str, choice: Choice) -> dict[str, str]:
    """Return the names of the columns to read, with their types."""
    schema = import_parquet().read_schema(path)
    return {name: str(schema.field(name).type) for name in choice.features(path, schema.names)}


def _read_parquet(
    path: str, choice: Choice, limit: int | None, schema, text: bool, frame: bool
) -> Rows:
    types = parquet_columns(path, choice)
    named = ("bool",) if schema is None and not text else ()
    broken = {
        name: kind for name, kind in types.items() if not kind.startswith((*_NUMERIC, *named))
    }
    if broken and schema is None and not text:
        raise ValueError(f"{path}: {_not_numeric(broken)}")
    table = _parquet_rows(path, [*types, *choice.others], limit)
    others = {name: table[name].to_numpy() for name in choice.others}
    has_gaps = any(table[name].null_count for name in types)
    if frame or schema is not None or (text and (broken or has_gaps)):
        return _rows(table.select([*types]), [*types], choice, others)
    X = np.column_stack([table[name].to_numpy().astype(_dtype(types[name])) for name in types])
    return _rows(X, [*types], choice, others)


def _parquet_rows(path: str, columns: list[str], limit: int | None):
    """Return the first rows; a few bytes may stand for millions of equal ones."""
    if limit is None:
        return import_parquet().read_table(path, columns=columns)
    import pyarrow as pa

    with import_parquet().ParquetFile(path, pre_buffer=False) as file:
        batches, n_left = [], limit
        for batch in file.iter_batches(min(limit, _BATCH_ROWS), columns=columns):
            batches.append(batch.slice(0, n_left))
            n_left -= len(batches[-1])
            if not n_left:
                break
        return pa.Table.from_batches(batches, None if batches else file.schema_arrow)


def _dtype(kind: str) -> type:
    """Return float32 for types whose values it represents exactly, otherwise float64."""
    small = ("int8", "int16", "uint8", "uint16", "float", "halffloat", "bool")
    return np.float32 if kind in small else np.float64


def _without_row_numbers(rows: Rows) -> Rows:
    """Leave out a first column without a name if its whole numbers are all different."""
    if not rows.names or rows.names[0] not in _UNNAMED or len(rows.names) == 1:
        return rows
    rest, numbers = rows.without(rows.names[0])
    if numbers.dtype.kind not in "iuf" or (numbers % 1 != 0).any():
        return rows
    if len(np.unique(numbers)) < len(numbers):
        return rows
    note("the first column, which has no name, only numbers the rows and is left out")
    return rest


def import_parquet():
    """Return pyarrow's module for Parquet files, an optional dependency."""
    from skvae._validation import import_extra  # not before, as it imports scikit-learn

    otherwise = "Or use .csv or .npy."
    return import_extra("pyarrow.parquet", "A Parquet file", "parquet", otherwise=otherwise)


def shown(path: str) -> str:
    """Return what messages call a source."""
    return "standard input" if path == STDIN else path
