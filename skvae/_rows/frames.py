"""Data frames with names and dates as the arrays on which a model is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import narwhals as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skvae._rows.arrays import is_frame, refuse_infinite
from skvae._rows.native import Library, library_of
from skvae._rows.table import Column, TableSchema


def check_table(
    estimator: BaseEstimator, X: Any, schema: TableSchema, *, reset: bool, min_samples: int = 1
) -> np.ndarray:
    """Return a data frame as an array: numbers as they are, names and dates by the schema."""
    if not is_frame(X):
        raise ValueError(
            f"X is a {type(X).__name__}, but {type(estimator).__name__} was fitted on a data frame "
            "with columns that do not hold numbers. Pass a data frame with the same columns."
        )
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return check_array(
        table_rows(X, schema),
        ensure_min_samples=min_samples,
        ensure_all_finite="allow-nan",
        estimator=estimator,
        input_name="X",
    )


def table_rows(X: Any, schema: TableSchema) -> np.ndarray:
    """Return a data frame as an array of finite numbers, and NaN for missing values.

    Raises
    ------
    ValueError
        Naming the column and the row of an infinite value.
    """
    rows = schema.encode(X)
    refuse_infinite(rows, schema.names)
    return rows


def with_gaps(X: Any, missing_values: Any) -> Any:
    """Return rows in which a value that stands for missing ones is NaN or, in frames, null."""
    if missing_values is None or (not isinstance(missing_values, str) and _is_gap(missing_values)):
        return X
    if issparse(X):
        return X
    if not is_frame(X):
        X = np.asarray(X)
        X = X.astype(object) if X.dtype.kind in "SU" else X
        is_gap = missing_values == X
        return np.where(is_gap, np.nan, X) if np.any(is_gap) else X
    library = cast(Library, library_of(X))
    columns = [library.without(column, missing_values) for column in library.columns(X)]
    return library.frame(library.names(X), columns)


def _is_gap(value: Any) -> bool:
    """Return whether a value is NaN or pandas' NA, which cannot be compared."""
    return str(value) == "<NA>" or value != value


def filled_frame(
    X: Any, filled: Any, missing: np.ndarray, kept: np.ndarray, indicated: np.ndarray
) -> Any:
    """Return a data frame with the values of another one in its gaps.

    Parameters
    ----------
    X : DataFrame or Table
    filled : DataFrame or Table
        The same columns without gaps, in any library.
    missing : ndarray of bool of shape (n_rows, n_columns)
        The gaps to fill.
    kept, indicated : ndarray of int
        Positions of the columns to return, and of those of which indicators are appended.
    """
    library = cast(Library, library_of(X))
    pairs = zip(library.columns(X), library.columns(_like(X, filled)), missing.T, strict=True)
    columns = [
        library.patched(column, other, gaps) if gaps.any() else column
        for column, other, gaps in pairs
    ]
    chosen = [columns[position] for position in kept]
    chosen += [library.like(columns[position], missing[:, position]) for position in indicated]
    names = library.names(X)
    names_out = [names[position] for position in kept]
    names_out += [f"missingindicator_{names[position]}" for position in indicated]
    return library.frame(names_out, chosen)


def _like(X: Any, frame: Any) -> Any:
    """Return a data frame in the library of X."""
    if library_of(X) is library_of(frame):
        return frame
    converted = nw.from_native(frame, eager_only=True)
    implementation = nw.from_native(X, eager_only=True).implementation
    if implementation.is_pandas():
        return converted.to_pandas()
    return converted.to_polars() if implementation.is_polars() else converted.to_arrow()


def encoded_value(schema: TableSchema, position: int, value: Any) -> float:
    """Return a value of one column as the number that stands for it.

    Raises
    ------
    ValueError
        Naming the column, if the value was not among the training rows or within their range, or
        is one of its rare levels, which the model does not tell apart.
    """
    column = schema.columns[position]
    if value in column.others:
        raise ValueError(
            f"'given' has {value!r} for column {column.name!r}, which is one of its "
            f"{len(column.others)} rare levels, and these are modelled as one. Give a more "
            "frequent level."
        )
    name = str(column.name)
    cell = nw.new_series(name, [value], backend=cast(Any, schema.library)).to_frame().to_native()
    [number] = TableSchema((replace(column, name=name),), schema.library).encode(cell)[0]
    if column.low is None or not column.low <= number <= column.high:
        raise ValueError(
            f"'given' has {value!r} for column {column.name!r}, which the training data did not "
            f"have: {_range_of(column)}."
        )
    return float(number)


def _range_of(column: Column) -> str:
    if column.base == "level":
        return f"its levels are {', '.join(map(repr, column.levels))}"
    return f"its values range from {column.low:g} to {column.high:g}"
