"""Results of the verbs: records, and files of rows or pictures, which are written atomically."""

from __future__ import annotations

import argparse
import csv
import errno
import gzip
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from skvae._disk.replacing import replacing
from skvae.cli._failures import UsageError, printable
from skvae.cli._table_files import import_parquet

TABLES = (".npy", ".npz", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
FRAMES = tuple(kind for kind in TABLES if kind not in (".npy", ".npz"))
PICTURES = (".png", ".pdf", ".svg")
PAGES = (".html",)
STDOUT = "-"


class Result(NamedTuple):
    """The result of a verb, apart from the files that it wrote."""

    record: dict[str, Any]  # printed with --json
    text: str = ""  # printed without --json
    exit_code: int = 0


def check_output(arguments: argparse.Namespace, endings: tuple[str, ...] | None) -> None:
    """Raise an error for an output that cannot be written, before any work is done.

    Parameters
    ----------
    arguments : Namespace
        Arguments with `output`, a file or ``-`` for CSV on stdout, and `json`.
    endings : tuple of str or None
        Endings of the files that the verb can write; None allows any name.

    Raises
    ------
    UsageError
        If the verb cannot write such a file.
    OSError
        If the folder is missing or cannot be written to.
    """
    path = Path(arguments.output)
    if arguments.output == STDOUT and ".csv" in (endings or ()):
        if arguments.json:
            raise UsageError(
                "-o - and --json both write to stdout: name a file, or leave out --json"
            )
        return
    if endings and ending(arguments.output) not in endings:
        raise UsageError(f"-o {path} must end in {', '.join(endings)}")
    if ending(arguments.output) == ".parquet":
        import_parquet()
    if ending(arguments.output) in (*PICTURES, *PAGES):
        os.environ.setdefault("MPLBACKEND", "agg")  # draws without a display
    if path.exists() and not path.is_file():
        raise UsageError(f"-o {path} exists and is not a file")
    _refuse_inputs(arguments)
    if not path.parent.exists():
        problem = f"cannot be written: the folder {path.parent} does not exist; create it first"
        raise FileNotFoundError(errno.ENOENT, problem, str(path))
    try:
        with tempfile.TemporaryFile(dir=path.resolve().parent):  # fails if the disk is read-only
            pass
    except OSError as exc:
        raise type(exc)(exc.errno, f"cannot be written: {exc.strerror}", str(path)) from exc


def _refuse_inputs(arguments: argparse.Namespace) -> None:
    """Refuse to replace the data or the model that the verb reads, under whatever name."""
    given = vars(arguments)
    for option, name in (("--data", given.get("data")), ("MODEL", given.get("model"))):
        both_exist = name and os.path.exists(name) and os.path.exists(arguments.output)
        if both_exist and os.path.samefile(name, arguments.output):
            raise UsageError(
                f"-o {arguments.output} is the file that {option} names: choose another one"
            )


def ending(path: str) -> str:
    """Return the ending of a file name, which determines the format and the compression."""
    suffixes = Path(path.lower()).suffixes
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def write_rows(path: str, X: np.ndarray, names, key: str) -> None:
    """Write an array in the format of the ending of the path.

    Parameters
    ----------
    path : str
        The file, or ``-`` for stdout.
    X : ndarray of shape (n_samples, n_columns) or (n_samples,)
        The array.
    names : sequence of str
        Names of the columns of a table.
    key : str
        Name of the array in an ``.npz`` file.
    """
    if path == STDOUT:
        _write_text(_standard_output(), X, names, delimiter=",")
        return
    with replacing(path) as scratch:
        if ending(path) == ".npy":
            np.save(scratch, X)
        elif ending(path) == ".npz":
            np.savez(scratch, **{key: X})
        elif ending(path) == ".parquet":
            _write_parquet(scratch, X, names)
        else:
            with _open_text(scratch) as file:
                _write_text(file, X, names, _delimiter(path))


@contextmanager
def rows_on_disk(path: str, shape: tuple[int, int], dtype: Any) -> Iterator[np.memmap]:
    """Yield the array of an ``.npy`` file, which is to be filled in the block."""
    with replacing(path) as scratch:
        X = np.lib.format.open_memmap(scratch, "w+", dtype, shape)
        yield X
        X.flush()


def write_frame(path: str, frame: Any, first: dict[str, np.ndarray]) -> None:
    """Write a data frame of any library, after the first columns if there are any."""
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    _refuse_repeated([*first, *table.columns])
    columns = [
        nw.new_series(name, values.tolist(), backend=table.implementation)
        for name, values in first.items()
    ]
    table = table.select(*columns, nw.all())
    if path == STDOUT:
        _write_cells(_standard_output(), table, delimiter=",")
        return
    with replacing(path) as scratch:
        if ending(path) == ".parquet":
            table.write_parquet(scratch)
        else:
            with _open_text(scratch) as file:
                _write_cells(file, table, _delimiter(path))


def write_bytes(path: str, data: bytes) -> None:
    """Write a file of bytes."""
    with replacing(path) as scratch:
        scratch.write_bytes(data)


class _Terminal:
    """Standard output on a terminal, which names and cells are not to control."""

    def write(self, text: str) -> int:
        return sys.stdout.write(printable(text))


def _standard_output() -> Any:
    return _Terminal() if sys.stdout.isatty() else sys.stdout


def _write_cells(file: TextIO, table: Any, delimiter: str) -> None:
    """Write a data frame in the same way for every library."""
    columns = [_texts(series) for series in table.iter_columns()]
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*columns, strict=True))


