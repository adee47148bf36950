"""Shapes, trends and associations of small tables against values by hand, SciPy and pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import contingency, ks_2samp

from skvae.metrics._column_agreement import (
    associations,
    column_shapes,
    discretized,
    pair_trends,
)

NUMBERS, LEVELS = np.array([False, False]), np.array([True, True])
MIXED = np.array([False, True])
gappy = st.floats(-1e6, 1e6) | st.just(np.nan)
steps = st.integers(-3, 3) | st.just(np.nan)
tables = arrays(np.float64, st.tuples(st.integers(1, 30), st.just(4)), elements=gappy)


def shape_of(a, b, *, of_levels):
    """Agreement of single columns of any lengths."""
    a, b = (np.array(x, dtype=float)[:, None] for x in (a, b))
    return column_shapes(a, b, np.array([of_levels]))[0]


def test_shape_of_levels_is_one_minus_the_total_variation():
    real, synthetic = [0, 0, 0, 1], [0, 1, 1, 2]  # shares 3/4, 1/4, 0 and 1/4, 1/2, 1/4
    assert shape_of(real, synthetic, of_levels=True) == pytest.approx(0.5)


@given(arrays(float, 12, elements=st.integers(-3, 3)), arrays(float, 7, elements=st.floats(-3, 3)))
def test_shape_of_numbers_is_one_minus_the_kolmogorov_smirnov_statistic(a, b):
    expected = 1 - ks_2samp(a, b, method="asymp").statistic
    assert shape_of(a, b, of_levels=False) == pytest.approx(expected)


@pytest.mark.parametrize("of_levels", [True, False])
def test_shapes_leave_out_missing_values(of_levels):
    gap = np.nan
    assert shape_of([0, 1, gap, gap], [1, gap, 0], of_levels=of_levels) == 1
    assert shape_of([gap, gap], [gap], of_levels=of_levels) == 1
    assert shape_of([gap, gap], [1, 2], of_levels=of_levels) == 0
    assert shape_of([1, 2], [gap, gap], of_levels=of_levels) == 0


def test_trend_of_numbers_compares_correlations():
    x = np.arange(4.0)
    rising, falling = np.column_stack([x, 2 * x + 1]), np.column_stack([x, -x])
    flat = np.column_stack([x, np.full(4, 0.1)])
    assert pair_trends(rising, falling, NUMBERS)[0, 1] == pytest.approx(0)
    assert pair_trends(rising, flat, NUMBERS)[0, 1] == pytest.approx(0.5)
    assert pair_trends(flat, flat[:2], NUMBERS)[0, 1] == 1
    assert pair_trends(rising, rising[1:], NUMBERS)[0, 1] == pytest.approx(1)


def test_trend_of_levels_compares_contingency_tables():
    real = np.array([[0, 0], [0, 0], [1, 1], [1, 1]], dtype=float)
    synthetic = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
    assert pair_trends(real, synthetic, LEVELS)[0, 1] == pytest.approx(0.5)
    assert pair_trends(real, synthetic + 2, LEVELS)[0, 1] == 0


def test_missing_values_are_a_level_of_contingency_tables():
    real = np.array([[0, 0], [1, np.nan], [1, np.nan], [1, 1]])
    filled = np.nan_to_num(real, nan=1.0)
    assert pair_trends(real, filled, LEVELS)[0, 1] == pytest.approx(0.5)
    assert pair_trends(real, real[::-1], LEVELS)[0, 1] == 1


def test_numbers_beside_levels_are_binned_over_the_real_range():
    real = np.array([[0, 0], [100, 1], [np.nan, 0]])
    X = np.array([[-50, 0], [9.9, 0], [10, 0], [90, 0], [1e9, 0], [np.nan, 0]])
    codes = discretized(X, like=real, is_level=MIXED)
    assert codes[:, 0].tolist() == [1, 1, 2, 10, 10, 0]
    synthetic = np.array([[5, 0], [95, 1], [95, 0]])
    assert pair_trends(real[:2], synthetic, MIXED)[0, 1] == pytest.approx(2 / 3)


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(4)), elements=steps))
def test_correlations_are_those_of_complete_pairs(X):
    """A constant has no correlation, for which pandas returns NaN."""
    expected = pd.DataFrame(X).corr().fillna(0).to_numpy(copy=True)
    np.fill_diagonal(expected, 1)
    found = associations(X, like=X, is_level=np.zeros(4, dtype=bool))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_correlations_do_not_depend_on_units():
    rng = np.random.default_rng(0)
    X = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=500)
    expected = np.corrcoef(X.T)
    for units in (1e-200, 1e200, 1e9):
        times = X * units + 1.7e18 * (units == 1e9)  # nanoseconds since 1970
        found = associations(times, like=times, is_level=NUMBERS)
        np.testing.assert_allclose(found, expected, atol=1e-4)


@given(tables, tables, arrays(bool, 4))
def test_scores_are_shares_and_one_for_equal_tables(real, synthetic, is_level):
    real, synthetic = (np.where(is_level, np.abs(np.round(X)) % 5, X) for X in (real, synthetic))
    for function in (column_shapes, pair_trends):
        found = function(real, synthetic, is_level)
        assert ((found >= -1e-9) & (found <= 1 + 1e-9)).all()
        np.testing.assert_allclose(function(real, real[::-1], is_level), 1)
    both_ways = [column_shapes(*pair, is_level) for pair in ((real, synthetic), (synthetic, real))]
    np.testing.assert_allclose(*both_ways)


def test_association_of_levels_is_cramers_v():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 4, size=(200, 2)).astype(float)
    X[:80, 1] = X[:80, 0]
    counts = pd.crosstab(X[:, 0], X[:, 1]).to_numpy()
    found = associations(X, like=X, is_level=LEVELS)
    assert found[0, 1] == pytest.approx(contingency.association(counts, method="cramer"))
    constant = np.column_stack([X[:, 0], np.zeros(200)])
    assert associations(constant, like=constant, is_level=LEVELS)[0, 1] == 0


def test_a_number_that_decides_a_level_has_an_association_of_one():
    number = np.linspace(0, 1, 100)
    X = np.column_stack([number, number >= 0.5])
    found = associations(X, like=X, is_level=MIXED)
    np.testing.assert_allclose(found, 1)
