"""From ``--data`` and its options to rows: named data sets, arrays, images and tables."""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
import shlex
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO, cast
from zipfile import BadZipFile

import numpy as np

from skvae.cli._failures import UsageError, ignore_warning
from skvae.cli._options import DATA_OPTIONS, option_of

_NAMES = ("digits", "mnist", "emnist")
_ENDINGS = (".npy", ".npz", ".csv", ".tsv", ".parquet")
STDIN = "-"
_TEXT = re.compile(r"\.[ct]sv(\.gz)?$", re.IGNORECASE)
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
_IDX = re.compile(r"[.-]idx\d?(-ubyte)?(\.gz)?$")


class Rows(NamedTuple):
    """The rows of a source, with their labels and the names of their features."""

    X: np.ndarray  # (n_samples, n_features)
    y: np.ndarray | None = None  # labels, for pictures
    names: list[str] | None = None


def read_rows(arguments: argparse.Namespace, model=None) -> Rows:
    """Read the rows that the options select.

    Parameters
    ----------
    arguments : Namespace
        The options of a data source.
    model : VAETransformer or VAEAnomalyDetector, default=None
        A fitted model. If it was fitted with feature names, these columns of a table are read.

    Returns
    -------
    rows : Rows
        The rows and, if the source has them, labels and names.

    Raises
    ------
    UsageError
        If the kind of the source is not known, or the options do not fit its content.
    ValueError
        If a value is not a finite number.
    """
    kind = _kind(arguments.data)
    if kind in (".csv", ".parquet"):
        rows = _read_columns(arguments, kind, model)
    else:
        rows = _read_named(arguments) if kind in _NAMES else _read_array(arguments, kind)
    _check_values(rows, _shown(arguments.data))
    return rows


def check_source(arguments: argparse.Namespace) -> None:
    """Refuse a source of an unknown kind, options of another kind, and a file of wrong content.

    Only the beginning of a file is read, so that mistakes are reported before torch is imported.
    """
    kind = _kind(arguments.data)
    for name, option in DATA_OPTIONS.items():
        if getattr(arguments, name) is not None and kind not in option.sources:
            raise UsageError(
                f"{option_of(name)} applies to {' and '.join(option.sources)}, not to --data "
                f"{arguments.data}"
            )
    _check_beginning(arguments, kind)


def _check_beginning(arguments: argparse.Namespace, kind: str) -> None:
    """Read as much of a file as an error in its content, or in the options, needs."""
    if kind in (".npy", ".npz"):
        _check_array(arguments, kind)
    elif kind == "IDX":
        open(arguments.data, "rb").close()
    elif kind == ".parquet":
        _parquet_columns(arguments.data, _choice(arguments))
    elif kind == ".csv" and arguments.data != STDIN:
        with _open_text(arguments.data) as file:
            _read_header(arguments.data, _csv_lines(arguments.data, file), _choice(arguments))


def _kind(source: str) -> str:
    """Return the name of a data set, the ending of a file, or "IDX"; ".csv" for tables of text."""
    if _IDX.search(source):
        return "IDX"
    if source == STDIN or _TEXT.search(source):
        return ".csv"
    kind = source if source in _NAMES else Path(source).suffix.lower()
    if kind not in (*_NAMES, *_ENDINGS):
        raise UsageError(
            f"--data {source} is not a known source; expected {', '.join(_NAMES)}, a file that "
            f"ends in {', '.join(_ENDINGS)}, .csv.gz or .tsv.gz, an IDX file, such as "
            "images-idx3-ubyte.gz, or - for CSV on stdin"
        )
    return kind


def _read_named(arguments: argparse.Namespace) -> Rows:
    from sklearn.datasets import load_digits

    from skvae.datasets import fetch_emnist, fetch_mnist

    load = {"digits": load_digits, "mnist": fetch_mnist, "emnist": fetch_emnist}[arguments.data]
    options = ("subset", "image_size", "binarize", "split")
    given = {name: getattr(arguments, name) for name in options}
    bunch = load(**{name: value for name, value in given.items() if value is not None})
    y = bunch.target_names[bunch.target].astype(str)
    return Rows(bunch.data[: arguments.limit], y[: arguments.limit])


def _read_array(arguments: argparse.Namespace, kind: str) -> Rows:
    """Read an array of rows, or of images, which become rows of pixels."""
    from skvae.datasets import read_idx

    X = read_idx(arguments.data) if kind == "IDX" else _load_array(arguments, kind)
    if X.ndim < 2 or X.dtype.kind not in "biuf" or not X.size:
        raise ValueError(
            f"{arguments.data} contains {X.dtype} of shape {X.shape}; expected numbers, with one "
            "row per sample"
        )
    return Rows(X.reshape(len(X), -1)[: arguments.limit])


