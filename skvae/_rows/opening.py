"""What users pass as X, if it is not an array in memory or a data frame, to rows in blocks."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from skvae._rows import source
from skvae._rows.arrays import NARROW, is_frame, refuse_infinite
from skvae._rows.parquet import ParquetTable
from skvae._rows.source import SlicedRows, Source, SparseRows
from skvae._rows.table import TableSchema

_WORKERS = "joblib_memmapping_folder"
_PARQUET = (".parquet", ".pq")
_CHUNK_VALUES = 2**22  # that are read at a time of rows that are copied


def opened(X: Any) -> Any:
    """Return rows that are too many to be made dense as a source, and others as an array or frame.

    Sparse matrices and arrays on disk of up to 2**24 values are made dense, so that the results are
    those of an array to the bit, and Parquet files become a data frame. Chunks are copied to a
    temporary memory map, as their rows are read more than once.
    """
    if _is_parquet(X):
        stored = ParquetTable(X)
        return stored.table() if _size(stored) <= source.MOST_DENSE else stored
    if callable(X):
        return _copied(_chunks(X))
    if issparse(X) and X.ndim == 2 and X.dtype.kind in "biuf":
        return X.toarray() if _size(X) <= source.MOST_DENSE else _sparse_rows(X)
    if not _is_on_disk(X):
        return X
    if _size(X) <= source.MOST_DENSE:
        return np.asarray(X[:])
    return SlicedRows(X, _precision(X.dtype), _check)


def opened_to_train(X: Any) -> Any:
    """Return what `opened` does, with rows that can be read in any order.

    Arrays that are not memory maps, whose slices may have to be unpacked or computed, are copied to
    a temporary one as well.
    """
    X = opened(X)
    if isinstance(X, SlicedRows) and not isinstance(X.array, np.memmap):
        return _copied(_slices(X))
    return X


def check_stored(
    estimator: BaseEstimator, X: ParquetTable, schema: TableSchema | None, *, reset: bool
) -> Any:
    """Return the rows of a data frame on disk, copied to a temporary memory map of numbers.

    Names and dates become the codes of a schema.
    """
    validate_data(estimator, X.header, reset=reset, skip_check_array=True)
    return _copied(X.numbers(schema), X.names)


def check_source(estimator: BaseEstimator, X: Source, *, reset: bool, min_samples: int) -> Source:
    """Return a source that has as many rows and features as an estimator requires."""
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if len(X) < min_samples:
        raise ValueError(
            f"Found array with {len(X)} sample(s) (shape={X.shape}) while a minimum of "
            f"{min_samples} is required by {type(estimator).__name__}."
        )
    return X


def _size(X: Any) -> int:
    return X.shape[0] * X.shape[1]


def _sparse_rows(X: Any) -> SparseRows:
    matrix = csr_array(X, dtype=_precision(X.dtype))
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if np.isinf(matrix.data).any():
        row = int(np.searchsorted(matrix.indptr, np.isinf(matrix.data).argmax(), side="right")) - 1
        _check(matrix[[row]].toarray(), row)
    return SparseRows(matrix)


def _is_on_disk(X: Any) -> bool:
    """Return whether X has a shape, a type and slices but is no array in memory or data frame."""
    if isinstance(X, np.memmap):
        is_shared = _WORKERS in str(X.filename)  # an array in memory, which joblib lends a worker
        return X.ndim == 2 and X.dtype.kind in "biuf" and not is_shared
    if isinstance(X, np.ndarray | np.generic | Source) or is_frame(X) or issparse(X):
        return False
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")):
        return False
    is_numeric = isinstance(X.dtype, np.dtype) and X.dtype.kind in "biuf"
    return is_numeric and len(X.shape) == 2


def _precision(dtype: np.dtype) -> type[np.floating]:
    return np.float32 if dtype.name in NARROW else np.float64


def _check(rows: np.ndarray, first: int) -> None:
    refuse_infinite(rows, None, first=first)


def _is_parquet(X: Any) -> bool:
    """Return whether X is the path of a Parquet file or of a folder, or a data set of pyarrow."""
    if isinstance(X, str | os.PathLike):
        return os.path.isdir(X) or os.fspath(X).lower().endswith(_PARQUET)
    return type(X).__module__.startswith("pyarrow._dataset")


def _slices(X: SlicedRows) -> Iterator[np.ndarray]:
    """Yield the rows of an array in order, in whole chunks if it is stored in chunks."""
    n_rows = max(1, _CHUNK_VALUES // X.shape[1])
    chunks = getattr(X.array, "chunks", None)  # of HDF5, Zarr and dask
    if chunks:
        longest = int(np.max(chunks[0]))
        n_rows = max(n_rows // longest, 1) * longest
    for start in range(0, len(X), n_rows):
        yield X[start : start + n_rows]


def _chunks(chunks: Callable[[], Iterable[Any]]) -> Iterator[np.ndarray]:
    """Yield chunks of rows as arrays of floats of one type and one number of columns."""
    first = None
    for chunk in chunks():
        rows = chunk.toarray() if issparse(chunk) else np.asarray(chunk)
        if rows.ndim != 2 or rows.dtype.kind not in "biuf":
            raise ValueError(
                f"A callable as X must yield arrays of numbers of shape (n_samples, n_features), "
                f"but it has yielded {rows.dtype} of shape {rows.shape}."
            )
        first = rows if first is None else first
        if (rows.shape[1], _precision(rows.dtype)) != (first.shape[1], _precision(first.dtype)):
            raise ValueError(
                f"The chunks of X differ: the first one has {first.shape[1]} columns of "
                f"{first.dtype}, but another one {rows.shape[1]} of {rows.dtype}. Yield arrays of "
                "one type with the same columns."
            )
        yield rows.astype(_precision(rows.dtype))


def _copied(chunks: Iterator[np.ndarray], names: list[str] | None = None) -> Any:
    """Return a temporary copy of rows on disk, which is gone with its last user.

    The error for an infinite value has the name of its column, if the columns have names.
    """
    n_rows, rows = 0, None
    with tempfile.TemporaryFile(prefix="skvae-rows-") as file:
        for rows in chunks:
            refuse_infinite(rows, names, first=n_rows)
            file.write(np.ascontiguousarray(rows).data)
            n_rows += len(rows)
        if rows is None:
            raise ValueError("X has no rows. Pass a source with at least two.")
        file.flush()
        array = np.memmap(file, rows.dtype, mode="r", shape=(n_rows, rows.shape[1]))
    return opened(array)
