"""Rubin's rules against a published example, simulated intervals, and what must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose

from skvae.metrics import pool

# SAS/STAT 9.2 User's Guide, "The MIANALYZE Procedure", example "Reading Means and Standard Errors
# from Variables in a DATA= Data Set": 31 men, three variables with gaps, five imputations.
MEANS = [
    [47.0120, 10.4441, 171.216],
    [47.2407, 10.5040, 171.244],
    [47.4995, 10.5922, 171.909],
    [47.1485, 10.5279, 171.146],
    [47.0042, 10.4913, 172.072],
]
ERRORS = [
    [0.95984, 0.28520, 1.59910],
    [0.93540, 0.26661, 1.75638],
    [1.00766, 0.26302, 1.85795],
    [0.95439, 0.26405, 1.75011],
    [0.96528, 0.27275, 1.84807],
]
PUBLISHED = {
    "between_variance": [0.041478, 0.002948, 0.191086],
    "within_variance": [0.930853, 0.073142, 3.114442],
    "total_variance": [0.980626, 0.076679, 3.343744],
    "df": [26.298, 26.503, 25.463],
    "missing_information": [0.051977, 0.047147, 0.070759],
    "estimate": [47.180993, 10.511906, 171.517500],
    "standard_error": [0.990266, 0.276910, 1.828591],
}


def test_a_published_example_is_reproduced():
    pooled = pool(MEANS, np.square(ERRORS), df_complete=30)
    for name, expected in PUBLISHED.items():
        assert_allclose(getattr(pooled, name), expected, rtol=2e-3, err_msg=name)
    low, high = pooled.interval
    assert_allclose(low, [45.1466, 9.9432, 167.7549], atol=2e-4)
    assert_allclose(high, [49.2154, 11.0806, 175.2801], atol=2e-4)


def imputed_means(n_rows, n_observed, n_draws, n_tables, rng):
    """Return means of normal columns with gaps filled by Bayesian draws, and their variances.

    The mean and the variance of each imputation are drawn from their posterior under the prior
    1 / variance, which makes the imputations proper in the sense of Rubin.
    """
    observed = rng.normal(size=(n_observed, n_tables))
    df = n_observed - 1
    shape = (n_draws, n_tables)
    variance = df * observed.var(axis=0, ddof=1) / rng.chisquare(df, size=shape)
    mean = observed.mean(axis=0) + rng.normal(size=shape) * np.sqrt(variance / n_observed)
    noise = rng.normal(size=(n_rows - n_observed, *shape))
    filled = mean + noise * np.sqrt(variance)
    known = np.broadcast_to(observed[:, None], (n_observed, *shape))
    columns = np.concatenate([known, filled])
    return columns.mean(axis=0), columns.var(axis=0, ddof=1) / n_rows


@pytest.mark.parametrize(("n_rows", "n_observed"), [(12, 8), (60, 30)])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_intervals_hold_the_truth_as_often_as_they_say(n_rows, n_observed, level):
    rng = np.random.default_rng(0)
    estimates, variances = imputed_means(n_rows, n_observed, 20, 4000, rng)
    low, high = pool(estimates, variances, df_complete=n_rows - 1, level=level).interval
    covered = ((low < 0) & (high > 0)).mean()
    assert -0.02 < covered - level < 0.05  # proper imputations of a few rows are conservative


def test_one_filled_table_has_too_short_an_interval_and_pooling_mends_it():
    rng = np.random.default_rng(0)
    estimates, variances = imputed_means(60, 30, 20, 4000, rng)
    error = np.sqrt(variances[0])
    assert (np.abs(estimates[0]) < 2 * error).mean() < 0.85
    assert_allclose(np.sqrt(estimates.mean(0).var()), 1 / np.sqrt(30), rtol=0.05)
    assert_allclose(pool(estimates, variances).standard_error.mean(), 1 / np.sqrt(30), rtol=0.05)


def test_missing_information_is_the_share_of_missing_rows():
    """Of the mean of a normal column without other columns, half of the rows are half of it."""
    rng = np.random.default_rng(0)
    estimates, variances = imputed_means(400, 200, 400, 50, rng)
    assert abs(pool(estimates, variances).missing_information.mean() - 0.5) < 0.02


of_any_numbers = settings(max_examples=60, deadline=None, derandomize=True, database=None)
numbers = st.floats(-100, 100, width=32)
matrices = st.shared(st.tuples(st.integers(2, 6), st.integers(1, 3)), key="shape")
estimates_of = matrices.flatmap(lambda shape: arrays.arrays(np.float64, shape, elements=numbers))
variances_of = matrices.flatmap(
    lambda shape: arrays.arrays(np.float64, shape, elements=st.floats(0.015625, 100, width=32))
)


@of_any_numbers
@given(estimates_of, variances_of, st.sampled_from([-4.0, 0.5, 8.0]), st.sampled_from([None, 9]))
def test_units_and_order_have_no_influence(estimates, variances, factor, df_complete):
    pooled = pool(estimates, variances, df_complete=df_complete)
    other = pool(factor * estimates[::-1], factor**2 * variances[::-1], df_complete=df_complete)
    assert_allclose(other.estimate, factor * pooled.estimate, rtol=1e-9, atol=1e-9)
    assert_allclose(other.standard_error, abs(factor) * pooled.standard_error, rtol=1e-9)
    assert_allclose(other.df, pooled.df, rtol=1e-6)
    assert_allclose(other.missing_information, pooled.missing_information, rtol=1e-6)


@of_any_numbers
@given(estimates_of, variances_of)
def test_arrays_are_pooled_number_by_number(estimates, variances):
    together = pool(estimates, variances, df_complete=20)
    for column, (Q, U) in enumerate(zip(estimates.T, variances.T, strict=True)):
        alone = pool(Q, U, df_complete=20)
        assert type(alone.estimate) is float
        assert_allclose(alone.interval, [end[column] for end in together.interval], rtol=1e-9)


@of_any_numbers
@given(estimates_of, variances_of, st.floats(1, 1e6))
def test_degrees_of_freedom_are_bounded(estimates, variances, df_complete):
    pooled = pool(estimates, variances, df_complete=df_complete)
    assert (pooled.df <= df_complete).all()
    assert (pooled.df <= pool(estimates, variances).df).all()
    assert (pool(estimates, variances).df >= len(estimates) - 1).all()
    assert ((pooled.missing_information >= 0) & (pooled.missing_information <= 1)).all()


def test_equal_estimates_are_those_of_a_complete_table():
    pooled = pool([2.0, 2.0, 2.0], [0.25, 0.25, 0.25], level=0.6826894921370859)
    assert (pooled.estimate, pooled.standard_error, pooled.missing_information) == (2.0, 0.5, 0.0)
    assert pooled.df == np.inf
    assert_allclose(pooled.interval, (1.5, 2.5))
    assert_allclose(pool([2.0, 2.0], [0.25, 0.25], df_complete=10).df, 10 * 11 / 13)


def test_estimates_without_variance():
    """A constant is known; from estimates that vary without any error, nothing can be concluded."""
    pooled = pool([[1.0, 1.0], [1.0, 2.0]], np.zeros((2, 2)), df_complete=10)
    assert_allclose(pooled.interval, [[1.0, -np.inf], [1.0, np.inf]])
    assert_allclose(pooled.missing_information, [0.0, 1.0])


def test_a_result_cannot_be_changed():
    with pytest.raises(AttributeError):
        pool([1.0, 2.0], [1.0, 1.0]).estimate = 3.0


@pytest.mark.parametrize(
    ("estimates", "variances", "options", "message"),
    [
        ([1.0, 2.0], [1.0], {}, r"shape \(2,\), but 'variances' \(1,\)"),
        ([1.0], [1.0], {}, "comes from 1 table"),
        ([1.0, np.nan], [1.0, 1.0], {}, "estimates contains NaN"),
        ([1.0, 2.0], [1.0, np.inf], {}, "variances contains infinity"),
        ([1.0, 2.0], [1.0, -1.0], {}, "must not be negative, got -1"),
        ([1.0, 2.0], [1.0, 1.0], {"df_complete": 0}, "'df_complete' must be positive, got 0"),
        ([1.0, 2.0], [1.0, 1.0], {"level": 1.0}, "level == 1.0, must be < 1"),
    ],
)
def test_invalid_input_raises(estimates, variances, options, message):
    with pytest.raises(ValueError, match=message):
        pool(estimates, variances, **options)
