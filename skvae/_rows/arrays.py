"""Rows in any form to arrays of floats: checked, contiguous, in a precision that holds them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, time, timedelta
from functools import partial
from itertools import compress
from typing import Any

import narwhals as nw
import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array
from sklearn.utils.validation import validate_data

from skvae._rows.source import Source

# every value of these types is a float32; the names are those of NumPy, pandas, polars and Arrow
NARROW = {"bool", "boolean", "int8", "uint8", "int16", "uint16"}
NARROW |= {"float16", "halffloat", "float", "float32"}
_TIMES = ("date", "time", "duration", "period")  # how the names of such types begin


def check_rows(
    estimator: BaseEstimator, X: Any, *, reset: bool, min_samples: int = 1
) -> np.ndarray:
    """Return X as a C-contiguous float array, without a copy if it is one already.

    float32 stays float32, and types whose values are all float32 numbers become it: booleans, and
    integers of at most 16 bits. All other rows are float64, whatever they came in: a time stamp or
    an amount in cents would lose its last digits, and a value must not decide the precision of the
    others. Missing values are NaN; None, pandas' NA and masked values become it.
    """
    convert = partial(
        validate_data,
        estimator,
        reset=reset,
        order="C",
        ensure_min_samples=min_samples,
        ensure_all_finite=False,
    )
    return _checked(X, convert, allow_gaps=True)


def has_gaps(X: Any) -> bool:
    """Return whether a value is missing, which is NaN, of rows without infinite values."""
    if isinstance(X, Source):
        return X.survey.has_gaps
    with np.errstate(over="ignore", invalid="ignore"):
        total = X.sum(dtype=np.float64)  # needs no memory, unlike a mask
    return not np.isfinite(total) and any(np.isnan(row).any() for row in X)


def evenly_spaced(n_rows: int, most: int) -> np.ndarray:
    """Return indices of at most so many rows, from the first to the last."""
    return np.linspace(0, n_rows - 1, min(most, n_rows)).astype(int)


def is_frame(X: Any) -> bool:
    """Return whether X is a data frame of pandas or polars, or a table of pyarrow."""
    known = nw.dependencies
    tests = (known.is_pandas_dataframe, known.is_polars_dataframe, known.is_pyarrow_table)
    return any(is_own(X) for is_own in tests)


def check_latent_rows(estimator: BaseEstimator, X: Any, n_components: int) -> Any:
    """Return latent rows of width `n_components`: a C-contiguous float array, or a source."""
    convert = partial(
        check_array, order="C", estimator=estimator, input_name="X", ensure_all_finite=False
    )
    Z = X if isinstance(X, Source) else _checked(X, convert)
    if Z.shape[1] != n_components:
        raise ValueError(
            f"X has {Z.shape[1]} columns, but {type(estimator).__name__} was fitted with "
            f"n_components={n_components}. Pass latent rows, such as transform returns."
        )
    return Z


def column_of_numbers(name: Any, values: Any) -> np.ndarray:
    """Return a column of a table as float64.

    Raises
    ------
    ValueError
        Naming the column, if a value is not a finite number.
    """
    values = np.asarray(values)[:, None]
    _refuse_times(values, [name])
    try:
        numbers = values.astype(np.float64)
    except (ValueError, TypeError) as exc:
        _explain_cells(values, exc, [name])
        raise
    refuse_infinite(numbers, [name], allow_gaps=False)
    return numbers[:, 0]


def _refuse_path(X: Any) -> None:
    if isinstance(X, str | os.PathLike):
        raise ValueError(
            f"X is {os.fspath(X)!r}, but rows are expected. If this is a file, read it first, for "
            "example by pandas.read_csv or pyarrow.parquet.read_table. VAETransformer and "
            "VAEAnomalyDetector take the paths of Parquet files as well, which end in .parquet."
        )


def _checked(X: Any, convert: Callable[..., np.ndarray], *, allow_gaps: bool = False) -> np.ndarray:
    """Convert to floats, with errors that name columns and cells."""
    _refuse_path(X)
    X = _as_array_or_frame(X)
    _refuse_shape(X)
    _refuse_times(X)
    X = _with_nan(X)
    try:
        rows = convert(X, dtype=_precision(X))
    except (ValueError, TypeError) as exc:
        _explain_cells(X, exc)
        raise
    refuse_infinite(rows, _column_names(X), allow_gaps=allow_gaps)
    return rows


def _as_array_or_frame(X: Any) -> Any:
    """Return lists and the like as arrays, so that everything else has its own types."""
    return X if hasattr(X, "dtype") or hasattr(X, "shape") else np.asarray(X)


def _column_names(X: Any) -> list[Any] | None:
    """Return the names of the columns of a data frame; None for an array."""
    names = getattr(X, "column_names", None)  # Arrow, whose `columns` are the columns themselves
    if names is None:
        names = getattr(X, "columns", None)
    return None if names is None else list(names)


def _type_names(X: Any) -> list[str]:
    """Return the name of the type of every column of a data frame, or of the array."""
    if _column_names(X) is None:
        dtypes = [X.dtype]
    else:
        dtypes = X.schema.types if hasattr(X, "column_names") else list(X.dtypes)
    names = [dtype.name if isinstance(dtype, np.dtype) else str(dtype) for dtype in dtypes]
    # "torch.float32" and "float[pyarrow]" are as good as "float32"
    return [name.lower().rpartition(".")[2].removesuffix("[pyarrow]") for name in names]


def _precision(X: Any) -> type[np.floating]:
    return np.float32 if NARROW.issuperset(_type_names(X)) else np.float64


def _with_nan(X: Any) -> Any:
    """Return rows with NaN for masked values and for objects that stand for missing ones."""
    if np.ma.is_masked(X):
        dtype = _precision(X)
        return X.astype(dtype).filled(np.nan)
    if "object" not in _type_names(X):
        return X
    cells = np.asarray(X, dtype=object)
    missing = np.vectorize(_is_missing, otypes=[bool])(cells)
    if not missing.any():
        return X
    return X.mask(missing, np.nan) if is_frame(X) else np.where(missing, np.nan, cells)


def _refuse_shape(X: Any) -> None:
    """Refuse what has one dimension and names, such as a row of a data frame, and images."""
    if hasattr(X, "to_frame") and len(X.shape) == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X is a {type(X).__name__}. Reshape your "
            "data: select one row of a data frame by a list, as in frame.iloc[[0]], or make a "
            "frame of one column by X.to_frame()."
        )
    if len(X.shape) > 2:
        raise ValueError(
            f"Found array with dim {len(X.shape)}, while dim <= 2 is required: X has shape "
            f"{tuple(X.shape)}. Flatten images by X.reshape(len(X), -1)."
        )


def _refuse_times(X: Any, names: list[Any] | None = None) -> None:
    names = names or _column_names(X)
    are_times = [kind.startswith(_TIMES) for kind in _type_names(X)]
    if any(are_times):
        raise _error_of_times(list(compress(names, are_times)) if names else "all")


def _error_of_times(names: list[Any] | str) -> ValueError:
    which = names if isinstance(names, str) else ", ".join(map(repr, names))
    return ValueError(
        f"X has columns of dates or times: {which}. Drop them, or subtract a reference and take "
        "the seconds: (column - column.min()).dt.total_seconds() in pandas and polars, "
        "(column - column.min()) / numpy.timedelta64(1, 's') in NumPy."
    )


def _explain_cells(X: Any, exc: Exception, names: list[Any] | None = None) -> None:
    """Raise an error that names columns and cells, if it is they that cannot become floats."""
    names = names or _column_names(X)
    if issparse(X) or len(X.shape) != 2 or (names is None and X.dtype.kind not in "OUS"):
        return
    cells = np.asarray(X, dtype=object)  # (n_samples, n_features)
    names = names or list(range(cells.shape[1]))
    faults = {name: _not_numbers(column) for name, column in zip(names, cells.T, strict=True)}
    if times := [name for name, wrong in faults.items() if _are_times(wrong)]:
        raise _error_of_times(times) from exc
    if texts := [name for name, wrong in faults.items() if 2 * len(wrong) >= len(cells)]:
        raise ValueError(
            f"X has columns that do not hold numbers: {', '.join(map(repr, texts))}. Drop them, or "
            f"encode them first, for example with sklearn.preprocessing.OneHotEncoder ({exc})."
        ) from exc
    for column, wrong in faults.items():
        for row, cell in wrong.items():
            raise type(exc)(
                f"X holds {cell!r} in {place_of(column, row)}, which is not a number ({exc}). "
                "Replace it, or drop the row."
            ) from exc


def _not_numbers(cells: np.ndarray) -> dict[int, Any]:
    """Return the cells of a column that cannot become floats, by their rows."""
    wrong = {}
    for row, cell in enumerate(cells):
        try:
            float(cell)
        except (ValueError, TypeError):
            if not _is_missing(cell):
                wrong[row] = cell
    return wrong


def _are_times(wrong: dict[int, Any]) -> bool:
    kinds = (date, time, timedelta, np.datetime64, np.timedelta64)
    return bool(wrong) and all(isinstance(cell, kinds) for cell in wrong.values())


def _is_missing(cell: Any) -> bool:
    return cell is None or str(cell) in ("<NA>", "NaT")


def refuse_infinite(
    rows: np.ndarray, names: list[Any] | None, *, allow_gaps: bool = True, first: int = 0
) -> None:
    """Raise an error that names the first infinite value or, if gaps are not allowed, NaN.

    `first` is the number of the first row.
    """
    try:
        assert_all_finite(rows, input_name="X", allow_nan=allow_gaps)
    except ValueError:
        wrong = np.isinf(rows) if allow_gaps else ~np.isfinite(rows)
        row, column = divmod(int(wrong.argmax()), rows.shape[1])
        place = place_of(names[column] if names else column, first + row)
        if np.isnan(rows[row, column]):
            raise _error_of_missing(place, int(np.isnan(rows[:, column]).sum())) from None
        raise ValueError(
            f"Input X contains infinity or a value too large for {rows.dtype!r} in {place}. "
            "Replace it, or drop the row."
        ) from None


def _error_of_missing(place: str, n_missing: int) -> ValueError:
    more = f", and {n_missing - 1} more in this column" if n_missing > 1 else ""
    return ValueError(f"Input X contains NaN, a missing value, in {place}{more}. Drop such rows.")


def place_of(column: Any, row: int) -> str:
    """Return the place of a cell for a message: the name or number of its column, and its row."""
    return f"column {column!r}, row {row} (counted from 0)"
