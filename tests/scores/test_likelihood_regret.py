"""Regret in a linear Gaussian model, whose best posterior and likelihood are known."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from skvae.scores._fitted_score import FittedScore

from skvae._model import inference as _inference
from skvae.scores import LikelihoodRegret


@pytest.fixture(scope="module")
def misled(linear):
    """The same model with an encoder that errs: means shifted, variances eight times too large."""
    module = copy.deepcopy(linear.detector.module_)
    (layer,) = (layer for layer in module.encoder.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        layer.bias += torch.tensor([0.4, -0.3, np.log(8), np.log(8)])
    return module


def test_regret_is_what_the_encoder_lacks(linear, misled):
    """The gap of the bound is KL(q || p(z|x)), and the best q of this model is p(z|x)."""
    variance, rows = linear.posterior_variance, linear.X[:20]
    mean, std = _inference.encode(misled, rows)
    shift = (mean - linear.posterior_mean(rows)) ** 2 / variance
    gap = 0.5 * (shift + std**2 / variance - 1 - np.log(std**2 / variance)).sum(1)
    score = FittedScore(LikelihoodRegret(n_steps=60, n_bound_samples=64), {})
    assert gap.min() > 3
    assert_allclose(-score(misled, rows, 16), gap, rtol=0.03)


def test_an_encoder_without_fault_leaves_no_regret(linear):
    score = FittedScore(LikelihoodRegret(n_bound_samples=64), {})
    scores = score(linear.detector.module_, linear.X, 16)
    assert (scores <= 0).all()
    assert (scores > -0.02).all()


def test_more_steps_regret_more(detector, X):
    regrets = [
        -FittedScore(LikelihoodRegret(n_steps=n, learning_rate=0.02, n_bound_samples=4), {})(
            detector.module_, X[:30], 16
        ).mean()
        for n in (1, 5, 20)
    ]
    assert 0 < regrets[0] < regrets[1] < regrets[2]


def test_the_gradients_of_the_model_are_left_alone(detector, X):
    before = [weights.grad.clone() for weights in detector.module_.parameters()]
    FittedScore(LikelihoodRegret(n_steps=2), {})(detector.module_, X[:5].astype(np.float32), 16)
    after = [weights.grad for weights in detector.module_.parameters()]
    assert all(map(torch.equal, after, before))
