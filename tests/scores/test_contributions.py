"""Contributions of features, against the conditional distributions of a linear Gaussian model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skvae.scores._fitted_score import FittedScore

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import ModelScore, Score, _explanation
from skvae.scores._contributions import explain

LIKELIHOOD = FittedScore(ModelScore(), {})


@pytest.mark.parametrize(("n_rounds", "tolerance"), [(4, 0.1), (30, 1e-5)])
def test_a_feature_contributes_what_its_conditional_density_lacks(
    linear, n_rounds, tolerance, monkeypatch
):
    """The gain is (x_j - E[x_j | others])^2 / (2 Var[x_j | others]): its share in log p(x)."""
    precision = np.linalg.inv(linear.covariance)
    variance = 1 / np.diag(precision)  # of each feature given the others
    deviation = (linear.X - linear.mu) @ precision * variance
    expected = deviation**2 / (2 * variance)
    monkeypatch.setattr(_explanation, "_N_ROUNDS", n_rounds)
    found = explain(LIKELIHOOD, linear.detector.module_, linear.X, 16)
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_a_wrong_cell_is_found_by_every_score(digits):
    X = digits.data[digits.target == 0]
    detector = VAEAnomalyDetector(
        4, network=MLP(hidden_layer_sizes=(32,)), max_epochs=60, random_state=0
    ).fit(X)
    rows = X[:5].copy()
    rows[:, 3 * 8 + 3] = 16.0  # ink in the hole of a zero
    assert (detector.explain(rows).argmax(1) == 27).all()
    detector.set_params(anomaly_score="relative_error").fit(X)
    assert (detector.explain(rows).argmax(1) == 27).all()


class Sum(Score):
    def score(self, module, x, known, n_samples):
        return x.sum(1)


def test_only_one_feature_is_replaced_at_a_time(detector, X):
    """The sum of a row falls by the difference of the feature alone."""
    found = explain(FittedScore(Sum(), {}), detector.module_, X[:4], 16)
    for column in (0, 20, 63):
        rows = X[:4].copy()
        rows[:, column] = 1000.0  # what is expected does not depend on what is there
        again = explain(FittedScore(Sum(), {}), detector.module_, rows, 16)
        expected = found[:, column] + X[:4, column] - 1000.0
        assert_allclose(again[:, column], expected, rtol=1e-9)


@pytest.mark.parametrize("likelihood", ["poisson", "categorical"])
def test_a_whole_number_is_replaced_by_a_whole_number(digits, likelihood):
    X = digits.data[:50]
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=2, random_state=0
    ).fit(X)
    found = explain(FittedScore(Sum(), {}), detector.module_, X[:3], 16)
    np.testing.assert_array_equal(found, np.rint(found))
    assert np.isfinite(detector.explain(X[:3])).all()


@pytest.mark.parametrize("block_values", [1, 64 * 7, 64 * 64 * 3])
def test_blocks_change_nothing(detector, X, block_values, monkeypatch):
    at_once = explain(LIKELIHOOD, detector.module_, X[:4], 16)
    monkeypatch.setattr(_explanation, "_BLOCK_VALUES", block_values)
    rows = X[:1] if block_values == 1 else X[:4]
    found = explain(LIKELIHOOD, detector.module_, rows, 16)
    assert_allclose(found, at_once[: len(rows)], rtol=1e-7, atol=1e-7)


def test_the_rows_are_not_changed(detector, X):
    rows = X[:2].copy()
    explain(LIKELIHOOD, detector.module_, rows, 16)
    np.testing.assert_array_equal(rows, X[:2])
