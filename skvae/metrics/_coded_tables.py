"""Tables to compare, as arrays of the same columns: numbers, codes of levels, and NaN."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array

_FEWEST_ROWS = 3  # one of each table in each fold of a cross-validation


@dataclass(frozen=True)
class CodedTables:
    """Two tables, or three, with the same columns.

    Parameters
    ----------
    names : list of str
        Names of the columns.
    is_level : ndarray of bool of shape (n_features,)
        Which columns hold codes of levels, from 0.
    real, synthetic : ndarray of shape (n_samples, n_features), float64
        The tables.
    holdout : ndarray of shape (n_samples, n_features), float64, or None, default=None
        More real rows.
    """

    names: list[str]
    is_level: np.ndarray
    real: np.ndarray
    synthetic: np.ndarray
    holdout: np.ndarray | None = None

    def column(self, name: Any) -> int:
        """Return the place of a column that is given by name or index."""
        if name in self.names:
            return self.names.index(name)
        is_index = isinstance(name, Integral) and not isinstance(name, bool)
        if is_index and 0 <= name < len(self.names):
            return int(name)
        raise ValueError(
            f"'target' must be the name or the index of one of the {len(self.names)} columns, "
            f"such as {self.names[0]!r}, got {name!r}."
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
    coded = _read_arrays(given)
    for name in given:
        _check_number_of_rows(name, getattr(coded, name))
    return coded


def _read_arrays(tables: dict[str, Any]) -> CodedTables:
    arrays = {name: _as_array(name, table) for name, table in tables.items()}
    n_features = arrays["real"].shape[1]
    for name, X in arrays.items():
        if X.shape[1] != n_features:
            raise ValueError(
                f"{name!r} has {X.shape[1]} columns, but 'real' has {n_features}. Pass tables "
                "with the same columns."
            )
    names = [f"x{column}" for column in range(n_features)]  # as scikit-learn does
    return CodedTables(names, np.zeros(n_features, dtype=bool), **arrays)


def _as_array(name: str, table: Any) -> np.ndarray:
    return check_array(table, dtype=np.float64, ensure_all_finite="allow-nan", input_name=name)


def _check_number_of_rows(name: str, X: np.ndarray) -> None:
    if len(X) < _FEWEST_ROWS:
        raise ValueError(
            f"{name!r} has {len(X)} rows, and at least {_FEWEST_ROWS} are required. Pass more."
        )
