"""Regret in a linear Gaussian model, whose best posterior and likelihood are known."""

import copy

import numpy as np
import torch
from numpy.testing import assert_allclose

from skvae.scores import LikelihoodRegret
from tests.scores.helpers import scored_by


def by_regret(detector, X, **params):
    return scored_by(LikelihoodRegret(**params), detector, X)


def test_regret_is_the_gap_between_the_encoder_and_the_best_posterior(linear):
    """The gap of the bound is KL(q || p(z|x)), and the best q of this model is p(z|x)."""
    misled = by_regret(linear.detector, linear.X, n_steps=60, n_bound_samples=64)
    misled.module_ = copy.deepcopy(misled.module_)
    (layer,) = (one for one in misled.module_.encoder.modules() if hasattr(one, "weight"))
    with torch.no_grad():  # means are shifted, variances eight times too large
        layer.bias += torch.tensor([0.4, -0.3, np.log(8), np.log(8)])
    variance, rows = linear.posterior_variance, linear.X[:20]
    mean, std = misled.posterior(rows)
    shift = (mean - linear.posterior_mean(rows)) ** 2 / variance
    gap = 0.5 * (shift + std**2 / variance - 1 - np.log(std**2 / variance)).sum(1)
    assert gap.min() > 3
    assert_allclose(-misled.score_samples(rows), gap, rtol=0.03)


def test_an_exact_encoder_has_no_regret(linear):
    scores = by_regret(linear.detector, linear.X, n_bound_samples=64).score_samples(linear.X)
    assert (scores <= 0).all()
    assert (scores > -0.02).all()


def test_regret_grows_with_the_number_of_steps(detector, X):
    regrets = [
        -by_regret(detector, X, n_steps=n, learning_rate=0.02, n_bound_samples=4)
        .score_samples(X[:30])
        .mean()
        for n in (1, 5, 20)
    ]
    assert 0 < regrets[0] < regrets[1] < regrets[2]


def test_gradients_of_the_model_are_not_changed(detector, X):
    for weights in detector.module_.parameters():
        weights.grad = torch.ones_like(weights)
    by_regret(detector, X, n_steps=2).score_samples(X[:5].astype(np.float32))
    for weights in detector.module_.parameters():
        assert torch.equal(weights.grad, torch.ones_like(weights))
        weights.grad = None
