"""From the options of a data source to rows; tables with named columns are read next door."""

from __future__ import annotations

import argparse
import re
import zlib
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from skvae.cli._failures import UsageError, ignore_warning
from skvae.cli._tables import read_table

_NAMES = ("digits", "mnist", "emnist")
_ENDINGS = (".npy", ".npz", ".csv", ".parquet")
_IDX = re.compile(r"[.-]idx\d?(-ubyte)?(\.gz)?$")
_IMAGES, _TABLES = ("mnist", "emnist"), (".csv", ".parquet")
_OPTIONS = {  # which sources an option is for; the others are for all
    "subset": _IMAGES,
    "image_size": _IMAGES,
    "binarize": _IMAGES,
    "split": ("emnist",),
    "columns": _TABLES,
    "drop": _TABLES,
    "target": _TABLES,
    "key": (".npz",),
}


class Rows(NamedTuple):
    """The rows of a source, with what it knows about them."""

    X: np.ndarray  # (n_samples, n_features)
    y: np.ndarray | None = None  # labels, for pictures
    names: list[str] | None = None  # of the features


def read_rows(arguments: argparse.Namespace, model=None) -> Rows:
    """Read the rows that the options ask for.

    Parameters
    ----------
    arguments : Namespace
        With the options of a data source.
    model : VAETransformer or VAEAnomalyDetector, default=None
        Fitted. Of a table, the columns are taken that the model knows by name.

    Raises
    ------
    UsageError
        If the source is of no known kind, or of one that an option is not for.
    ValueError
        If the source holds anything but finite numbers.
    """
    kind = source_kind(arguments)
    if kind in _TABLES:
        rows = _read_columns(arguments, kind, model)
    else:
        rows = _read_named(arguments) if kind in _NAMES else _read_array(arguments, kind)
    _check_values(rows, arguments.data)
    return rows


def source_kind(arguments: argparse.Namespace) -> str:
    """Return the name of the source, or the ending of its file; refuse options not meant for it."""
    source = arguments.data
    kind = source if source in _NAMES else Path(source).suffix.lower()
    if _IDX.search(source):
        kind = "IDX"
    elif kind not in (*_NAMES, *_ENDINGS):
        raise UsageError(
            f"--data {source} is no known source: expected {', '.join(_NAMES)}, a file that ends "
            f"in {', '.join(_ENDINGS)}, or an IDX file, whose name ends as in images-idx3-ubyte.gz"
        )
    for name, kinds in _OPTIONS.items():
        if getattr(arguments, name) is not None and kind not in kinds:
            raise UsageError(
                f"--{name.replace('_', '-')} is for {' and '.join(kinds)}, not for --data {source}"
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
    """Read an array of images or rows; images become rows of pixels."""
    from skvae.datasets import read_idx

    X = read_idx(arguments.data) if kind == "IDX" else _load_array(arguments, kind)
    if X.ndim < 2 or X.dtype.kind not in "biuf" or not X.size:
        raise ValueError(
            f"{arguments.data} holds {X.dtype} of shape {X.shape}; expected numbers, one row a "
            "sample"
        )
    return Rows(X.reshape(len(X), -1)[: arguments.limit])


def _load_array(arguments: argparse.Namespace, kind: str) -> np.ndarray:
    try:
        with open(arguments.data, "rb") as file:
            found = np.load(file, allow_pickle=False)
            return found if isinstance(found, np.ndarray) else found[_key(arguments, found)]
    except (ValueError, EOFError, BadZipFile, zlib.error) as exc:
        raise ValueError(f"{arguments.data} is not a sound {kind} file: {exc}") from exc


def _key(arguments: argparse.Namespace, archive) -> str:
    """Return which array of an archive is meant."""
    key, known = arguments.key, list(archive)
    if key is None and len(known) == 1:
        return known[0]
    if key not in known:
        names = ", ".join(known) or "none"
        raise UsageError(f"{arguments.data} holds the arrays {names}: choose one with --key NAME")
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
        _check_names(arguments.data, names, list(known))
    return Rows(X, y, names)


def _check_names(path: str, names: list[str] | None, known: list[str]) -> None:
    """Compare the columns with those of the fit, which scikit-learn does for data frames alone."""
    if names is None:
        return
    if names != known:
        raise ValueError(
            f"{path} gives the columns {', '.join(names)}, but the model was fitted with "
            f"{', '.join(known)}. Leave out --columns and --drop to take these by name."
        )
    ignore_warning("X does not have valid feature names")


def _check_values(rows: Rows, source: str) -> None:
    """Refuse what is no number, and say where it is."""
    if not len(rows.X):
        raise ValueError(f"{source} holds no rows")
    broken = ~np.isfinite(rows.X)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        name = column + 1 if rows.names is None else repr(rows.names[column])
        raise ValueError(
            f"{source} has {rows.X[row, column]} in row {row + 1}, column {name}; "
            f"{broken.any(axis=1).sum()} of {len(broken)} rows hold such values. Leave them out, "
            "or fill them in"
        )
