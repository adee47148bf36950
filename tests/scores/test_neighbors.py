"""Distances in the space of inputs and residuals, by scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import NearestNeighbors
from skvae.scores._fitted_score import FittedScore

from skvae import VAEAnomalyDetector
from skvae.scores import ResidualNeighbors


def learned(spec, detector, X):
    return FittedScore.learn(spec, detector.module_, X, 16)


def vectors(detector, known, X):
    """Standardised rows beside their standardised residuals, by hand."""
    loc, scale, spread = (known[name].numpy() for name in ("loc", "scale", "spread"))
    residuals = (X - detector.reconstruct(X)) / scale
    return np.hstack([(X - loc) / scale, residuals]) / spread


@pytest.mark.parametrize("n_neighbors", [1, 5])
def test_neighbours_of_new_rows_are_the_nearest(detector, X, n_neighbors):
    train, new = X[:60], X[60:]
    score = learned(ResidualNeighbors(n_neighbors=n_neighbors), detector, train)
    kept = vectors(detector, score.tensors, train)
    assert_allclose(score.tensors["rows"].numpy(), kept, rtol=1e-9, atol=1e-9)
    tree = NearestNeighbors(n_neighbors=n_neighbors).fit(kept)
    distances, _ = tree.kneighbors(vectors(detector, score.tensors, new))
    assert_allclose(score(detector.module_, new, 16), -distances.mean(1), rtol=1e-9)


def test_a_training_row_is_not_its_own_neighbour(detector, X):
    score = learned(ResidualNeighbors(n_neighbors=3), detector, X)
    distances, _ = NearestNeighbors(n_neighbors=3).fit(score.tensors["rows"]).kneighbors()
    assert_allclose(score(detector.module_, X, 16), -distances.mean(1), rtol=1e-9)


def test_columns_of_a_table_have_unit_size_each():
    rows = rows_learned_from(load_wine().data)
    values, residuals = np.split(np.sqrt((rows**2).mean(0)), 2)
    assert_allclose(values, 1, rtol=1e-6)
    assert (residuals < 1).all()  # the spread, and a hundredth of the scale more
    assert np.median(residuals) > 0.8


def test_pixels_of_images_have_unit_size_together():
    rows = rows_learned_from(load_digits().data)
    for half in np.split((rows**2).mean(0), 2):
        assert 0.9 < half.mean() < 1
        assert half.max() > 2 * half.mean()  # the middle of an image varies more than its border


def rows_learned_from(X):
    detector = VAEAnomalyDetector(4, max_epochs=1, random_state=0).fit(X)
    return detector.anomaly_score_.tensors["rows"].numpy()


@pytest.mark.parametrize(("n_rows", "n_kept"), [(2, 2), (40, 40), (150, 50)])
def test_rows_are_kept_evenly_spaced(detector, X, n_rows, n_kept):
    score = learned(ResidualNeighbors(max_rows=50), detector, X[:n_rows])
    rows = score.tensors["rows"].numpy()
    assert rows.shape == (n_kept, 2 * X.shape[1])
    ends = vectors(detector, score.tensors, X[[0, n_rows - 1]])
    assert_allclose(rows[[0, -1]], ends, rtol=1e-9, atol=1e-9)
    assert np.isfinite(score(detector.module_, X, 16)).all()


def test_values_that_do_not_belong_together_count(linear):
    """Steps of one length, along what the model can describe and across it."""
    X, W = linear.X, linear.W
    along = W[:, 0] / np.linalg.norm(W[:, 0])
    across = np.linalg.svd(W.T)[2][-1]
    score = learned(ResidualNeighbors(), linear.detector, X)
    scores = [score(linear.detector.module_, X + 2 * step, 16) for step in (along, across)]
    assert np.median(scores[1]) < 2 * np.median(scores[0])


def test_a_row_far_from_all_others_scores_lowest(detector, X):
    rows = np.vstack([X, 100 * X[:1]])
    scores = learned(ResidualNeighbors(), detector, X)(detector.module_, rows, 16)
    assert scores.argmin() == len(X)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_kept"), [(150, 4, 150), (10_001, 2, 10_000), (1400, 784, 1337)]
)
def test_by_default_as_many_rows_are_kept_as_memory_is_meant_for(n_rows, n_features, n_kept):
    assert ResidualNeighbors()._n_kept(n_rows, n_features) == n_kept
