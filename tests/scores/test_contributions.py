"""Contributions of features, compared with conditional distributions of a linear Gaussian model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import Score, _contributions
from tests.scores.helpers import scored_by


@pytest.fixture(scope="module")
def by_likelihood(detector, X):
    return scored_by("log_likelihood", detector, X)


@pytest.mark.parametrize(("n_rounds", "tolerance"), [(4, 0.1), (30, 1e-5)])
def test_a_contribution_is_what_the_conditional_density_lacks(
    linear, n_rounds, tolerance, monkeypatch
):
    """The gain is (x_j - E[x_j | others])^2 / (2 Var[x_j | others]): its share in log p(x)."""
    precision = np.linalg.inv(linear.covariance)
    variance = 1 / np.diag(precision)  # of each feature given the others
    deviation = (linear.X - linear.mu) @ precision * variance
    expected = deviation**2 / (2 * variance)
    monkeypatch.setattr(_contributions, "_N_ROUNDS", n_rounds)
    found = scored_by("log_likelihood", linear.detector, linear.X).explain(linear.X)
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_a_wrong_cell_contributes_most_to_every_score(digits):
    X = digits.data[digits.target == 0]
    detector = VAEAnomalyDetector(
        4, network=MLP(hidden_layer_sizes=(32,)), max_epochs=60, random_state=0
    ).fit(X)
    rows = X[:5].copy()
    rows[:, 3 * 8 + 3] = 16.0  # ink in the hole of a zero
    for score in ("residual_neighbors", "relative_error"):
        assert (scored_by(score, detector, X).explain(rows).argmax(1) == 27).all(), score


class Sum(Score):
    def __call__(self, module, x, known, n_samples):
        return x.sum(1)


def test_only_one_feature_is_replaced_at_a_time(detector, X):
    """The sum of a row falls by the difference of the feature alone."""
    by_sum = scored_by(Sum(), detector, X)
    found = by_sum.explain(X[:4])
    for column in (0, 20, 63):
        rows = X[:4].copy()
        rows[:, column] = 1000.0  # the expected value does not depend on the observed one
        again = by_sum.explain(rows)
        expected = found[:, column] + X[:4, column] - 1000.0
        assert_allclose(again[:, column], expected, rtol=1e-9)


@pytest.mark.parametrize("likelihood", ["poisson", "categorical"])
def test_a_whole_number_is_replaced_by_a_whole_number(digits, likelihood):
    X = digits.data[:50]
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=2, random_state=0
    ).fit(X)
    found = scored_by(Sum(), detector, X).explain(X[:3])
    np.testing.assert_array_equal(found, np.rint(found))
    assert np.isfinite(detector.explain(X[:3])).all()


@pytest.mark.parametrize("block_values", [1, 64 * 7, 64 * 64 * 3])
def test_the_size_of_blocks_changes_nothing(by_likelihood, X, block_values, monkeypatch):
    at_once = by_likelihood.explain(X[:4])
    monkeypatch.setattr(_contributions, "_BLOCK_VALUES", block_values)
    rows = X[:1] if block_values == 1 else X[:4]
    assert_allclose(by_likelihood.explain(rows), at_once[: len(rows)], rtol=1e-7, atol=1e-7)


def test_the_rows_are_not_changed(by_likelihood, X):
    rows = X[:2].copy()
    by_likelihood.explain(rows)
    np.testing.assert_array_equal(rows, X[:2])
