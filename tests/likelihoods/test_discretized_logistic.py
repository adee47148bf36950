"""The discretised logistic likelihood against scipy's logistic distribution and enumeration."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae.likelihoods import DiscretizedLogistic

K = 9
X = np.random.default_rng(0).integers(0, K, size=(40, 3)).astype(np.float64)
CASES = [
    DiscretizedLogistic(n_levels=K, n_mixtures=n_mixtures, noise=noise)
    for n_mixtures in (1, 3)
    for noise in ("per_sample", "per_feature", "shared")
]


def build(likelihood, rows=X):
    density = likelihood.build(rows).double()
    if density.free_log_width is not None:
        with torch.no_grad():
            size = density.free_log_width.numel()
            values = torch.linspace(-0.3, 0.1, size, dtype=torch.float64)
            density.free_log_width.copy_(values.view(density.free_log_width.shape))
    return density


def draw_outputs(density, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, density.n_outputs, dtype=torch.float64, generator=generator)


def mixtures(density, outputs):
    """Means, widths and weights in levels, by the formulas of the documentation: (..., M, 3)."""
    n_mixtures = density.spec.n_mixtures
    outputs = outputs.detach().numpy()
    parts = list(np.moveaxis(outputs.reshape(*outputs.shape[:-1], -1, n_mixtures, 3), -3, 0))
    scale = np.sqrt(X.var(axis=0).mean())
    places = {1: [0.0], 3: [-2 / 3, 0.0, 2 / 3]}[n_mixtures]
    mean = X.mean(axis=0) + scale * (parts[0] + np.array(places)[:, None])
    if density.spec.noise == "per_sample":
        log_width = parts[1]
    else:
        log_width = 5 * density.free_log_width.detach().numpy()
    width = np.broadcast_to(scale * np.exp(log_width) + 0.01, mean.shape)
    weight = np.exp(parts[-1]) if n_mixtures > 1 else np.ones_like(mean)
    return mean, width, weight / weight.sum(-2, keepdims=True)


def probabilities(density, outputs):
    """Probabilities of the levels, as differences of scipy's distribution function."""
    mean, width, weight = (part[..., None] for part in mixtures(density, outputs))
    ends = np.concatenate([[-np.inf], np.arange(K - 1) + 0.5, [np.inf]])
    shares = np.diff(stats.logistic(mean, width).cdf(ends), axis=-1)
    return (weight * shares).sum(-3)  # (..., 3, K)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_log_prob_is_that_of_scipy(likelihood):
    density = build(likelihood)
    outputs = draw_outputs(density, len(X))
    p = np.take_along_axis(probabilities(density, outputs), X.astype(int)[..., None], -1)[..., 0]
    log_prob = density.log_prob(outputs, torch.from_numpy(X)).detach()
    np.testing.assert_allclose(log_prob, np.log(p), rtol=1e-7)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_probabilities_of_all_rows_sum_to_one(likelihood):
    density = build(likelihood)
    axis = torch.arange(K, dtype=torch.float64)
    rows = torch.cartesian_prod(axis, axis, axis)
    log_prob = density.log_prob(draw_outputs(density).expand(len(rows), -1), rows)
    assert log_prob.sum(1).exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_the_mean_is_the_expectation(likelihood):
    density = build(likelihood)
    outputs = draw_outputs(density, 5)
    expected = (probabilities(density, outputs) * np.arange(K)).sum(-1)
    np.testing.assert_allclose(density.mean(outputs).detach(), expected)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_draws_have_the_probabilities_of_the_density(likelihood):
    density, n = build(likelihood), 20_000
    outputs = draw_outputs(density)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        draws = density.sample(outputs.expand(n, -1), generator).numpy()
    for feature, p in enumerate(probabilities(density, outputs)):
        shares = np.bincount(draws[:, feature].astype(int), minlength=K) / n
        assert np.all(np.abs(shares - p) < 5 * np.sqrt(p * (1 - p) / n) + 1e-9)


def test_a_level_far_from_a_narrow_logistic_has_the_exact_logarithm():
    """The distribution function rounds to one here, while scipy's log tail stays exact."""
    density = (
        DiscretizedLogistic(n_levels=256, noise="shared").build(np.array([[0.0], [255.0]])).double()
    )
    with torch.no_grad():
        density.free_log_width.fill_(-1.0)
    logistic = stats.logistic(127.5, 127.5 * np.exp(-5) + 0.01)
    levels = np.array([170.0, 254.0, 255.0])
    log_tail, log_next = logistic.logsf(levels - 0.5), logistic.logsf(levels[:2] + 0.5)
    expected = log_tail + np.log1p(-np.append(np.exp(log_next - log_tail[:2]), 0.0))
    assert expected.max() < -45  # beyond the resolution of float64 at one
    for x in (levels, 255 - levels):
        x = torch.from_numpy(x)[:, None]
        zeros = torch.zeros(3, 1, dtype=torch.float64)
        log_prob = density.double().log_prob(zeros, x).detach()[:, 0]
        np.testing.assert_allclose(log_prob, expected, rtol=1e-9)
        single = density.float().log_prob(zeros.float(), x.float()).detach()[:, 0]
        np.testing.assert_allclose(single, expected, rtol=1e-5)


def test_outputs_of_zero_decode_to_about_the_training_mean():
    rows = np.random.default_rng(0).integers(100, 150, size=(50, 2)).astype(np.float64)
    for n_mixtures in (1, 2, 5):
        density = DiscretizedLogistic(n_levels=256, n_mixtures=n_mixtures).build(rows).double()
        mean = density.mean(torch.zeros(density.n_outputs, dtype=torch.float64))
        np.testing.assert_allclose(mean, rows.mean(0), atol=0.1)


def test_components_start_more_than_one_level_apart():
    density = DiscretizedLogistic(n_levels=K, n_mixtures=3).build(X)
    outputs = torch.zeros(3, 3, 3, 3)  # (rows, means and widths and weights, components, features)
    outputs[:, 1] = -2.0
    outputs[range(3), 2, range(3)] = 50.0  # one row for each component
    means = density.mean(outputs.flatten(1))
    assert np.all(np.diff(means.detach().numpy(), axis=0) > 1)
