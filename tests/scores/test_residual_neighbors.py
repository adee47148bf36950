"""Distances in the space of inputs and residuals, by scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.neighbors import NearestNeighbors

from skvae.scores import ResidualNeighbors
from skvae.scores._fitted_score import FittedScore


def learned(spec, detector, X):
    return FittedScore.learn(spec, detector.module_, X, 16)


def vectors(detector, known, X):
    """Standardised rows beside their standardised residuals, by hand."""
    loc, scale, spread = (known[name].numpy() for name in ("loc", "scale", "spread"))
    residuals = (X - detector.reconstruct(X)) / scale
    return np.hstack([(X - loc) / scale, residuals / spread])


@pytest.mark.parametrize("n_neighbors", [1, 5])
def test_neighbours_of_new_rows_are_the_nearest(detector, X, n_neighbors):
    train, new = X[:60], X[60:]
    score = learned(ResidualNeighbors(n_neighbors), detector, train)
    kept = vectors(detector, score.tensors, train)
    assert_allclose(score.tensors["rows"].numpy(), kept, rtol=1e-9, atol=1e-9)
    tree = NearestNeighbors(n_neighbors=n_neighbors).fit(kept)
    distances, _ = tree.kneighbors(vectors(detector, score.tensors, new))
    assert_allclose(score(detector.module_, new, 16), -distances.mean(1), rtol=1e-9)


def test_a_training_row_is_not_its_own_neighbour(detector, X):
    score = learned(ResidualNeighbors(3), detector, X)
    distances, _ = NearestNeighbors(n_neighbors=3).fit(score.tensors["rows"]).kneighbors()
    assert_allclose(score(detector.module_, X, 16), -distances.mean(1), rtol=1e-9)


def test_residuals_have_about_unit_size_in_training(detector, X):
    score = learned(ResidualNeighbors(), detector, X)
    residuals = score.tensors["rows"].numpy()[:, X.shape[1] :]
    spread = np.sqrt((residuals**2).mean(0))
    assert (spread < 1).all()  # the spread, and a hundredth of the scale more
    assert np.median(spread) > 0.8


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
