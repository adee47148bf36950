"""Rows in blocks: sparse matrices and arrays on disk beside the same rows in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from scipy import sparse

from skvae import VAETransformer
from skvae._rows import source
from skvae._rows.opening import opened, opened_to_train
from skvae._rows.source import SlicedRows, SparseRows

VALUES = st.sampled_from([0.0, 0.0, 0.0, 1.0, -2.5, 7.0])
TABLES = hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 6)), elements=VALUES)


class Sliced:
    """An array behind slices alone, as HDF5, Zarr and dask have it."""

    def __init__(self, X, chunks=None):
        self.X, self.shape, self.dtype, self.chunks = X, X.shape, X.dtype, chunks

    def __getitem__(self, rows):
        return self.X[rows]


def sources(X):
    return [SparseRows(sparse.csr_array(X)), SlicedRows(Sliced(X), X.dtype, lambda *_: None)]


@pytest.fixture
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(source, "MOST_DENSE", 0)


@settings(deadline=None, max_examples=50)
@given(TABLES, st.data())
def test_rows_are_those_of_the_array(X, data):
    start = data.draw(st.integers(0, len(X)))
    places = np.array(data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1)))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(X), max_size=len(X))))
    for rows in sources(X):
        for chosen in (slice(start, start + 3), slice(None, None, 2), places):
            assert_array_equal(rows[chosen], X[chosen])
            assert rows[chosen].flags.c_contiguous
        for chosen in (places, mask):
            assert_array_equal(rows.take(chosen)[:], X[chosen])
        assert_array_equal(rows.take(places).take(slice(1, None))[:], X[places][1:])
        assert_array_equal(rows.survey.low, X.min(axis=0))
        assert_array_equal(rows.survey.high, X.max(axis=0))
        assert len(rows) == len(X)


@settings(deadline=None, max_examples=25)
@given(TABLES)
def test_columns_of_sparse_rows_are_those_of_the_array(X):
    rows = SparseRows(sparse.csr_array(X))
    for column in range(X.shape[1]):
        assert_array_equal(rows[:, column], X[:, column])
    assert_array_equal(rows.mapped(np.expm1)[:], np.expm1(X))


@pytest.mark.parametrize("n_rows", [1, 999, 1000, 2503])
def test_an_epoch_has_every_row_once_and_mixes_the_table(monkeypatch, n_rows):
    monkeypatch.setattr(source, "_READ_VALUES", 20)
    monkeypatch.setattr(source, "_SHUFFLED_VALUES", 1000)
    X = np.arange(2.0 * n_rows).reshape(n_rows, 2)
    rows = sources(X)[1]
    parts = [part[order] for part, order in rows.shuffled(3)]
    assert_array_equal(np.sort(np.concatenate(parts), axis=0), X)
    again = [part[order] for part, order in rows.shuffled(3)]
    assert_array_equal(np.concatenate(again), np.concatenate(parts))
    if n_rows > 1000:
        for part in parts:  # of a sorted table, whose mean row is n_rows
            assert abs(part.mean() - n_rows) < 0.25 * n_rows
        assert np.abs(np.corrcoef(parts[0][:, 0], np.arange(len(parts[0])))[0, 1]) < 0.15


def test_gaps_and_rows_without_values_are_found():
    X = np.ones((5, 3))
    X[2], X[4, 1] = np.nan, np.nan
    for rows in sources(X):
        assert rows.survey.has_gaps
        assert_array_equal(rows.is_empty(), [False, False, True, False, False])


def test_sources_do_not_become_arrays_by_accident():
    for rows in sources(np.ones((5, 3))):
        with pytest.raises(TypeError, match="read in blocks only"):
            np.asarray(rows)
        with pytest.raises(TypeError):
            np.log(rows)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array, Sliced])
def test_small_tables_are_opened_as_arrays(kind):
    X = np.eye(5, dtype=np.float32)
    assert_array_equal(opened(kind(X)), X)
    assert type(opened(kind(X))) is np.ndarray


@pytest.mark.parametrize(("dtype", "expected"), [("int8", "float32"), ("int64", "float64")])
@pytest.mark.usefixtures("nothing_is_small")
def test_types_become_floats_as_those_of_arrays_do(dtype, expected):
    X = np.arange(6, dtype=dtype).reshape(3, 2)
    for rows in (opened(sparse.csc_array(X)), opened(Sliced(X)), opened_to_train(lambda: [X])):
        assert rows.dtype == expected
        assert_array_equal(rows[:], X)


@pytest.mark.usefixtures("nothing_is_small")
def test_maps_that_joblib_lends_are_arrays(tmp_path):
    folder = tmp_path / "joblib_memmapping_folder_1"
    folder.mkdir()
    X = np.memmap(folder / "x", np.float32, "w+", shape=(5, 3))
    assert opened(X) is X
    assert isinstance(opened(np.memmap(tmp_path / "x", np.float32, "w+", shape=(5, 3))), SlicedRows)


@pytest.mark.usefixtures("nothing_is_small")
def test_chunks_are_copied_to_disk():
    X = np.random.default_rng(0).normal(size=(50, 3))
    expected = opened_to_train(Sliced(X, chunks=(8, 3)))
    assert isinstance(expected.array, np.memmap)
    assert_array_equal(expected[:], X)


def _two(first, second):
    return lambda: iter([first, second])


BAD_CHUNKS = {
    "no rows": (lambda: iter([]), "X has no rows"),
    "text": (lambda: [np.array([["a"]])], "must yield arrays of numbers"),
    "one dimension": (lambda: [np.ones(3)], "must yield arrays of numbers"),
    "other columns": (_two(np.ones((2, 3)), np.ones((2, 4))), "first one has 3 columns"),
    "other types": (_two(np.ones((2, 3), "f4"), np.ones((2, 3))), "of float32, but another"),
    "infinity": (_two(np.ones((2, 3)), np.full((2, 3), np.inf)), "column 0, row 2"),
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
def test_bad_chunks_raise(case):
    chunks, message = BAD_CHUNKS[case]
    with pytest.raises(ValueError, match=message):
        VAETransformer(2).fit(chunks)
