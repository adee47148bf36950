"""Shares of rows that are nearer to one reference, by hand and by symmetry."""

import numpy as np
import pytest

from skvae.metrics import _nearest_rows
from skvae.metrics._nearest_rows import nearer_share

NUMBERS = np.zeros(3, dtype=bool)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("is_level", [NUMBERS, ~NUMBERS, np.array([True, False, True])])
def test_copies_are_near_and_new_rows_are_not(is_level, rng):
    rows = rng.normal(size=(1500, 3))
    rows[:, is_level] = rng.integers(0, 40, size=(1500, is_level.sum()))
    real, holdout, new = np.split(rows, 3)
    assert nearer_share(real, holdout, real, is_level, rng) > 0.98
    assert nearer_share(real, holdout, holdout, is_level, rng) < 0.02
    assert nearer_share(real, holdout, new, is_level, rng) == pytest.approx(0.5, abs=0.07)


def test_ties_count_half(rng):
    X = np.arange(12.0).reshape(4, 3)
    assert nearer_share(X, X, X, NUMBERS, rng) == 0.5


def test_references_have_as_many_rows(rng):
    real, holdout, new = (rng.normal(size=(n, 3)) for n in (2000, 200, 1000))
    assert nearer_share(real, holdout, new, NUMBERS, rng) == pytest.approx(0.5, abs=0.07)


def test_numbers_count_by_their_ranks_and_levels_by_their_differences(rng):
    is_level = np.array([False, True, True])
    real = np.array([[1.0, 0, 0], [1e6, 1, 1]])
    holdout = np.array([[2.0, 1, 0], [3.0, 0, 1]])
    # ranks 1/8, 3/8, 5/8, 7/8 of 1, 2, 3, 1e6; a level that differs counts more than any of them
    near_first = np.array([[1e6, 0, 0]])
    assert nearer_share(real, holdout, near_first, is_level, rng) == 1
    near_second = np.array([[3.0, 0, 5]])  # 1/2 + 1 from the real row, 1 from the held-out row
    assert nearer_share(real, holdout, near_second, is_level, rng) == 0


def test_a_missing_value_is_near_a_missing_value_only(rng):
    gap = np.nan
    is_level = np.array([False, True])
    real, holdout = np.array([[gap, 0], [5.0, gap]]), np.array([[1.0, 0], [9.0, 0]])
    assert nearer_share(real, holdout, np.array([[gap, 0]]), is_level, rng) == 1
    assert nearer_share(real, holdout, np.array([[8.0, gap]]), is_level, rng) == 1
    empty = np.full((3, 2), gap)
    assert nearer_share(empty, empty, empty, is_level, rng) == 0.5


def test_chunks_and_subsamples_do_not_move_the_share(rng, monkeypatch):
    real, holdout = rng.normal(size=(2, 400, 3))
    whole = nearer_share(real, holdout, real[:100], NUMBERS, rng)
    monkeypatch.setattr(_nearest_rows, "_CHUNK", 7)
    assert nearer_share(real, holdout, real[:100], NUMBERS, rng) == whole
    monkeypatch.setattr(_nearest_rows, "MOST_SYNTHETIC", 50)
    assert nearer_share(real, holdout, real[:100], NUMBERS, rng) == whole == 1
