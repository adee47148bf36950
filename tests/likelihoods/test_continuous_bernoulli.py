"""The continuous Bernoulli likelihood against quadrature and many-digit arithmetic."""

import mpmath
import numpy as np
import pytest
import torch
from scipy.integrate import quad

from skvae.likelihoods import ContinuousBernoulli
from skvae.likelihoods._continuous_bernoulli import log_normalizer

LOGITS = [-60.0, -8.0, -1.0, -0.3, -0.1001, -0.0999, -1e-3, -1e-7, 0.0]
LOGITS += [-logit for logit in LOGITS[:-1]]


@pytest.fixture
def density():
    """A density of one feature whose outputs are its logits: the training mean is one half."""
    return ContinuousBernoulli().build(np.array([[0.0], [1.0]])).double()


def exact_log_normalizer(logit):
    """Equation 8 of the paper in p, with 60 digits: 2 artanh(1 - 2p) / (1 - 2p)."""
    if logit == 0:
        return float(mpmath.log(2))
    with mpmath.workdps(60):
        t = 1 - 2 / (1 + mpmath.exp(-mpmath.mpf(logit)))
        return float(mpmath.log(2 * mpmath.atanh(t) / t))


def moment(density, logit, power):
    def integrand(x):
        log_prob = density.log_prob(column(logit), column(x))
        return x**power * log_prob.exp().item()

    return quad(integrand, 0, 1, epsabs=1e-12, points=[1 / 60, 59 / 60])[0]


def column(value):
    return torch.tensor([[value]], dtype=torch.float64)


@pytest.mark.parametrize("logit", LOGITS)
def test_density_integrates_to_one_and_to_its_mean(density, logit):
    assert moment(density, logit, 0) == pytest.approx(1, abs=1e-8)
    assert moment(density, logit, 1) == pytest.approx(density.mean(column(logit)).item(), abs=1e-8)


@pytest.mark.parametrize("logit", LOGITS)
def test_normalizer_is_that_of_many_digit_arithmetic(logit):
    expected = exact_log_normalizer(logit)
    assert log_normalizer(column(logit)).item() == pytest.approx(expected, abs=1e-9)
    single = log_normalizer(torch.tensor(logit, dtype=torch.float32)).item()
    assert single == pytest.approx(expected, abs=1e-6)


def test_normalizer_and_mean_are_smooth_where_the_series_starts(density):
    logits = torch.linspace(0.0999, 0.1001, 2001, dtype=torch.float64)[:, None]
    for function in (log_normalizer, density.mean):
        slopes = function(logits).diff(dim=0) / logits.diff(dim=0)
        smooth = slopes[0] + (slopes[-1] - slopes[0]) * torch.linspace(0, 1, 2000)[:, None]
        torch.testing.assert_close(slopes.float(), smooth.float(), atol=5e-3, rtol=0)


@pytest.mark.parametrize("logit", LOGITS)
def test_derivative_of_the_normalizer_is_that_of_many_digit_arithmetic(logit):
    # log C = log of the inverse of a partition function Z; its derivative follows from the mean
    logits = column(logit).requires_grad_()
    log_normalizer(logits).backward()
    with mpmath.workdps(40):
        expected = float(mpmath.diff(_log_normalizer_mp, mpmath.mpf(logit)))
    assert logits.grad.item() == pytest.approx(expected, abs=1e-7)


def _log_normalizer_mp(logit):
    if abs(logit) < mpmath.mpf(10) ** -15:
        return mpmath.log(2) + logit**2 / 12
    return mpmath.log(logit / mpmath.tanh(logit / 2))


def test_an_output_of_zero_is_the_logit_of_the_training_mean():
    density = ContinuousBernoulli().build(np.array([[0.1], [0.3]])).double()
    logit = np.log(0.2 / 0.8)
    expected = 1 / (1 - np.exp(-logit)) - 1 / logit
    assert density.mean(column(0.0)).item() == pytest.approx(expected)


@pytest.mark.parametrize("logit", [-30.0, -2.0, -5e-4, 0.0, 5e-4, 1.0, 30.0])
def test_draws_have_the_mean_and_variance_of_the_density(density, logit):
    n = 20_000
    draws = density.sample(column(logit).expand(n, 1), torch.Generator().manual_seed(0)).numpy()
    assert draws.min() >= 0
    assert draws.max() <= 1
    moments = [moment(density, logit, power) for power in (0, 1, 2, 3, 4)]
    for power in (1, 2):
        error = np.sqrt((moments[2 * power] - moments[power] ** 2) / n)
        assert abs((draws**power).mean() - moments[power]) < 5 * error


def test_gradient_agrees_with_finite_differences(density):
    logits = torch.tensor(LOGITS, dtype=torch.float64)[:, None].requires_grad_()
    x = torch.rand(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda logits: density.log_prob(logits, x), logits)


def test_outputs_of_several_draws_broadcast_against_the_rows():
    X = np.random.default_rng(0).random((3, 4))
    density = ContinuousBernoulli().build(X).double()
    outputs = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(X)
    together = density.log_prob(outputs, x[:, None])
    assert together.shape == (3, 7, 4)
    for draw in range(7):
        torch.testing.assert_close(together[:, draw], density.log_prob(outputs[:, draw], x))


def test_extreme_logits_and_constant_columns_stay_finite():
    density = ContinuousBernoulli().build(np.tile([0.0, 1.0], (10, 1)))
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    for value in (0.0, 1e4, -1e4):
        outputs = torch.full((2, 2), value, requires_grad=True)
        log_prob = density.log_prob(outputs, x)
        log_prob.sum().backward()
        generator = torch.Generator().manual_seed(0)
        for numbers in (log_prob, outputs.grad, density.sample(outputs, generator)):
            assert numbers.isfinite().all()


def test_values_outside_the_unit_interval_raise():
    with pytest.raises(ValueError, match=r"in \[0, 1\], but column 1 .* X ranges from 0 to 16"):
        ContinuousBernoulli().build(np.array([[0.0, 1.0], [0.5, 16.0]]))
