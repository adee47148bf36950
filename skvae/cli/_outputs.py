"""Results as files: arrays, tables and pictures, written whole or not at all."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from skvae.cli._failures import UsageError
from skvae.cli._tables import import_parquet

TABLES = (".npy", ".npz", ".csv", ".parquet")
PICTURES = (".png", ".pdf", ".svg")
STDOUT = "-"


def check_output(arguments: argparse.Namespace, endings: tuple[str, ...] | None) -> None:
    """Refuse, before any work is done, an output that could not be written after it.

    Parameters
    ----------
    arguments : Namespace
        With `output`, which is ``-`` for a table as CSV on stdout, and `json`.
    endings : tuple of str or None
        What the verb can write; None takes any name.
    """
    path = Path(arguments.output)
    if arguments.output == STDOUT and ".csv" in (endings or ()):
        if arguments.json:
            raise UsageError("-o - and --json both want stdout: name a file, or leave out --json")
        return
    if endings and ending(arguments.output) not in endings:
        raise UsageError(f"-o {path} must end in {', '.join(endings)}")
    if ending(arguments.output) == ".parquet":
        import_parquet()
    if ending(arguments.output) in PICTURES:
        os.environ.setdefault("MPLBACKEND", "agg")  # a file needs no window, nor a screen
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {path} is there, and no file")
    try:
        with tempfile.TemporaryFile(dir=path.resolve().parent):  # asks the disk itself
            pass
    except OSError as exc:
        raise type(exc)(exc.errno, f"cannot be written: {exc.strerror}", str(path)) from exc


def ending(path: str) -> str:
    """Return what a name ends in, which says what the file holds."""
    return Path(path).suffix.lower()


def write_rows(path: str, X: np.ndarray, names, key: str) -> None:
    """Write an array by the ending of the path.

    Parameters
    ----------
    path : str
        The file, or ``-``.
    X : ndarray of shape (n_samples, n_columns) or (n_samples,)
        The array.
    names : sequence of str
        Of the columns, for tables.
    key : str
        Of the array, for ``.npz``.
    """
    if path == STDOUT:
        _write_csv(sys.stdout, X, names)
        return
    with _written_whole(path) as scratch:
        if ending(path) == ".npy":
            np.save(scratch, X)
        elif ending(path) == ".npz":
            np.savez(scratch, **{key: X})
        elif ending(path) == ".parquet":
            _write_parquet(scratch, X, names)
        else:
            with open(scratch, "w", newline="", encoding="utf-8") as file:
                _write_csv(file, X, names)


def write_picture(path: str, display, dpi: int) -> None:
    """Write the figure of a display by the ending of the path."""
    import matplotlib.pyplot as plt

    with _written_whole(path) as scratch:
        display.figure_.savefig(scratch, dpi=dpi)
    plt.close(display.figure_)


@contextmanager
def _written_whole(path: str) -> Iterator[Path]:
    """Give a path to write to, and put what was written in its place at the end."""
    from skvae.datasets._files import scratch_folder

    target = Path(path).resolve()  # a link stays a link
    with scratch_folder(target.parent) as folder:
        scratch = Path(folder) / target.name
        yield scratch
        os.replace(scratch, target)


def _write_csv(file, X: np.ndarray, names) -> None:
    """Write numbers as short as they can be read back the same."""
    text = "%.9g".__mod__ if X.dtype == np.float32 else _repr
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(text, row.tolist()) for row in X.reshape(len(X), -1))


def _repr(value: float) -> str:
    return repr(value).removesuffix(".0")


def _write_parquet(path: Path, X: np.ndarray, names) -> None:
    import pyarrow as pa

    columns = X.reshape(len(X), -1).T
    table = pa.table(dict(zip(names, map(np.ascontiguousarray, columns), strict=True)))
    import_parquet().write_table(table, path)
