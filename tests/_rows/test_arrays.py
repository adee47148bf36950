"""Rows of any type as arrays of floats."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skvae._rows.arrays import check_latent_rows, check_rows


def checked(X, **changes):
    return check_rows(BaseEstimator(), X, **{"reset": True} | changes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float64),
        (">f8", np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.int64, np.float32),
        (bool, np.float32),
    ],
)
def test_float64_stays_and_other_types_become_float32(given, kept):
    X = np.array([[0, 1], [1, 0]], dtype=given)
    assert checked(X).dtype == kept
    np.testing.assert_array_equal(checked(X), X)
    assert check_latent_rows(BaseEstimator(), X, 2).dtype == kept


def test_contiguous_rows_are_not_copied():
    X = np.ones((3, 2))
    assert np.shares_memory(checked(X), X)
    assert checked(np.asfortranarray(X)).flags.c_contiguous


def test_data_frames_keep_double_precision():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": [0.1, 0.2], "b": [1.0, 2.0]}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert checked(frame).dtype == np.float64


def test_columns_without_numbers_are_named():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": [0.1, 0.2], "b": ["x", "y"], "c": ["1", "z"]}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        with pytest.raises(ValueError, match="columns that do not hold numbers: 'b', 'c'. Drop"):
            checked(frame)


def test_masked_values_raise():
    X = np.ma.masked_greater(np.arange(6.0).reshape(3, 2), 4)
    with pytest.raises(ValueError, match="masked array with 1 masked values"):
        checked(X)
    np.testing.assert_array_equal(checked(np.ma.array(X.data)), X.data)  # nothing is masked


def test_too_few_rows_raise():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        checked(np.ones((1, 2)), min_samples=2)


def test_latent_rows_of_another_width_raise():
    with pytest.raises(ValueError, match="X has 3 columns, but .* fitted with n_components=2"):
        check_latent_rows(BaseEstimator(), np.ones((4, 3)), 2)
