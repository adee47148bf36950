"""p-values against their guarantee: exactly, by enumeration, and on rows that were never seen."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skvae.scores._conformal import p_values, set_aside, threshold


def test_a_p_value_is_at_most_a_with_probability_a_when_all_orders_are_alike():
    """Of n + 1 exchangeable scores each is equally likely to be the new one, at every rank."""
    found = [
        p_values(np.array([order[-1]]), np.sort(order[:-1]))[0]
        for order in itertools.permutations([0.5, 1.0, 2.5, 3.0, 7.0])
    ]
    for level in (0.2, 0.4, 0.6, 0.8, 1.0):
        assert np.mean(np.array(found) <= level + 1e-12) == pytest.approx(level)


def test_ties_never_make_the_p_value_too_small():
    found = [
        p_values(np.array([order[-1]]), np.sort(order[:-1]))[0]
        for order in itertools.permutations([1.0, 1.0, 1.0, 2.0, 2.0])
    ]
    for level in (0.2, 0.4, 0.6, 0.8):
        assert np.mean(np.array(found) <= level + 1e-12) <= level + 1e-12


def test_p_values_count_the_calibration_scores_below():
    calibration = np.array([1.0, 2.0, 2.0, 5.0])
    scores = np.array([0.0, 1.0, 1.5, 2.0, 4.0, 5.0, 9.0])
    expected = [(1 + (calibration <= score).sum()) / 5 for score in scores]
    assert_allclose(p_values(scores, calibration), expected)
    assert (np.diff(p_values(scores, calibration)) >= 0).all()


@pytest.mark.parametrize("n", [9, 10, 29, 30, 100])
@pytest.mark.parametrize("level", [0.1, 0.25])
def test_scores_below_the_threshold_are_those_with_a_p_value_of_the_level(n, level):
    rng = np.random.default_rng(n)
    calibration = np.sort(rng.integers(0, 40, n).astype(float))  # with ties
    scores = np.arange(-1.0, 41.0, 0.5)
    expected = p_values(scores, calibration) <= level
    assert_array_equal(scores < threshold(calibration, level), expected)
    assert expected.any()


def test_too_few_calibration_scores_put_the_threshold_at_the_lowest():
    assert threshold(np.array([1.0, 2.0, 5.0]), 0.1) == 1.0


def test_rows_are_set_aside_once_and_always_the_same():
    X = np.arange(40.0).reshape(20, 2)
    rows, held_out = set_aside(X, 0.25)
    assert (len(rows), len(held_out)) == (15, 5)
    together = np.vstack([rows, held_out])
    assert_array_equal(together[together[:, 0].argsort()], X)
    assert_array_equal(set_aside(X, 0.25)[1], held_out)
    assert len(set_aside(X, 0.001)[1]) == 1


@pytest.mark.parametrize(("n_rows", "fraction"), [(2, 0.1), (10, 0.95)])
def test_two_rows_are_left_to_train_on(n_rows, fraction):
    with pytest.raises(ValueError, match="leaves fewer than two to train on. Lower it"):
        set_aside(np.zeros((n_rows, 2)), fraction)
