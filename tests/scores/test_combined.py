"""Sums of scores, compared with NumPy and SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import rankdata

from skvae.scores import Combined, LatentDensity, ModelScore, RelativeError, Score, _neighbors
from tests.scores.helpers import scored_by

PARTS = (RelativeError(), LatentDensity(n_components=3), ModelScore(quantity="kl"))


def scores_of_parts(detector, X, n_training):
    return np.stack(
        [scored_by(score, detector, X[:n_training]).score_samples(X) for score in PARTS]
    )


def test_every_score_is_standardised_by_mean_and_deviation_in_training(detector, X):
    parts = scores_of_parts(detector, X, 100)
    training = parts[:, :100]
    expected = (parts - training.mean(1)[:, None]) / training.std(1)[:, None]
    found = scored_by(Combined(scores=PARTS), detector, X[:100]).score_samples(X)
    assert_allclose(found, expected.sum(0), rtol=1e-7, atol=1e-7)


def test_training_rows_score_their_neighbors(detector, X):
    parts = scores_of_parts(detector, X[:100], 100)
    expected = (rankdata(parts, axis=1) - 1) / 99
    combined = scored_by(Combined(scores=PARTS, standardization="rank"), detector, X[:100])
    # chunks of another size round the scores differently, by less than the scores differ
    assert_allclose(combined.score_samples(X[:100]), expected.sum(0), atol=1e-5)


def test_few_quantiles_approximate_the_neighbors(detector, X, monkeypatch):
    score = Combined(scores=PARTS, standardization="rank")
    exact = scored_by(score, detector, X).score_samples(X)
    monkeypatch.setattr(_neighbors, "_MOST_QUANTILES", 51)
    combined = scored_by(score, detector, X)
    assert combined.anomaly_score_.tensors["quantiles"].shape == (3, 51)
    assert_allclose(combined.score_samples(X), exact, atol=0.06)


class FirstFeature(Score):
    def __call__(self, module, x, known, n_samples):
        return x[:, 0]


def test_neighbors_continue_beyond_the_training_rows_and_halve_ties(detector):
    X = np.zeros((5, 64))
    X[:, 0] = [0, 1, 1, 1, 2]
    score = Combined(scores=[FirstFeature()], standardization="rank")
    rows = np.zeros((7, 64))
    rows[:, 0] = [-3, 0, 0.5, 1, 1.5, 2, 4]
    std = X[:, 0].std()
    expected = [-3 / std, 0, 0.125, 0.5, 0.875, 1, 1 + 2 / std]
    assert_allclose(scored_by(score, detector, X).score_samples(rows), expected, rtol=1e-9)


@pytest.mark.parametrize("standardization", ["z", "rank"])
def test_a_constant_score_stays_finite(detector, standardization):
    X = np.ones((5, 64))
    score = Combined(scores=[FirstFeature()], standardization=standardization)
    assert np.isfinite(scored_by(score, detector, X).score_samples(2 * X)).all()


def test_sums_can_be_parts_of_sums(detector, X):
    inner = scored_by(Combined(scores=PARTS), detector, X)
    outer = scored_by(Combined(scores=[Combined(scores=PARTS), PARTS[0]]), detector, X)
    tensors = outer.anomaly_score_.tensors
    assert set(inner.anomaly_score_.tensors) == {
        name.removeprefix("0.") for name in tensors if name.startswith("0.")
    }
    shapes = outer.anomaly_score_.spec.shapes(detector.module_.parts)
    assert shapes.keys() == tensors.keys()
    assert np.isfinite(outer.score_samples(X)).all()
