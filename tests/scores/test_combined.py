"""Sums of scores, put together by NumPy and SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import rankdata
from skvae.scores._fitted_score import FittedScore

from skvae.scores import Combined, LatentDensity, ModelScore, RelativeError, Score, _combined

PARTS = (RelativeError(), LatentDensity(n_components=3), ModelScore(quantity="kl"))


def learned(spec, detector, X):
    return FittedScore.learn(spec, detector.module_, X, 16)


def scores_of_parts(detector, X, n_training):
    parts = [learned(spec, detector, X[:n_training]) for spec in PARTS]
    return np.stack([part(detector.module_, X, 16) for part in parts])


def test_every_score_is_measured_by_mean_and_spread_in_training(detector, X):
    parts = scores_of_parts(detector, X, 100)
    training = parts[:, :100]
    expected = (parts - training.mean(1)[:, None]) / training.std(1)[:, None]
    score = learned(Combined(scores=PARTS), detector, X[:100])
    assert_allclose(score(detector.module_, X, 16), expected.sum(0), rtol=1e-7, atol=1e-7)


def test_ranks_of_training_rows_are_their_ranks(detector, X):
    parts = scores_of_parts(detector, X[:100], 100)
    expected = (rankdata(parts, axis=1) - 1) / 99
    score = learned(Combined(scores=PARTS, standardization="rank"), detector, X[:100])
    # chunks of another size round the scores otherwise, by less than their distances
    assert_allclose(score(detector.module_, X[:100], 16), expected.sum(0), atol=1e-5)


def test_few_quantiles_rank_nearly_as_well(detector, X, monkeypatch):
    exact = learned(Combined(scores=PARTS, standardization="rank"), detector, X)(
        detector.module_, X, 16
    )
    monkeypatch.setattr(_combined, "_MOST_QUANTILES", 51)
    score = learned(Combined(scores=PARTS, standardization="rank"), detector, X)
    assert score.tensors["quantiles"].shape == (3, 51)
    assert_allclose(score(detector.module_, X, 16), exact, atol=0.06)


class FirstFeature(Score):
    def score(self, module, x, known, n_samples):
        return x[:, 0]


def test_ranks_go_on_beyond_the_training_rows_and_halve_ties(detector):
    X = np.zeros((5, 64))
    X[:, 0] = [0, 1, 1, 1, 2]
    score = learned(Combined(scores=[FirstFeature()], standardization="rank"), detector, X)
    rows = np.zeros((7, 64))
    rows[:, 0] = [-3, 0, 0.5, 1, 1.5, 2, 4]
    std = X[:, 0].std()
    expected = [-3 / std, 0, 0.125, 0.5, 0.875, 1, 1 + 2 / std]
    assert_allclose(score(detector.module_, rows, 16), expected, rtol=1e-9)


@pytest.mark.parametrize("standardization", ["z", "rank"])
def test_a_score_that_never_varies_is_harmless(detector, standardization):
    X = np.ones((5, 64))
    score = learned(Combined(scores=[FirstFeature()], standardization=standardization), detector, X)
    assert np.isfinite(score(detector.module_, 2 * X, 16)).all()


def test_sums_can_be_parts_of_sums(detector, X):
    inner = learned(Combined(scores=PARTS), detector, X)
    outer = learned(Combined(scores=[Combined(scores=PARTS), PARTS[0]]), detector, X)
    assert set(inner.tensors) == {
        name.removeprefix("0.") for name in outer.tensors if name.startswith("0.")
    }
    shapes = outer.spec.shapes(detector.module_.parts)
    assert shapes.keys() == outer.tensors.keys()
    assert np.isfinite(outer(detector.module_, X, 16)).all()
