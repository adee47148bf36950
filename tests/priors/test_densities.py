"""The densities that several priors share, against scipy, in both precisions."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from skvae.priors._densities import mixture_draws, mixture_log_prob
from skvae.priors._standard_normal import normal_draws, normal_log_prob


def reference(z, mean, log_var, log_weights):
    """Return log sum_k w_k N(z; mean_k, exp(log_var_k)), by SciPy."""
    joint = stats.norm(mean, np.exp(0.5 * log_var)).logpdf(z[..., None, :]).sum(-1)
    return logsumexp(joint + log_weights, axis=-1)


def draw_mixture(n_normals, n_components, log_var=0.0, seed=0):
    """Means, log variances around a value, and log weights, as float32."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(scale=2, size=(n_normals, n_components))
    log_var = log_var + rng.normal(scale=0.5, size=mean.shape)
    log_weights = np.log(rng.dirichlet(np.ones(n_normals)))
    return [torch.from_numpy(part.astype(np.float32)) for part in (mean, log_var, log_weights)]


@pytest.mark.parametrize("shape", [(5,), (5, 4), ()])
def test_log_density_of_a_mixture_is_that_of_scipy(shape):
    mixture = [part.double() for part in draw_mixture(7, 3)]
    z = np.random.default_rng(1).normal(scale=3, size=(*shape, 3))
    log_prob = mixture_log_prob(torch.from_numpy(z), *mixture)
    assert log_prob.shape == shape
    assert log_prob.dtype == torch.float64
    np.testing.assert_allclose(log_prob, reference(z, *(part.numpy() for part in mixture)))


@pytest.mark.parametrize("log_var", [5.0, 0.0, -8.0, -14.0, -19.0])
def test_single_precision_loses_no_digits_to_cancellation(log_var):
    mean, log_var, log_weights = draw_mixture(20, 16, log_var)
    noise = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    z = (mean + (0.5 * log_var).exp() * noise).requires_grad_()
    log_prob = mixture_log_prob(z, mean, log_var, log_weights)
    assert log_prob.dtype == torch.float32
    double = [part.detach().double().numpy() for part in (z, mean, log_var, log_weights)]
    np.testing.assert_allclose(log_prob.detach(), reference(*double), rtol=1e-6, atol=1e-4)


def test_far_outliers_have_a_finite_density():
    z = torch.tensor([[1e4, -1e4], [1e8, 0.0]])
    mixture = draw_mixture(5, 2, log_var=-8.0)
    expected = reference(*(part.double().numpy() for part in (z, *mixture)))
    np.testing.assert_allclose(mixture_log_prob(z, *mixture), expected, rtol=1e-6)


def test_gradient_of_a_mixture_agrees_with_finite_differences():
    inputs = [part.double().requires_grad_() for part in draw_mixture(4, 2)]
    z = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(mixture_log_prob, (z.requires_grad_(), *inputs))


def test_draws_of_a_mixture_follow_its_density():
    mean, log_var, log_weights = draw_mixture(3, 1)
    generator = torch.Generator().manual_seed(0)
    draws = mixture_draws(20_000, mean, log_var, log_weights.exp(), generator)
    assert draws.shape == (20_000, 1)

    def distribution(z):
        parts = stats.norm(mean.numpy()[:, 0], np.exp(0.5 * log_var.numpy()[:, 0]))
        return parts.cdf(z[:, None]) @ log_weights.exp().numpy()

    assert stats.kstest(draws.double().numpy()[:, 0], distribution).pvalue > 1e-3


def test_all_dimensions_of_a_draw_come_from_one_component():
    mean = torch.tensor([[-5.0, -5.0], [5.0, 5.0]])
    log_var = torch.full((2, 2), -2.0)
    draws = mixture_draws(500, mean, log_var, torch.ones(2), torch.Generator().manual_seed(0))
    assert ((draws[:, 0] > 0) == (draws[:, 1] > 0)).all()
    assert 200 < (draws[:, 0] > 0).sum() < 300


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_draws_have_the_dtype_of_the_tensor_given(dtype):
    generator = torch.Generator().manual_seed(0)
    draws = normal_draws(20_000, 1, generator, like=torch.zeros(1, dtype=dtype))
    assert draws.dtype == dtype
    assert stats.kstest(draws.double().numpy()[:, 0], "norm").pvalue > 1e-3


def test_the_normal_density_is_that_of_scipy():
    z = np.random.default_rng(0).normal(size=(4, 3))
    expected = stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(normal_log_prob(torch.from_numpy(z)), expected)
