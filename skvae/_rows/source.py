"""Rows that are not an array in memory: sparse matrices, and arrays on disk, made dense in blocks.

What users pass becomes such rows in `opening.py`.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

MOST_DENSE = 2**24  # values, 64 MB in single precision; a table of so many is made dense at once
_BLOCK_VALUES = 2**20  # that are made dense at a time
_SAMPLED_VALUES = 2**23
_READ_VALUES = 2**16  # that lie next to each other and are read together: 256 KB
_SCATTERED = 256  # rows that are read together; each brings 64 KB of its neighbours with it
_SHUFFLED_VALUES = 2**23  # whose rows are shuffled in memory, from all over the file


class Survey(NamedTuple):
    """What one pass over all rows finds."""

    low: np.ndarray  # smallest observed value of every column
    high: np.ndarray
    has_gaps: bool


def starts_of_blocks(n_rows: int, n_columns: int, n_values: int | None = None) -> range:
    """Return where blocks of about so many values start; its step is their number of rows."""
    return range(0, n_rows, max(1, (n_values or _BLOCK_VALUES) // n_columns))


def sample_size(n_rows: int, n_columns: int) -> int:
    """Return how many rows of a large table are a sample of it."""
    return min(n_rows, max(2, _SAMPLED_VALUES // n_columns))


class Source:
    """Rows of floats that are made dense in blocks, with as much of an array as is needed.

    Subclasses implement `__getitem__`, which returns the rows of a slice or an array of places as
    an array, and `take`, which returns them as a source.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        float32 or float64, of the rows once they are dense.
    """

    __array_ufunc__ = None  # NumPy would make all rows dense, one by one

    def __init__(self, shape: tuple[int, int], dtype: Any):
        self.shape = shape
        self.dtype = np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} of shape {self.shape} is read in blocks only")

    def __getitem__(self, rows: Any) -> np.ndarray:
        raise NotImplementedError

    def take(self, chosen: Any) -> Source:
        """Return the rows at these places, which are numbers, a mask or a slice, as a source."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    def starts(self) -> range:
        """Return where blocks of rows start; its step is their number of rows."""
        return starts_of_blocks(*self.shape)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield all rows in order."""
        starts = self.starts()
        for start in starts:
            yield self[start : start + starts.step]

    @cached_property
    def survey(self) -> Survey:
        """The ends of the columns, and whether there are gaps."""
        return surveyed(self.blocks(), self.shape[1])

    @cached_property
    def sample(self) -> np.ndarray:
        """Evenly spaced rows in memory."""
        n_rows = sample_size(*self.shape)
        return self[np.linspace(0, len(self) - 1, n_rows).astype(int)]

    def examples(self) -> np.ndarray:
        """Return the sample after two rows with the ends of all columns, to learn ranges from."""
        ends = np.array([self.survey.low, self.survey.high], dtype=self.dtype)
        return np.concatenate([ends, self.sample])

    def is_empty(self) -> np.ndarray:
        """Return which rows have no observed value."""
        return np.concatenate([np.isnan(rows).all(axis=1) for rows in self.blocks()])

    def first_row_with(self, column: int, value: float) -> int:
        """Return the number of the first row with a value in a column."""
        starts = self.starts()
        for start, rows in zip(starts, self.blocks(), strict=True):
            found = np.flatnonzero(rows[:, column] == value)
            if len(found):
                return start + int(found[0])
        raise LookupError(f"no row has {value} in column {column}")

    def digest(self) -> str:
        """Return a digest of all values, by which the rows of a checkpoint are compared."""
        digest = hashlib.sha256()
        for rows in self.blocks():
            digest.update(np.ascontiguousarray(rows).data)
        return digest.hexdigest()

    def shuffled(self, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and the order in which they come, until all have been yielded once.

        Short stretches of neighbouring rows are drawn from the whole table, and the rows of many
        are shuffled together, so that the order of the table does not matter. The next rows are
        read while the present ones are in use.
        """
        rng, starts = np.random.default_rng(seed), starts_of_blocks(*self.shape, _READ_VALUES)
        order = starts.start + starts.step * rng.permutation(len(starts))
        n_parts = -(-len(order) // (_SHUFFLED_VALUES // _READ_VALUES))

        def read(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = np.concatenate([self[start : start + starts.step] for start in drawn])
            return rows, rng.permutation(len(rows))

        with ThreadPoolExecutor(1, "skvae-read-ahead") as reader:
            first, *others = np.array_split(order, n_parts)
            ahead = reader.submit(read, first)
            for part in others:
                present, ahead = ahead.result(), reader.submit(read, part)
                yield present
            yield ahead.result()


class SparseRows(Source):
    """The rows of a sparse matrix.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array of floats
    """

    def __init__(self, matrix: Any):
        super().__init__(matrix.shape, matrix.dtype)
        self.matrix = matrix

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, tuple):  # of one column
            return self._column(rows[1])[rows[0]]
        return self.matrix[rows].toarray()

    def take(self, chosen: Any) -> SparseRows:
        return SparseRows(self.matrix[chosen])

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> SparseRows:
        """Return the rows after a function of every value, which keeps zeros."""
        matrix = self.matrix.copy()
        matrix.data = function(matrix.data)
        return SparseRows(matrix)

    def min(self, axis: int) -> np.ndarray:
        """Return the smallest value of every column."""
        return self.matrix.min(axis=axis).toarray().ravel()

    def max(self, axis: int) -> np.ndarray:
        """Return the largest value of every column."""
        return self.matrix.max(axis=axis).toarray().ravel()

    @cached_property
    def survey(self) -> Survey:
        if np.isnan(self.matrix.data).any():
            return surveyed(self.blocks(), self.shape[1])
        return Survey(self.min(axis=0), self.max(axis=0), has_gaps=False)

    def _column(self, column: int) -> np.ndarray:
        matrix, values = self._by_columns, np.zeros(len(self), dtype=self.dtype)
        held = slice(*matrix.indptr[column : column + 2])  # ten times as fast as SciPy's index
        values[matrix.indices[held]] = matrix.data[held]
        return values

    @cached_property
    def _by_columns(self) -> Any:
        return self.matrix.tocsc()


class SlicedRows(Source):
    """The rows of an array whose slices are read when they are needed, such as one on disk.

    Parameters
    ----------
    array : object
        With a shape and slices, which become arrays.
    dtype : numpy.dtype
    check : callable
        Called with every array of rows and the number of the first; raises for infinite values.
    places : ndarray of int or None, default=None
        Which rows of the array are meant, and in which order; None is all of them.
    """

    def __init__(
        self,
        array: Any,
        dtype: Any,
        check: Callable[[np.ndarray, int], None],
        places: np.ndarray | None = None,
    ):
        n_rows = array.shape[0] if places is None else len(places)
        super().__init__((n_rows, array.shape[1]), dtype)
        self.array = array
        self.check = check
        self.places = places

    def __getitem__(self, rows: Any) -> np.ndarray:
        if self.places is not None:
            rows = self.places[rows]
        values = np.ascontiguousarray(_read(self.array, rows), dtype=self.dtype)
        self.check(values, rows.start or 0 if isinstance(rows, slice) else 0)
        return values

    def take(self, chosen: Any) -> SlicedRows:
        places = np.arange(self.array.shape[0]) if self.places is None else self.places
        return SlicedRows(self.array, self.dtype, self.check, places[chosen])


def _read(array: Any, rows: Any) -> np.ndarray:
    """Return rows of an array as an array of its own."""
    if isinstance(array, np.memmap):
        return _read_map(array, rows)
    if isinstance(rows, slice):
        return np.asarray(array[rows])
    places, inverse = np.unique(rows, return_inverse=True)  # HDF5 takes ascending numbers alone
    return np.asarray(array[places])[inverse]


def _read_map(array: np.memmap, rows: Any) -> np.ndarray:
    """Return rows of a file; its pages, which would count as memory of the process, are let go."""
    is_slice = isinstance(rows, slice)
    parts = [rows] if is_slice else np.array_split(rows, max(1, len(rows) // _SCATTERED))
    values = []
    for part in parts:
        values.append(np.array(array[part]))
        _give_back(array)
    return values[0] if len(values) == 1 else np.concatenate(values)


def _give_back(array: Any) -> None:
    if array.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)


def surveyed(blocks: Iterator[np.ndarray], n_columns: int) -> Survey:
    """Return what one pass over blocks of rows finds."""
    low, high = np.full(n_columns, np.nan), np.full(n_columns, np.nan)
    has_gaps = False
    for rows in blocks:
        low = np.fmin(low, np.fmin.reduce(rows, axis=0))
        high = np.fmax(high, np.fmax.reduce(rows, axis=0))
        has_gaps = has_gaps or bool(np.isnan(rows).any())
    return Survey(low, high, has_gaps)
