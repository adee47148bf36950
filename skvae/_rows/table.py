"""The schema of a data frame: its columns as an array of floats, and back to the same frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skvae._rows import columns as _columns
from skvae._rows.cells import read
from skvae._rows.columns import Column
from skvae._rows.native import LIBRARIES, library_of
from skvae._rows.states import column_of, column_state

__all__ = ["Column", "TableSchema", "is_frame"]


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame of pandas or polars, or a table of pyarrow."""
    return library_of(X) is not None


class TableSchema:
    """The columns of a data frame, learned from its rows.

    Parameters
    ----------
    columns : tuple of Column
        What is known of each column, in the order of the frame.
    library : {"pandas", "polars", "pyarrow"}
        The library of the frame.
    """

    def __init__(self, columns: tuple[Column, ...], library: str):
        self.columns = columns
        self.library = library

    @property
    def names(self) -> list[Any]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    @property
    def is_numeric(self) -> bool:
        """Whether every column holds numbers, constants among them."""
        return all(column.base in ("real", "whole") for column in self.columns)

    @classmethod
    def learn(cls, frame: Any, kinds: Mapping[Any, str] | None = None) -> TableSchema:
        """Return the schema of a data frame.

        Parameters
        ----------
        frame : DataFrame or Table
        kinds : dict or None, default=None
            Kinds of columns by name, which overrule the rule.

        Returns
        -------
        TableSchema
        """
        library = library_of(frame)
        if library is None:
            raise ValueError(f"Expected a data frame, got {type(frame).__name__}.")
        names, kinds = library.names(frame), kinds or {}
        _refuse_duplicates(names)
        _refuse_unknown_names(kinds, names)
        if not names or len(frame) == 0:
            raise ValueError(
                f"Found a frame with {len(frame)} row(s) and {len(names)} column(s), while a "
                "minimum of 1 is required of each."
            )
        columns = [_columns.learn(cells, kinds.get(cells.name)) for cells in read(frame, library)]
        return cls(tuple(columns), library.name)

    def encode(self, frame: Any) -> np.ndarray:
        """Return the rows of a data frame as floats.

        Parameters
        ----------
        frame : DataFrame or Table
            Of any library, with the columns of training in the same order.

        Returns
        -------
        X : ndarray of shape (n_rows, n_columns)
            float64, NaN where a value is missing.
        """
        library = library_of(frame)
        if library is None:
            raise ValueError(f"Expected a data frame, got {type(frame).__name__}.")
        self._check_names(library.names(frame))
        X = np.empty((len(frame), len(self.columns)))
        for position, cells in enumerate(read(frame, library)):
            X[:, position] = _columns.encode(self.columns[position], cells)
        return X

    def decode(self, X: Any, rng: np.random.Generator | None = None) -> Any:
        """Return encoded rows as a data frame of the library of training.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
        rng : numpy.random.Generator or None, default=None

        Returns
        -------
        frame : DataFrame or Table
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.columns):
            raise ValueError(
                f"Expected an array of shape (n_rows, {len(self.columns)}), got {X.shape}."
            )
        library = LIBRARIES[self.library]
        columns = [
            _columns.decode(column, x, library, rng)
            for column, x in zip(self.columns, X.T, strict=True)
        ]
        return library.frame(self.names, columns)

    def state(self) -> dict[str, Any]:
        """Return the schema as plain values, which JSON can hold."""
        return {"library": self.library, "columns": list(map(column_state, self.columns))}

    @classmethod
    def from_state(cls, state: Any) -> TableSchema:
        """Return the schema of such values. None of them is trusted.

        Raises
        ------
        ValueError
            Naming the column and the field, if a value is not what a schema can have.
        """
        if not isinstance(state, dict) or set(state) != {"library", "columns"}:
            raise ValueError("The schema of a table must have the fields 'library' and 'columns'.")
        name, columns = state["library"], state["columns"]
        if not isinstance(name, str) or name not in LIBRARIES:
            raise ValueError(f"Expected a library among {sorted(LIBRARIES)}, got {name!r}.")
        if not isinstance(columns, list) or not columns:
            raise ValueError("The schema of a table must have a list of columns.")
        schema = cls(tuple(column_of(each, LIBRARIES[name]) for each in columns), name)
        _refuse_duplicates(schema.names)
        return schema

    def _check_names(self, names: list[Any]) -> None:
        if names == self.names:
            return
        missing = [name for name in self.names if name not in names]
        unknown = [name for name in names if name not in self.names]
        problem = f"missing: {missing}; not seen in training: {unknown}"
        if not missing and not unknown:
            problem = f"the order is {names} instead of {self.names}"
        raise ValueError(
            f"The columns of X must be those of training, in the same order; {problem}. Select "
            "them by a list of names."
        )


def _refuse_duplicates(names: list[Any]) -> None:
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"X has several columns of the same name: {', '.join(map(repr, repeated))}. Rename "
            "or drop them."
        )


def _refuse_unknown_names(kinds: Mapping[Any, str], names: list[Any]) -> None:
    unknown = [name for name in kinds if name not in names]
    if unknown:
        raise ValueError(
            f"'kinds' names columns that X lacks: {', '.join(map(repr, unknown))}. The columns of "
            f"X are {names}."
        )
