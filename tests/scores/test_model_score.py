"""The quantities of the model as scores."""

import pytest
from numpy.testing import assert_array_equal

from skvae._model import inference
from tests.scores.helpers import scored_by


@pytest.mark.parametrize("quantity", ["log_likelihood", "elbo", "reconstruction", "kl"])
def test_scores_equal_the_quantity_of_the_model_to_the_bit(detector, X, quantity):
    by_quantity = scored_by(quantity, detector, X)
    for n_samples in (3, 16, 40):
        found = by_quantity.set_params(n_importance_samples=n_samples).score_samples(X)
        expected = inference.score(detector.module_, X, quantity, n_samples)
        assert_array_equal(found, expected)
