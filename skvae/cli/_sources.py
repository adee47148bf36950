"""From ``--data`` and its options to rows: named data sets, arrays, images and tables."""

from __future__ import annotations

import argparse
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from skvae.cli._failures import UsageError, ignore_warning
from skvae.cli._models import is_imputer
from skvae.cli._options import DATA_OPTIONS, option_of
from skvae.cli._table_files import (
    STDIN,
    Choice,
    Rows,
    csv_lines,
    open_text,
    parquet_columns,
    read_header,
    read_table,
    shown,
)

_NAMES = ("digits", "mnist", "emnist")
_ENDINGS = (".npy", ".npz", ".csv", ".tsv", ".parquet")
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_CHUNK = 2**20  # bytes read at a time
_MOST_READ = 2**26  # bytes of an array that is read into memory; a larger one is mapped
_TEXT = re.compile(r"\.[ct]sv(\.gz)?$", re.IGNORECASE)
_IDX = re.compile(r"[.-]idx\d?(-ubyte)?(\.gz)?$")


def read_rows(
    arguments: argparse.Namespace,
    model=None,
    *,
    text: bool = False,
    frame: bool = False,
    missing: Any = None,
) -> Rows:
    """Read the rows that the options select.

    Parameters
    ----------
    arguments : Namespace
        The options of a data source.
    model : VAETransformer, VAEAnomalyDetector or VAEImputer, default=None
        A fitted model. If it was fitted with feature names, these columns of a table are read, and
        if it was fitted on more than numbers, as a data frame.
    text : bool, default=False
        Whether a table may be read as a data frame without a model.
    frame : bool, default=False
        Whether a table is read as a data frame even if it holds only numbers.
    missing : object, default=None
        The `missing_values` of an imputer to be fitted. If that, or that of the model, is text, it
        is read as an empty cell.

    Returns
    -------
    rows : Rows
        The rows and, if the source has them, labels, names and identifiers.

    Raises
    ------
    UsageError
        If the kind of the source is not known, or the options do not fit its content.
    ValueError
        If a value is not a finite number.
    """
    kind = _kind(arguments.data)
    if kind in (".csv", ".parquet"):
        form = {"text": text, "frame": frame, "missing": missing}
        if is_imputer(model):
            form["missing"] = model.missing_values
        rows = _read_columns(arguments, kind, model, form)
    else:
        rows = _read_named(arguments) if kind in _NAMES else _read_array(arguments, kind)
    _check_values(rows, shown(arguments.data))
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
        parquet_columns(arguments.data, _choice(arguments))
    elif kind == ".csv" and arguments.data != STDIN:
        with open_text(arguments.data) as file:
            read_header(arguments.data, csv_lines(arguments.data, file), _choice(arguments))


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
    from skvae.datasets._idx import read_first

    if kind == "IDX":
        X = read_first(arguments.data, arguments.limit)
    elif kind == ".npy":
        X = _load_rows(arguments.data, arguments.limit)
    else:
        X = _load_member(arguments)
    if X.ndim < 2 or X.dtype.kind not in "biuf" or not X.size:
        raise ValueError(
            f"{arguments.data} contains {X.dtype} of shape {X.shape}; expected numbers, with one "
            "row per sample"
        )
    return Rows(X.reshape(len(X), -1)[: arguments.limit])


def _load_rows(path: str, limit: int | None) -> np.ndarray:
    with _array_errors(path, ".npy"):
        if Path(path).stat().st_size > _MOST_READ:
            return np.load(path, mmap_mode="r", allow_pickle=False)[:limit]
        with open(path, "rb") as file:
            return _first_rows(file, limit)


def _load_member(arguments: argparse.Namespace) -> np.ndarray:
    with open(arguments.data, "rb") as file:
        if file.read(6) == np.lib.format.MAGIC_PREFIX:  # an array of another name
            return _load_rows(arguments.data, arguments.limit)
    with _array_errors(arguments.data, ".npz"), np.load(arguments.data) as archive:
        name = _key(arguments, archive)
        members = archive.zip.namelist()
        member = name if name in members else f"{name}.npy"
        with archive.zip.open(member) as file:
            return _first_rows(file, arguments.limit)


def _first_rows(file: BinaryIO, limit: int | None) -> np.ndarray:
    """Read the first rows of an array, without decompressing more of it than they need.

    Raises
    ------
    ValueError
        If it is not an array of numbers, or is shorter than its header says.
    """
    shape, by_column, dtype = _READ_HEADER[np.lib.format.read_magic(file)](file)
    if dtype.hasobject or not shape:
        raise ValueError(f"it contains {dtype} of shape {shape}, but rows are expected")
    n_rows = shape[0] if limit is None else min(limit, shape[0])
    n_bytes = n_rows * math.prod(shape[1:]) * dtype.itemsize
    if not by_column or n_rows == shape[0]:
        content = _exactly(file, n_bytes)
    else:
        n_columns = math.prod(shape[1:])
        content = bytearray()
        while len(content) < n_bytes:
            content += _exactly(file, n_bytes // n_columns)
            _skip(file, (shape[0] - n_rows) * dtype.itemsize)
    array = np.frombuffer(content, dtype)
    return array.reshape((n_rows, *shape[1:]), order="F" if by_column else "C")


def _exactly(file: BinaryIO, n_bytes: int) -> bytearray:
    content = bytearray()
    while len(content) < n_bytes:
        chunk = file.read(min(_CHUNK, n_bytes - len(content)))
        if not chunk:
            raise ValueError(f"it ends {n_bytes - len(content)} bytes too early")
        content += chunk
    return content


def _skip(file: BinaryIO, n_bytes: int) -> None:
    while n_bytes > 0:
        chunk = file.read(min(_CHUNK, n_bytes))
        if not chunk:
            return
        n_bytes -= len(chunk)


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
    except (ValueError, KeyError, EOFError, BadZipFile, NotImplementedError, zlib.error) as exc:
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


def _read_columns(arguments: argparse.Namespace, kind: str, model, form: dict[str, Any]) -> Rows:
    known = getattr(model, "feature_names_in_", None)
    schema = None if model is None else model._schema
    choice = _choice(arguments)
    if choice.columns is None and known is not None and not choice.drop:
        choice = choice._replace(columns=list(known), is_complete=True)
    _check_identifiers(choice, known)
    rows = read_table(arguments.data, kind, choice, arguments.limit, schema=schema, **form)
    if known is not None:
        _check_names(shown(arguments.data), rows.names, list(known))
    return rows


def _check_identifiers(choice: Choice, known) -> None:
    if choice.id is not None and choice.id in (known if known is not None else ()):
        raise UsageError(
            f"--id {choice.id}: the model was trained on this column. Fit it with --id {choice.id}"
        )


def _choice(arguments: argparse.Namespace) -> Choice:
    drop = tuple(arguments.drop or ())
    return Choice(arguments.columns, drop, arguments.target, arguments.id)


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
    """Raise an error for the first value that is infinite.

    Those of data frames and of mapped files are checked by the estimator.
    """
    if not len(rows.X):
        raise ValueError(f"{source} contains no rows")
    if not isinstance(rows.X, np.ndarray) or isinstance(rows.X, np.memmap):
        return
    broken = np.isinf(rows.X)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        name = column + 1 if rows.names is None else repr(rows.names[column])
        raise ValueError(
            f"{source} has {rows.X[row, column]} in row {row + 1}, column {name}; "
            f"{broken.any(axis=1).sum()} of {len(broken)} rows contain such values. Leave these "
            "rows out, or fill the values in"
        )
