"""Two detectors: one trained on digits, and one with a known density."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from skvae import VAEAnomalyDetector
from skvae.likelihoods import Gaussian
from skvae.networks import MLP

NOISE = 0.5


@pytest.fixture(scope="session")
def detector(digits):
    detector = VAEAnomalyDetector(
        3, network=MLP(hidden_layer_sizes=(16,)), max_epochs=20, random_state=0
    )
    return detector.fit(digits.data[:200])


@pytest.fixture(scope="session")
def X(digits):
    return digits.data[150:300]


class Linear(NamedTuple):
    """A linear Gaussian model: x = mu + W z + noise, with orthogonal columns of W."""

    detector: VAEAnomalyDetector
    X: np.ndarray
    W: np.ndarray
    mu: np.ndarray

    @property
    def covariance(self):
        return self.W @ self.W.T + NOISE**2 * np.eye(len(self.mu))

    @property
    def posterior_variance(self):
        return 1 / (1 + (self.W**2).sum(0) / NOISE**2)

    def posterior_mean(self, X):
        return (X - self.mu) @ self.W * self.posterior_variance / NOISE**2

    def log_likelihood(self, X):
        return multivariate_normal(self.mu, self.covariance).logpdf(X)


@pytest.fixture(scope="session")
def linear():
    """Return a detector with the weights of a known model, whose encoder is exact."""
    rng = np.random.default_rng(0)
    W = np.linalg.qr(rng.normal(size=(5, 2)))[0] * [2.0, 1.0]
    X = rng.normal(size=(60, 2)) @ W.T + NOISE * rng.normal(size=(60, 5)) + np.arange(5.0)
    detector = VAEAnomalyDetector(
        2,
        network=MLP(hidden_layer_sizes=()),
        likelihood=Gaussian(noise=NOISE, scaling="none"),
        max_epochs=1,
        random_state=0,
    ).fit(X)
    likelihood = detector.module_.likelihood
    model = Linear(detector, X, W, likelihood.loc.numpy())
    scale = likelihood.scale.numpy()
    S = model.posterior_variance
    _fill(detector.module_.decoder, W / scale[:, None], np.zeros(5))
    means = W.T * S[:, None] / NOISE**2 * scale
    _fill(detector.module_.encoder, np.vstack([means, 0 * means]), np.r_[0, 0, np.log(S)])
    return model


def _fill(layers, weight, bias):
    (layer,) = (layer for layer in layers.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
