"""Tables to compare, as arrays of the same columns: numbers, codes of levels, and NaN."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array

from skvae._rows.arrays import is_frame
from skvae._rows.columns import UNITS, Column
from skvae._rows.table import TableSchema

_FEWEST_ROWS = 3  # one of each table in each fold of a cross-validation


@dataclass(frozen=True)
class CodedTables:
    """Two tables, or three, with the same columns.

    Parameters
    ----------
    columns : tuple of Column
        What the columns hold.
    real, synthetic : ndarray of shape (n_samples, n_features), float64
        The tables.
    holdout : ndarray of shape (n_samples, n_features), float64, or None, default=None
        More real rows.
    """

    columns: tuple[Column, ...]
    real: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray | None = None

    @property
    def names(self) -> list[Any]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    @property
    def is_level(self) -> np.ndarray:
        """Which columns hold codes of levels, from 0."""
        return np.array([column.base == "level" for column in self.columns])

    def column(self, name: Any) -> int:
        """Return the place of a column that is given by name or index."""
        names = self.names
        if name in names:
            return names.index(name)
        is_index = isinstance(name, Integral) and not isinstance(name, bool)
        if is_index and 0 <= name < len(names):
            return int(name)
        raise ValueError(
            f"'target' must be the name or the index of one of the {len(names)} columns, such as "
            f"{names[0]!r}, got {name!r}."
        )


def read_tables(real: Any, synthetic: Any, holdout: Any = None) -> CodedTables:
    """Read tables, in any form, whose columns must be those of the real one.

    Raises
    ------
    ValueError
        Naming the table and the column, if columns differ or rows are too few.
    """
    tables = {"real": real, "synthetic": synthetic, "holdout": holdout}
    given = {name: table for name, table in tables.items() if table is not None}
    coded = _read_frames(given) if is_frame(real) else _read_arrays(given)
    for name in given:
        _check_number_of_rows(name, getattr(coded, name))
    return coded


def names_of_codes(column: Column) -> list[str]:
    """Return the names of the codes of a column of levels, with that of unseen ones."""
    others = ["other levels"] if column.others else []
    return [*map(str, column.levels), *others, "unseen levels"]


def as_dates(column: Column, values: np.ndarray) -> np.ndarray:
    """Return encoded dates as dates."""
    per_unit = UNITS[column.unit or "ns"] / UNITS[column.resolution or "ns"]
    distances = np.rint(values * per_unit).astype(np.int64)
    return np.datetime64(column.origin, column.resolution) + distances.astype(
        f"m8[{column.resolution}]"
    )


def _read_frames(tables: dict[str, Any]) -> CodedTables:
    schema = TableSchema.learn(tables["real"])
    encoded = {name: _encode(schema, name, frame) for name, frame in tables.items()}
    return CodedTables(schema.columns, **encoded)


def _encode(schema: TableSchema, name: str, frame: Any) -> np.ndarray:
    try:
        return schema.encode(frame)
    except ValueError as exc:
        raise ValueError(
            f"{name!r} cannot be compared with 'real', whose rows are those of training here: {exc}"
        ) from exc


def _read_arrays(tables: dict[str, Any]) -> CodedTables:
    arrays = {name: _as_array(name, table) for name, table in tables.items()}
    n_features = arrays["real"].shape[1]
    for name, X in arrays.items():
        if X.shape[1] != n_features:
            raise ValueError(
                f"{name!r} has {X.shape[1]} columns, but 'real' has {n_features}. Pass tables "
                "with the same columns."
            )
    names = (f"x{column}" for column in range(n_features))  # as scikit-learn does
    return CodedTables(tuple(Column(name, "real", "real", "float64") for name in names), **arrays)


def _as_array(name: str, table: Any) -> np.ndarray:
    return check_array(table, dtype=np.float64, ensure_all_finite="allow-nan", input_name=name)


def _check_number_of_rows(name: str, X: np.ndarray) -> None:
    if len(X) < _FEWEST_ROWS:
        raise ValueError(
            f"{name!r} has {len(X)} rows, and at least {_FEWEST_ROWS} are required. Pass more."
        )