def _load_array(arguments: argparse.Namespace, kind: str) -> np.ndarray:
    with _array_errors(arguments.data, kind), open(arguments.data, "rb") as file:
        found = np.load(file, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else found[_key(arguments, found)]


def _check_array(arguments: argparse.Namespace, kind: str) -> None:
    with _array_errors(arguments.data, kind), open(arguments.data, "rb") as file:
        if kind == ".npy":
            np.lib.format.read_magic(file)
        elif not isinstance(found := np.load(file, allow_pickle=False), np.ndarray):
            _key(arguments, found)


@contextmanager
def _array_errors(path: str, kind: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, BadZipFile, zlib.error) as exc:
        raise ValueError(f"{path} is not a valid {kind} file: {exc}") from exc


def _key(arguments: argparse.Namespace, archive) -> str:
    """Return the key of the array to read from an archive."""
    key, known = arguments.key, list(archive)
    if key is None and len(known) == 1:
        return known[0]
    if key not in known:
        names = ", ".join(known) or "none"
        raise UsageError(
            f"{arguments.data} contains the arrays {names}: choose one with --key NAME"
        )
    return key


def _read_columns(arguments: argparse.Namespace, kind: str, model) -> Rows:
    known = getattr(model, "feature_names_in_", None)
    columns = arguments.columns
    if columns is None and known is not None and not arguments.drop:
        columns = list(known)
    X, y, names = read_table(
        arguments.data, kind, columns, arguments.drop or [], arguments.target, arguments.limit
    )
    if known is not None:
        _check_names(_shown(arguments.data), names, list(known))
    return Rows(X, y, names)


def _shown(path: str) -> str:
    return "standard input" if path == STDIN else path


def _choice(arguments: argparse.Namespace) -> _Choice:
    return _Choice(arguments.columns, arguments.drop or [], arguments.target)


def _check_names(path: str, names: list[str] | None, known: list[str]) -> None:
    """Compare the columns with those of the fit; scikit-learn does so for data frames only."""
    if names is None:
        return
    if names != known:
        raise ValueError(
            f"the columns read from {path} are {', '.join(names)}, but the model was fitted with "
            f"{', '.join(known)}. Leave out --columns and --drop to read these by name."
        )
    ignore_warning("X does not have valid feature names")


def _check_values(rows: Rows, source: str) -> None:
    """Raise an error for the first value that is not a finite number."""
    if not len(rows.X):
        raise ValueError(f"{source} contains no rows")
    broken = ~np.isfinite(rows.X)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        name = column + 1 if rows.names is None else repr(rows.names[column])
        raise ValueError(
            f"{source} has {rows.X[row, column]} in row {row + 1}, column {name}; "
            f"{broken.any(axis=1).sum()} of {len(broken)} rows contain such values. Leave these "
            "rows out, or fill the values in"
        )


class _Choice(NamedTuple):
    """The columns of a table to read."""

    columns: list[str] | None
    drop: list[str]
    target: str | None

    def features(self, path: str, header: list[str]) -> list[str]:
        """Return the columns of features: by default all except those dropped and the target."""
        chosen = [*(self.columns or ()), *self.drop, *([self.target] if self.target else ())]
        missing = [name for name in chosen if name not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(map(repr, missing))}; its columns are "
                f"{', '.join(header)}"
            )
        left_out = {*self.drop, self.target}
        names = [name for name in self.columns or header if name not in left_out]
        if not names:
            raise UsageError(f"the options leave no column of {path} to read")
        return names


def read_table(path, kind, columns, drop, target, limit):
    """Read columns of numbers and, if there is a target, a column of labels.

    Parameters
    ----------
    path : str
        The file, or "-".
    kind : {".csv", ".parquet"}
        Its format. ".csv" is a table of text, separated by commas, semicolons or tabs, compressed
        if the name ends in ".gz", or standard input if it is "-". After semicolons, numbers may
        have a decimal comma. True and yes are 1, False and no are 0. The first line names the
        columns, unless it has only numbers.
    columns : list of str or None
        The columns to read, in this order; None reads all except `drop` and `target`.
    drop : list of str
        Columns to leave out.
    target : str or None
        The column of labels.
    limit : int or None
        The maximum number of rows to read.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The numbers.
    y : ndarray of shape (n_samples,) or None
        The labels.
    names : list of str or None
        The names of the columns of X; None for a CSV file without names.

    Raises
    ------
    ValueError
        If a column is missing or contains anything except numbers, or the file is damaged.
    """
    choice = _Choice(columns, drop, target)
    if kind == ".parquet":
        return _read_parquet(path, choice, limit)
    with _open_text(path) as file:
        return _read_csv(_shown(path), _csv_lines(path, file), choice, limit)


