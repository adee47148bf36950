"""Weights as numbers of copies, and the canonical order of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skvae._rows import batches as module
from skvae._rows.batches import draw, training_rows

WHOLE = st.lists(st.integers(0, 6), min_size=1, max_size=20).filter(any)
# of any size, from those that underflow beside the largest to those whose sum overflows
FRACTIONS = st.lists(
    st.just(0.0) | st.floats(5e-324, 1.7e308) | st.floats(0.01, 100), min_size=1, max_size=20
).filter(any)


def table(n_rows, dtype=np.float64):
    """Return a table some of whose rows are alike."""
    return np.random.default_rng(0).integers(-2, 3, (n_rows, 2)).astype(dtype) / 8


@settings(deadline=None)
@given(WHOLE, st.sampled_from([np.float32, np.float64]), st.randoms())
def test_whole_weights_are_copies_in_any_order(weights, dtype, random):
    X = table(len(weights), dtype)
    copies = np.repeat(X, weights, axis=0)
    expected = training_rows(copies, None)
    assert_array_equal(np.unique(copies, axis=0), np.unique(expected.X, axis=0))
    order = random.sample(range(len(X)), len(X))
    found = training_rows(X[order], np.array(weights, dtype=float)[order])
    assert found.shares is None
    assert found.X.dtype == dtype
    assert_array_equal(found.X, expected.X)
    assert_array_equal(X[order][found.source], found.X)
    assert_array_equal(copies[expected.source], expected.X)


@settings(deadline=None)
@given(WHOLE)
def test_large_tables_keep_their_order(weights):
    X, most = table(len(weights)), module._MOST_SORTED
    try:
        module._MOST_SORTED = 0
        found = training_rows(X, np.array(weights, dtype=float))
        assert training_rows(X, None).X is X
    finally:
        module._MOST_SORTED = most
    assert_array_equal(found.X, np.repeat(X, weights, axis=0))


@settings(deadline=None)
@given(FRACTIONS)
def test_fractions_are_seen_in_proportion(weights):
    weights = np.array(weights)
    rows = training_rows(np.arange(len(weights), dtype=float)[:, None], weights)
    shares = np.ones(len(rows.X)) if rows.shares is None else rows.shares
    assert ((shares > 0) & (shares <= 1)).all()
    seen = np.bincount(rows.source, shares, minlength=len(weights))
    exact = weights / weights.max() / (weights / weights.max()).sum()
    assert_allclose(seen / seen.sum(), exact, rtol=1e-8, atol=1e-300)
    assert (1 - 1e-9) * np.count_nonzero(weights) <= seen.sum() <= 1.001 * module._MOST_COPIES
    assert len(rows.drawn()) == rows.n_rows == max(1, round(shares.sum()))


def test_the_size_of_small_and_large_weights_has_no_influence():
    X, weights = table(30), np.random.default_rng(1).uniform(0.1, 1, 30)
    for scales, total in (((0.5, 1e-6, 1e-300), 30), ((1e9, 1e15, 1e300), 1000)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_MOST_VALUES", 2000)
            several = [training_rows(X, scale * weights) for scale in scales]
        for rows in several:
            assert rows.n_rows == total
            assert_array_equal(rows.X, several[0].X)
            assert_allclose(rows.shares, several[0].shares, rtol=1e-8)


@pytest.mark.parametrize("weight", [0.1, 1 / 3, 1e-300, 1.0])
def test_equal_weights_up_to_one_are_none(weight):
    rows, expected = training_rows(table(30), np.full(30, weight)), training_rows(table(30), None)
    assert rows.shares is None
    assert_array_equal(rows.X, expected.X)
    assert_array_equal(rows.source, expected.source)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_the_expected_number_of_draws_is_the_share(shares):
    shares = np.array(shares)
    n_draws = max(1, round(shares.sum()))
    offsets = (np.arange(200) + 0.5) / 200
    counts = sum(np.bincount(draw(shares, n_draws, u), minlength=len(shares)) for u in offsets)
    assert_allclose(counts / 200, shares * n_draws / shares.sum(), atol=0.02)


def test_zeros_of_either_sign_are_the_same_value():
    X = np.array([[0.0, 2.0], [-0.0, 1.0], [0.0, 1.0]])
    assert_array_equal(training_rows(X, None).X, training_rows(abs(X), None).X)


def test_rows_are_taken_with_their_numbers_and_shares():
    rows = training_rows(np.arange(4.0)[:, None], np.array([1.5, 0, 1, 2.5]))
    taken = rows.take(rows.source == 3)
    assert_array_equal(taken.X[:, 0], [3, 3, 3])
    assert_allclose(taken.shares, 2.5 / 3)
    assert_array_equal(taken.source, [3, 3, 3])
    assert taken.n_rows == 2  # 2.5, to the even number
    assert training_rows(np.ones((2, 1)), None).take(slice(0)).n_rows == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from([-1e300, -2.5, -1.0, -1e-310, 0.0, 3e-5, 7.0])] * 2)),
    st.sampled_from([np.float32, np.float64]),
)
def test_rows_are_in_the_order_of_their_values_in_any_units(rows, dtype):
    X = np.array(rows).reshape(-1, 2).clip(-1e30, None).astype(dtype)
    assert_array_equal(training_rows(X, None).source, np.lexsort(X.T[::-1]))
    assert_array_equal(training_rows(4 * X, None).source, training_rows(X, None).source)
