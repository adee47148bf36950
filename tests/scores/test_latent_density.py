"""Densities and distances in the latent space, by scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from skvae.scores._fitted_score import FittedScore

from skvae.scores import LatentDensity, LatentNeighbors, _nearest


def learned(spec, detector, X):
    return FittedScore.learn(spec, detector.module_, X, 16)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_the_density_is_that_of_the_mixture(detector, X, covariance_type):
    spec = LatentDensity(n_components=4, covariance_type=covariance_type, reg_covar=1e-4)
    score = learned(spec, detector, X[:100])
    Z = detector.posterior(X)[0]
    mixture = GaussianMixture(4, covariance_type=covariance_type, reg_covar=1e-4, random_state=0)
    expected = mixture.fit(Z[:100]).score_samples(Z)
    assert_allclose(score(detector.module_, X, 16), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n_rows", [1, 2, 7])
def test_there_are_never_more_gaussians_than_rows(detector, X, n_rows):
    score = learned(LatentDensity(n_components=10), detector, X[:n_rows])
    assert score.tensors["means"].shape == (n_rows, 3)
    assert np.isfinite(score(detector.module_, X, 16)).all()


@pytest.mark.parametrize("block_rows", [1, 7, 10_000])
def test_neighbours_are_the_nearest(detector, X, block_rows, monkeypatch):
    monkeypatch.setattr(_nearest, "_BLOCK_ROWS", block_rows)
    Z = detector.posterior(X)[0]
    for n_neighbors in (1, 5):
        score = learned(LatentNeighbors(n_neighbors=n_neighbors), detector, X[:60])
        distances, _ = NearestNeighbors(n_neighbors=n_neighbors).fit(Z[:60]).kneighbors(Z)
        found = score(detector.module_, X, 16)
        assert_allclose(found, -distances.mean(1), rtol=1e-9, atol=1e-6)


def test_there_are_never_more_neighbours_than_rows(detector, X):
    score = learned(LatentNeighbors(n_neighbors=5), detector, X[:1])
    Z = detector.posterior(X)[0]
    expected = -np.linalg.norm(Z - Z[0], axis=1)
    assert_allclose(score(detector.module_, X, 16), expected, atol=1e-9)


def test_a_row_far_from_all_others_scores_lowest(detector, X):
    rows = np.vstack([X, 100 * X[:1]])
    for spec in (LatentDensity(), LatentNeighbors()):
        scores = learned(spec, detector, X)(detector.module_, rows, 16)
        assert scores.argmin() == len(X)
