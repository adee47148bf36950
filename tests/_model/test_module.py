"""The module that joins the four parts."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from skvae._model.module import build_module
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.priors import StandardNormal


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(20, 5)) * 3 + 7


@pytest.fixture
def module(X):
    torch.manual_seed(0)
    return build_module(
        MLP(hidden_layer_sizes=(8,)), Gaussian(), StandardNormal(), X, n_components=2
    ).double()


def test_encodes_to_mean_and_bounded_log_variance(module, X):
    mean, log_var = module.encode(torch.from_numpy(X))
    assert mean.shape == log_var.shape == (20, 2)
    with torch.no_grad():
        module.encoder[-1].bias[:] = torch.tensor([0.0, 0.0, 1e6, -1e6])
    _, log_var = module.encode(torch.from_numpy(X))
    assert log_var[:, 0].max() <= 10
    assert log_var[:, 1].min() >= -20


def test_forward_reconstructs_in_the_units_of_x(module, X):
    x = torch.from_numpy(X)
    outputs = module.decode(module.encode(x)[0])
    expected = module.likelihood.loc + module.likelihood.scale * outputs
    torch.testing.assert_close(module(x), expected)


def test_a_decoder_of_rows_decodes_several_latent_vectors_per_row(module):
    class Rows(torch.nn.Linear):
        def forward(self, rows):
            assert rows.ndim == 2
            return super().forward(rows)

    module.decoder = Rows(2, 5).double()
    z = torch.randn(3, 4, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    decoded = module.decode(z)
    assert decoded.shape == (3, 4, 5)
    torch.testing.assert_close(decoded[1], module.decode(z[1]))
    torch.testing.assert_close(decoded[1, 2:3], module.decode(z[1, 2:3]))
    assert module.decode(z[:0]).shape == (0, 4, 5)


def test_log_posterior_is_a_diagonal_normal(module, X):
    mean, log_var = (part.detach() for part in module.encode(torch.from_numpy(X)))
    z = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = norm.logpdf(z.numpy(), mean.numpy(), np.exp(0.5 * log_var.numpy())).sum(1)
    np.testing.assert_allclose(module.log_posterior(mean, log_var, z), expected)


def test_kl_is_the_closed_form_of_the_prior(module, X):
    mean, log_var = module.encode(torch.from_numpy(X))
    torch.testing.assert_close(module.kl(mean, log_var, mean), module.prior.kl(mean, log_var))


def test_scaling_is_part_of_the_state(module):
    names = set(module.state_dict())
    assert {"likelihood.loc", "likelihood.scale", "likelihood.noise_floor"} <= names


def test_dtype_follows_conversions(module):
    assert module.dtype == torch.float64
    assert module.float().dtype == torch.float32
