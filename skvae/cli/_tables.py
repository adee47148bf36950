"""Tables with named columns: CSV files, and Parquet files where pyarrow is installed."""

from __future__ import annotations

import csv
from array import array
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from skvae.cli._failures import UsageError


class _Choice(NamedTuple):
    columns: list[str] | None
    drop: list[str]
    target: str | None

    def features(self, path: str, header: list[str]) -> list[str]:
        """Return the columns asked for, by default all but those dropped and the target."""
        asked = [*(self.columns or ()), *self.drop, *([self.target] if self.target else ())]
        missing = [name for name in asked if name not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(header)}"
            )
        left_out = {*self.drop, self.target}
        names = [name for name in self.columns or header if name not in left_out]
        if not names:
            raise UsageError(f"no column of {path} is left")
        return names


def read_table(path, kind, columns, drop, target, limit):
    """Read columns of numbers, and perhaps one of labels.

    Parameters
    ----------
    path : str
        The file.
    kind : {".csv", ".parquet"}
        Its format. The first line of a CSV file names the columns, unless all of it is numbers.
    columns : list of str or None
        The columns to take, in this order; None takes all but the others.
    drop : list of str
        Columns to leave out.
    target : str or None
        The column of labels.
    limit : int or None
        The most rows to read.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The numbers.
    y : ndarray of shape (n_samples,) or None
        The labels.
    names : list of str or None
        The columns of X; None for a CSV file that does not name them.

    Raises
    ------
    ValueError
        If a column is not there or holds anything but numbers, or the file is damaged.
    """
    choice = _Choice(columns, drop, target)
    if kind == ".parquet":
        return _read_parquet(path, choice, limit)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _read_csv(path, csv.reader(file, skipinitialspace=True), choice, limit)
    except (csv.Error, UnicodeDecodeError) as exc:
        raise ValueError(f"{path} is not a sound CSV file: {exc}") from exc


def _read_csv(path: str, lines, choice: _Choice, limit: int | None):
    rows = filter(None, lines)  # the blank lines aside
    first = next(rows, None)
    if first is None:
        raise ValueError(f"{path} is empty; expected a table")
    header = _header(path, first, choice)
    names = choice.features(path, header) if header else None
    columns = [header.index(name) for name in names] if header else range(len(first))
    values, labels = array("d"), []
    for row in islice(rows if header else chain([first], rows), limit):
        try:
            values.extend(_numbers(row, columns, header or first))
        except ValueError as exc:
            raise ValueError(f"{path}, line {lines.line_num}: {exc}") from exc
        if choice.target:
            labels.append(row[header.index(choice.target)])
    X = np.frombuffer(values).reshape(-1, len(columns))
    return X, _as_labels(np.array(labels)) if choice.target else None, names


def _header(path: str, first: list[str], choice: _Choice) -> list[str] | None:
    """Return the names of the columns, None where the first line is all numbers."""
    if all(map(_is_number, first)):
        if choice != (None, [], None):
            raise ValueError(f"{path} does not name its columns in its first line")
        return None
    header = [name.strip() for name in first]
    if len(set(header)) < len(header):
        raise ValueError(f"{path} names two columns alike: {', '.join(header)}")
    return header


def _numbers(row: list[str], columns, header: list[str]) -> list[float]:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} values, where the first line has {len(header)}")
    try:
        return [float(row[column]) for column in columns]
    except ValueError:
        broken = {header[column]: row[column] for column in columns if not _is_number(row[column])}
        raise ValueError(_fault(broken)) from None


def _fault(broken: dict[str, str]) -> str:
    texts = {name: value for name, value in broken.items() if value.strip()}
    if texts:
        return _not_numeric(texts)
    return f"no value for {', '.join(broken)}. Fill it in, or leave the row out"


def _not_numeric(broken: dict[str, str]) -> str:
    found = ", ".join(f"{name} ({value!r})" for name, value in broken.items())
    return (
        f"not numeric: {found}. Leave such columns out with --drop {','.join(broken)}, or keep one "
        "as labels with --target"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_labels(labels: np.ndarray) -> np.ndarray:
    """Return labels as numbers where they are all numbers, as text otherwise."""
    try:
        numbers = labels.astype(np.float64)
    except (ValueError, TypeError):
        return labels.astype(str)
    whole = np.isfinite(numbers).all() and (numbers == numbers.round()).all()
    return numbers.astype(np.int64) if whole else numbers


def _read_parquet(path: str, choice: _Choice, limit: int | None):
    parquet = import_parquet()
    schema = parquet.read_schema(path)
    names = choice.features(path, schema.names)
    types = {name: str(schema.field(name).type) for name in names}
    broken = {name: kind for name, kind in types.items() if not _is_numeric(kind)}
    if broken:
        raise ValueError(f"{path}: {_not_numeric(broken)}")
    target = [choice.target] if choice.target else []
    table = parquet.read_table(path, columns=[*names, *target]).slice(0, limit)
    X = np.column_stack([table[name].to_numpy().astype(_dtype(types[name])) for name in names])
    return X, _as_labels(table[choice.target].to_numpy()) if target else None, names


def _is_numeric(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "halffloat", "double", "bool", "decimal"))


def _dtype(kind: str) -> type:
    """Return the dtype to compute with: what float32 holds exactly need not be float64."""
    small = ("int8", "int16", "uint8", "uint16", "float", "halffloat", "bool")
    return np.float32 if kind in small else np.float64


def import_parquet():
    """Return the module that reads and writes Parquet files, which is an extra."""
    try:
        import pyarrow.parquet
    except ImportError as exc:
        raise ImportError(
            "Parquet files need pyarrow, which is not installed. Install it with "
            "pip install 'skvae[parquet]', or use .csv or .npy."
        ) from exc
    return pyarrow.parquet
