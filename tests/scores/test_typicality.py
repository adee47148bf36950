"""Typicality, from the log-likelihoods."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skvae.scores._fitted_score import FittedScore

from skvae._model import inference as _inference
from skvae.scores import Typicality


@pytest.mark.parametrize("quantity", _inference.SCORES)
def test_it_is_the_distance_from_the_mean_in_training(detector, X, quantity):
    score = FittedScore.learn(Typicality(quantity=quantity), detector.module_, X[:100], 16)
    scores = _inference.score(detector.module_, X, quantity, 16)
    expected = -np.abs(scores - scores[:100].mean())
    assert_allclose(score(detector.module_, X, 16), expected, rtol=1e-9, atol=1e-9)


def test_the_likeliest_row_is_not_typical(linear):
    """At the mode of a Gaussian no row ever lies, if there are many dimensions."""
    score = FittedScore.learn(Typicality(), linear.detector.module_, linear.X, 16)
    rows = np.vstack([linear.X, linear.mu])
    likelihoods = linear.log_likelihood(rows)
    assert likelihoods.argmax() == len(linear.X)
    expected = -np.abs(likelihoods - likelihoods[:-1].mean())
    assert_allclose(score(linear.detector.module_, rows, 16), expected, atol=1e-4)