@contextmanager
def _open_text(path: str) -> Iterator[TextIO]:
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
        raise ValueError(f"{_shown(path)} is not a valid CSV file: {exc}") from exc


def _csv_lines(path: str, file: TextIO):
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


def _read_csv(path: str, lines, choice: _Choice, limit: int | None):
    names, columns, first = _read_header(path, lines, choice)
    rows = filter(None, lines)  # without blank lines
    values, labels = array("d"), []
    for row in islice(rows if names else chain([first], rows), limit):
        try:
            values.extend(_numbers(row, columns, first, lines.dialect.delimiter == ";"))
        except ValueError as exc:
            raise ValueError(f"{path}, line {lines.line_num}: {exc}") from exc
        if choice.target:
            labels.append(row[first.index(choice.target)])
    X = np.frombuffer(values) if values else np.empty(0)
    y = _as_labels(np.array(labels)) if choice.target else None
    return X.reshape(-1, len(columns)), y, names


def _read_header(path: str, lines, choice: _Choice):
    """Return names and positions of the columns to read, and the first line.

    The names are None if the first line has only values.
    """
    first = next(filter(None, lines), None)
    if first is None:
        raise ValueError(f"{path} is empty; expected a table")
    if _is_row(first, lines.dialect.delimiter == ";"):
        if choice != (None, [], None):
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
    return any(numeric) and all(
        number or value.strip().lower() in _WORDS
        for value, number in zip(values, numeric, strict=True)
    )


def _numbers(row: list[str], columns, header: list[str], decimal_comma: bool) -> list[float]:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} values, but the first line has {len(header)}")
    try:
        return [float(row[column]) for column in columns]
    except ValueError:
        numbers = {column: _number(row[column], decimal_comma) for column in columns}
    broken = {header[column]: row[column] for column in columns if numbers[column] is None}
    if broken:
        raise ValueError(_fault(broken))
    return [*numbers.values()]


def _number(text: str, decimal_comma: bool) -> float | None:
    """Return the number, or the number of a word such as "True" or "no"; None for other text."""
    try:
        return float(text.replace(",", ".") if decimal_comma else text)
    except ValueError:
        return _WORDS.get(text.strip().lower())


def _is_number(text: str, decimal_comma: bool) -> bool:
    return text.strip().lower() not in _WORDS and _number(text, decimal_comma) is not None


def _fault(broken: dict[str, str]) -> str:
    texts = {name: value for name, value in broken.items() if value.strip()}
    if texts:
        return _not_numeric(texts)
    return f"no value for {', '.join(broken)}. Fill in the value, or leave out the row"


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


def _parquet_columns(path: str, choice: _Choice) -> dict[str, str]:
    """Return the names of the columns to read, with their types."""
    schema = import_parquet().read_schema(path)
    types = {name: str(schema.field(name).type) for name in choice.features(path, schema.names)}
    broken = {name: kind for name, kind in types.items() if not _is_numeric(kind)}
    if broken:
        raise ValueError(f"{path}: {_not_numeric(broken)}")
    return types


def _read_parquet(path: str, choice: _Choice, limit: int | None):
    types = _parquet_columns(path, choice)
    target = [choice.target] if choice.target else []
    table = import_parquet().read_table(path, columns=[*types, *target]).slice(0, limit)
    X = np.column_stack([table[name].to_numpy().astype(_dtype(types[name])) for name in types])
    return X, _as_labels(table[choice.target].to_numpy()) if target else None, [*types]


def _is_numeric(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "halffloat", "double", "bool", "decimal"))


def _dtype(kind: str) -> type:
    """Return float32 for types whose values it represents exactly, otherwise float64."""
    small = ("int8", "int16", "uint8", "uint16", "float", "halffloat", "bool")
    return np.float32 if kind in small else np.float64


def import_parquet():
    """Return pyarrow's module for Parquet files, an optional dependency."""
    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise ImportError(
            "Parquet files need pyarrow, which is not installed. Install it with "
            "pip install 'skvae[parquet]', or use .csv or .npy."
        ) from exc
    return pyarrow.parquet
