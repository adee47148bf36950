"""The Poisson and negative binomial likelihoods against scipy and enumeration."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae.likelihoods import NegativeBinomial, Poisson

RNG = np.random.default_rng(0)
X = np.column_stack(
    [
        RNG.poisson(3, 60),
        RNG.negative_binomial(2, 0.1, 60),
        np.zeros(60),
        RNG.poisson(1e4, 60),
    ]
).astype(np.float64)
BOTH = [Poisson(), NegativeBinomial()]


def build(likelihood, rows=X):
    density = likelihood.build(rows).double()
    if isinstance(likelihood, NegativeBinomial):
        with torch.no_grad():
            values = torch.linspace(-0.2, 0.2, rows.shape[1], dtype=torch.float64)
            density.free_log_theta.copy_(values)
    return density


def draw_outputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.5 * torch.randn(*shape, 4, dtype=torch.float64, generator=generator)


def means(outputs):
    return np.maximum(X.mean(0), 0.5 / len(X)) * np.exp(outputs.numpy())


def thetas():
    """Inverse dispersions: moment estimates times the exponential of ten times the parameter."""
    mean, variance = np.maximum(X.mean(0), 0.5 / len(X)), X.var(0)
    with np.errstate(divide="ignore"):
        start = np.where(variance > mean, mean**2 / np.maximum(variance - mean, 1e-300), np.inf)
    return np.clip(start, 0.01, 100) * np.exp(10 * np.linspace(-0.2, 0.2, 4))


def of_scipy(likelihood, outputs):
    mean = means(outputs)
    if isinstance(likelihood, Poisson):
        return stats.poisson(mean)
    theta = thetas()
    return stats.nbinom(theta, theta / (theta + mean))


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_log_prob_is_that_of_scipy(likelihood):
    density, outputs = build(likelihood), draw_outputs(len(X))
    expected = of_scipy(likelihood, outputs).logpmf(X)
    log_prob = density.log_prob(outputs, torch.from_numpy(X)).detach()
    np.testing.assert_allclose(log_prob, expected, rtol=1e-7)


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_probabilities_of_all_counts_sum_to_one(likelihood):
    density = build(likelihood, X[:, :1])
    counts = torch.arange(3000, dtype=torch.float64)[:, None]
    for output in (-2.0, 0.0, 2.0):
        outputs = torch.full((3000, 1), output, dtype=torch.float64)
        total = density.log_prob(outputs, counts).exp().sum()
        assert total.item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_draws_have_the_moments_of_the_density(likelihood):
    density, outputs, n = build(likelihood), draw_outputs(), 20_000
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        draws = density.sample(outputs.expand(n, -1), generator).numpy()
    mean, variance, kurtosis = of_scipy(likelihood, outputs).stats("mvk")
    np.testing.assert_allclose(density.mean(outputs), mean)
    assert np.all(draws == np.rint(draws))
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * np.sqrt(variance / n))
    assert np.all(np.abs(draws.var(0) / variance - 1) < 5 * np.sqrt((kurtosis + 2) / n))


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_outputs_of_zero_decode_to_the_training_mean(likelihood):
    mean = build(likelihood).mean(torch.zeros(4, dtype=torch.float64))
    np.testing.assert_allclose(mean, np.maximum(X.mean(0), 0.5 / len(X)))


def test_negative_binomial_without_dispersion_is_poisson():
    outputs, x = draw_outputs(len(X))[:, :3], torch.from_numpy(X[:, :3])
    poisson, binomial = (likelihood.build(X[:, :3]).double() for likelihood in BOTH)
    with torch.no_grad():
        binomial.free_log_theta.fill_(100.0)  # beyond the bound, exp(15)
        torch.testing.assert_close(
            binomial.log_prob(outputs, x), poisson.log_prob(outputs, x), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_single_precision_is_exact_for_counts_in_the_millions(likelihood):
    rows = np.array([[1_000_000.0], [1_000_500.0], [999_000.0]])
    density = likelihood.build(rows)
    outputs, x = torch.zeros(3, 1), torch.from_numpy(rows)
    single, double = density.log_prob(outputs, x.float()), density.log_prob(outputs.double(), x)
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=0)


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_inputs_of_the_encoder_are_standardised_logarithms(likelihood):
    inputs = build(likelihood).standardize(torch.from_numpy(X)).numpy()
    logs = np.log1p(X)
    varied = [0, 1, 3]
    expected = (logs - logs.mean(0))[:, varied] / logs.std(0)[varied]
    np.testing.assert_allclose(inputs[:, varied], expected, atol=1e-12)


@pytest.mark.parametrize("likelihood", BOTH, ids=repr)
def test_one_wild_count_decides_neither_the_start_nor_the_training(likelihood):
    rows = X.copy()
    rows[0, 0] = 1e12
    tame, wild = likelihood.build(X), likelihood.build(rows)
    zeros = torch.zeros(1, 4)
    np.testing.assert_allclose(wild.mean(zeros), tame.mean(zeros), rtol=0.2)
    np.testing.assert_allclose(wild.scale, tame.scale, rtol=0.2)
    drawn = wild.redraw(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(drawn[1:], rows[1:])
    assert rows[1:, 0].max() < drawn[0, 0] < 300
    assert drawn[0, 0] == np.rint(drawn[0, 0])