def _texts(series: Any) -> Iterator[str]:
    """Return cells as text: none if they are missing, and dates without a time of 0:00."""
    gaps = series.is_null().to_list()
    is_short = str(series.dtype) == "Float32"
    for cell, gap in zip(series.to_list(), gaps, strict=True):
        if gap or cell != cell:
            yield ""
        else:
            yield f"{cell:.9g}" if is_short else str(cell).removesuffix(" 00:00:00")


def _delimiter(path: str) -> str:
    return "\t" if ".tsv" in ending(path) else ","


def check_frame_output(path: str | None, content: str) -> None:
    """Refuse to write a table with more than numbers into a file that holds arrays.

    Raises
    ------
    UsageError
        If the file is not a table with named columns.
    """
    if path and path != STDOUT and ending(path) not in FRAMES:
        raise UsageError(
            f"-o {path} cannot hold {content}: name a file that ends in {', '.join(FRAMES)}"
        )


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for place, name in enumerate(names) if name in names[:place]]
    if repeated:
        raise UsageError(
            f"the output would have two columns named {repeated[0]!r}: choose another one with "
            "--id, or rename that of the data"
        )


def write_picture(path: str, display, dpi: int) -> None:
    """Write the figure of a display in the format of the ending of the path."""
    import matplotlib.pyplot as plt

    with replacing(path) as scratch:
        display.figure_.savefig(scratch, dpi=dpi)
    plt.close(display.figure_)


@contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a file of text to write, compressed if its name says so."""
    with open(path, "wb") as raw, ExitStack() as stack:
        file: Any = raw
        if path.suffix.lower() == ".gz":  # without time and name, so that same rows are same bytes
            file = stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
        yield stack.enter_context(io.TextIOWrapper(file, encoding="utf-8", newline=""))


def _write_text(file: TextIO, X: np.ndarray, names, delimiter: str) -> None:
    """Write every number with as few digits as read back to the same value."""
    text = "%.9g".__mod__ if X.dtype == np.float32 else _repr
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(map(text, row.tolist()) for row in X.reshape(len(X), -1))


def _repr(value: float) -> str:
    return repr(value).removesuffix(".0")


def _write_parquet(path: Path, X: np.ndarray, names) -> None:
    import pyarrow as pa

    columns = X.reshape(len(X), -1).T
    table = pa.table(dict(zip(names, map(np.ascontiguousarray, columns), strict=True)))
    import_parquet().write_table(table, path)
