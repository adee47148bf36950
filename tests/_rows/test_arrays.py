"""Checks of rows and of small numbers, and estimators that stay whole."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skvae._validation import check_count, check_rows, check_support, unchanged_on_failure


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.int64, np.float32),
        (bool, np.float32),
    ],
)
def test_floats_keep_their_precision_and_the_rest_is_single(given, kept):
    X = np.array([[0, 1], [1, 0]], dtype=given)
    assert check_rows(BaseEstimator(), X, reset=True).dtype == kept


def test_rows_in_order_are_not_copied():
    X = np.ones((3, 2))
    assert np.shares_memory(check_rows(BaseEstimator(), X, reset=True), X)
    assert check_rows(BaseEstimator(), np.asfortranarray(X), reset=True).flags.c_contiguous


def test_data_frames_keep_double_precision():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": [0.1, 0.2], "b": [1.0, 2.0]}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert check_rows(BaseEstimator(), frame, reset=True).dtype == np.float64


def test_support_names_the_range_met_and_the_remedy():
    check_support(np.array([[0.0, 1.0]]), (0.0, 1.0), "it")
    check_support(np.array([[-9.0]]), None, "it")
    with pytest.raises(ValueError, match=r"'it' takes.*ranges from 0 to 16.*X / 16.*'gaussian'"):
        check_support(np.array([[0.0, 16.0]]), (0.0, 1.0), "it")
    with pytest.raises(ValueError, match=r"from -3 to 0\.5.*MinMaxScaler\(clip=True\), or"):
        check_support(np.array([[-3.0, 0.5]]), (0.0, 1.0), "it")


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_a_count_is_a_positive_integer(value):
    with pytest.raises(ValueError, match=f"'n' must be an integer of at least 1, got {value!r}"):
        check_count("n", value)
    check_count("n", np.int64(3))


def test_attributes_come_back_after_a_failure():
    estimator = BaseEstimator()
    estimator.kept_ = kept = [1]
    with pytest.raises(ZeroDivisionError), unchanged_on_failure(estimator):
        estimator.new_ = estimator.kept_ = 1 / 0
    assert vars(estimator) == {"kept_": kept}
    with unchanged_on_failure(estimator):
        estimator.new_ = 3
    assert estimator.new_ == 3
