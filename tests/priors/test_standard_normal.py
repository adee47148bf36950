"""The standard normal prior against scipy and Monte Carlo."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Normal, kl_divergence

from skvae.priors import StandardNormal


@pytest.fixture
def prior():
    return StandardNormal().build(n_components=3)


def test_log_prob_is_that_of_scipy(prior):
    z = np.random.default_rng(0).normal(scale=2, size=(5, 4, 3))
    expected = stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(prior.log_prob(torch.from_numpy(z)), expected)


def test_density_integrates_to_one():
    axis = torch.linspace(-9, 9, 601, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    total = StandardNormal().build(2).log_prob(z).exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1)


def test_kl_agrees_with_monte_carlo(prior):
    mean = np.array([[0.0, 0.0, 0.0], [1.0, -2.0, 0.5]])
    std = np.array([[1.0, 1.0, 1.0], [0.1, 0.8, 2.0]])
    kl = prior.kl(torch.from_numpy(mean), torch.from_numpy(2 * np.log(std))).numpy()
    q = stats.norm(mean, std)
    z = q.rvs(size=(200_000, 2, 3), random_state=0)
    draws = (q.logpdf(z) - stats.norm.logpdf(z)).sum(-1)
    assert kl.shape == (2, 3)
    assert not kl[0].any()
    errors = draws.std(0) / np.sqrt(len(draws))
    assert np.all(np.abs(kl.sum(-1) - draws.mean(0)) <= 5 * errors + 1e-12)


def test_kl_of_a_component_is_that_of_its_own_normal_distribution(prior):
    mean, log_var = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).unbind()
    parts = prior.kl(mean, log_var)
    assert parts.shape == (6, 3)
    q, p = Normal(mean, (0.5 * log_var).exp()), Normal(torch.zeros(3), torch.ones(3))
    torch.testing.assert_close(parts, kl_divergence(q, p))


def test_gradient_of_the_kl_agrees_with_finite_differences(prior):
    inputs = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mean, log_var = (part.clone().requires_grad_() for part in inputs)
    assert torch.autograd.gradcheck(prior.kl, (mean, log_var))


def test_draws_are_standard_normal(prior):
    draws = prior.sample(20_000, torch.Generator().manual_seed(0))
    assert draws.shape == (20_000, 3)
    for column in draws.double().numpy().T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    correlations = np.corrcoef(draws.numpy(), rowvar=False)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlations) < 5 / np.sqrt(20_000))


def test_draws_are_a_function_of_the_generator(prior):
    first, second, other = (
        prior.sample(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    before = torch.get_rng_state()
    prior.sample(4, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
