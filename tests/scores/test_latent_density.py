"""Densities in the latent space, compared with scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture

from skvae.scores import LatentDensity
from tests.scores.helpers import scored_by


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_the_density_is_that_of_the_mixture(detector, X, covariance_type):
    score = LatentDensity(n_components=4, covariance_type=covariance_type, reg_covar=1e-4)
    Z = detector.transform(X)
    mixture = GaussianMixture(4, covariance_type=covariance_type, reg_covar=1e-4, random_state=0)
    expected = mixture.fit(Z[:100]).score_samples(Z)
    found = scored_by(score, detector, X[:100]).score_samples(X)
    assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("n_rows", [1, 2, 7])
def test_there_are_never_more_gaussians_than_rows(detector, X, n_rows):
    by_density = scored_by(LatentDensity(n_components=10), detector, X[:n_rows])
    assert by_density.anomaly_score_.tensors["means"].shape == (n_rows, 3)
    assert np.isfinite(by_density.score_samples(X)).all()


def test_a_row_far_from_all_others_scores_lowest(detector, X):
    rows = np.vstack([X, 100 * X[:1]])
    scores = scored_by(LatentDensity(), detector, X).score_samples(rows)
    assert scores.argmin() == len(X)
