"""Typicality, computed from the log-likelihoods."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skvae.scores import ModelScore, Typicality
from tests.scores.helpers import scored_by


@pytest.mark.parametrize("quantity", ["log_likelihood", "elbo", "reconstruction", "kl"])
def test_it_is_the_distance_from_the_mean_in_training(detector, X, quantity):
    scores = scored_by(ModelScore(quantity=quantity), detector, X).score_samples(X)
    expected = -np.abs(scores - scores[:100].mean())
    found = scored_by(Typicality(quantity=quantity), detector, X[:100]).score_samples(X)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_the_most_likely_row_is_not_typical(linear):
    """No row lies at the mode of a Gaussian in many dimensions."""
    rows = np.vstack([linear.X, linear.mu])
    likelihoods = linear.log_likelihood(rows)
    assert likelihoods.argmax() == len(linear.X)
    expected = -np.abs(likelihoods - likelihoods[:-1].mean())
    found = scored_by(Typicality(), linear.detector, linear.X).score_samples(rows)
    assert_allclose(found, expected, atol=1e-4)
