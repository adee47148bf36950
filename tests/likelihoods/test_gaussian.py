"""The Gaussian likelihood: its density in the units of X, for every noise and scaling."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae.likelihoods import Gaussian

NOISES = ["shared", "per_feature", "per_sample", 0.7]
SCALINGS = ["feature", "global", "none"]
FLOOR = 1e-3


@pytest.fixture
def X():
    """Three columns of different centres and scales, none of them rounded."""
    return np.random.default_rng(0).normal([0, 100, -5], [1, 20, 0.3], size=(50, 3))


def build(likelihood, X):
    """Build in double precision, with a different learned noise for each feature."""
    density = likelihood.build(X).double()
    if density.free_log_variance is not None:
        with torch.no_grad():
            values = torch.linspace(-0.3, 0.1, density.free_log_variance.numel())
            density.free_log_variance.copy_(values)
    return density


def draw_outputs(density, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, density.n_outputs, dtype=torch.float64, generator=generator)


def moments_in_units(density, outputs, X, likelihood):
    """Mean and standard deviation of p(x|z), by the formula of the documentation."""
    std = X.std(axis=0)
    scale = std if likelihood.scaling == "feature" else np.full(3, np.sqrt(np.mean(std**2)))
    outputs = outputs.detach().numpy()
    if likelihood.noise == "per_sample":
        outputs, log_variance = outputs[..., :3], outputs[..., 3:]
        noise = np.sqrt(np.exp(log_variance) + FLOOR**2)
    elif isinstance(likelihood.noise, float):
        noise = likelihood.noise / scale
    else:
        # a step of the parameter is ten of the log variance
        noise = np.sqrt(np.exp(10 * density.free_log_variance.detach().numpy()) + FLOOR**2)
    return X.mean(axis=0) + scale * outputs, np.broadcast_to(scale * noise, outputs.shape)


CASES = [Gaussian(noise=noise, scaling=scaling) for noise in NOISES for scaling in SCALINGS]


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_log_prob_is_that_of_scipy(X, likelihood):
    density = build(likelihood, X)
    outputs = draw_outputs(density, 50)
    mean, std = moments_in_units(density, outputs, X, likelihood)
    expected = stats.norm(mean, std).logpdf(X)
    log_prob = density.log_prob(outputs, torch.from_numpy(X))
    np.testing.assert_allclose(log_prob.detach(), expected, rtol=1e-6)
    np.testing.assert_allclose(density.mean(outputs).detach(), mean)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_draws_have_the_moments_of_the_density(X, likelihood):
    density = build(likelihood, X)
    n, outputs = 20_000, draw_outputs(density)
    mean, std = moments_in_units(density, outputs, X, likelihood)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        draws = density.sample(outputs.expand(n, -1), generator).numpy()
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * std / np.sqrt(n))
    assert np.all(np.abs(draws.var(0) / std**2 - 1) < 5 * np.sqrt(2 / n))


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("noise", NOISES)
def test_density_integrates_to_one(noise, bounded):
    X = np.random.default_rng(0).normal([3, 40], [1, 9], size=(50, 2))
    density = build(Gaussian(noise=noise, scaling="global", bounded=bounded), X)
    outputs = draw_outputs(density)
    with torch.no_grad():
        mean = density.mean(outputs)
        std = torch.full((2,), 1.0) if isinstance(noise, float) else 2 * density.scale
        axes = [torch.linspace(-12, 12, 801, dtype=torch.float64) * s for s in std]
        x = torch.cartesian_prod(*axes) + mean
        cell = np.prod([(axis[1] - axis[0]).item() for axis in axes])
        total = density.log_prob(outputs.expand(len(x), -1), x).sum(1).exp().sum().item() * cell
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("noise", NOISES)
def test_gradient_agrees_with_finite_differences(X, noise, bounded):
    density = build(Gaussian(noise=noise, scaling="global", bounded=bounded), X[:4])
    inputs = [draw_outputs(density, 4).requires_grad_()]
    if density.free_log_variance is not None:
        inputs.append(density.free_log_variance)

    def log_prob(outputs, *_):
        return density.log_prob(outputs, torch.from_numpy(X[:4]))

    assert torch.autograd.gradcheck(log_prob, inputs)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_outputs_of_several_draws_broadcast_against_the_rows(X, likelihood):
    density, x = build(likelihood, X), torch.from_numpy(X)
    outputs = draw_outputs(density, 50, 7)
    together = density.log_prob(outputs, x[:, None])
    assert together.shape == (50, 7, 3)
    for draw in range(7):
        torch.testing.assert_close(together[:, draw], density.log_prob(outputs[:, draw], x))


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("noise", ["shared", "per_feature", "per_sample"])
def test_units_of_X(X, noise, scaling):
    density, moved = (
        build(Gaussian(noise=noise, scaling=scaling), rows) for rows in (X, 1000 * X + 5)
    )
    outputs, x = draw_outputs(density, 50), torch.from_numpy(X)
    torch.testing.assert_close(
        moved.log_prob(outputs, 1000 * x + 5), density.log_prob(outputs, x) - np.log(1000)
    )
    torch.testing.assert_close(moved.mean(outputs), 1000 * density.mean(outputs) + 5)
    torch.testing.assert_close(moved.standardize(1000 * x + 5), density.standardize(x))


def test_noise_given_as_a_number_is_in_the_units_of_X(X):
    density = Gaussian(noise=0.7).build(X)
    draws = density.sample(torch.zeros(20_000, 3), torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(draws.std(0), 0.7, rtol=0.03)


def test_auto_noise_follows_the_scaling(X):
    assert Gaussian().build(X).noise == "per_feature"
    assert Gaussian(scaling="global").build(X).noise == "shared"
    assert Gaussian(scaling="none").build(X).noise == "shared"


def degenerate():
    """A constant, a rare event, counts, a constant with one outlier, and a normal column."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            np.full(2000, 3.0),
            np.arange(2000) == 7,
            rng.poisson(4.0, 2000),
            np.where(np.arange(2000) == 3, 1e6, 1.0),
            rng.normal(size=2000),
        ]
    )
    return X.astype(np.float64)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_inputs_are_bounded_for_every_column(scaling):
    X = degenerate()
    density = Gaussian(scaling=scaling).build(X)
    far = np.concatenate([X, 1e12 * np.ones((1, 5)), -1e12 * np.ones((1, 5))])
    inputs = density.standardize(torch.from_numpy(far))
    # in standard deviations of a column or, where one scale holds for all, of the scale
    limit = 20 * np.maximum(X.std(0) / density.scale.numpy(), 1)
    assert np.all(np.abs(inputs.numpy()) <= limit * (1 + 1e-12))


@pytest.mark.parametrize("noise", ["shared", "per_feature", "per_sample"])
def test_density_is_bounded_for_every_column(noise):
    X = degenerate()
    density = build(Gaussian(noise=noise, scaling="feature"), X)
    outputs = torch.zeros(1, density.n_outputs, dtype=torch.float64)
    if noise == "per_sample":
        outputs[:, 5:] = -200.0
    else:
        torch.nn.init.constant_(density.free_log_variance, -20.0)
    density_at_mean = density.log_prob(outputs, density.mean(outputs)).sum().item()
    smallest_noise = np.array(
        [
            np.median(X.std(0)[1:]),  # constant: unit noise at the median scale of the others
            1 / np.sqrt(12),  # steps of one
            1 / np.sqrt(12),
            (1e6 - 1) / np.sqrt(12),
            1e-3 * X[:, 4].std(),
        ]
    )
    highest = stats.norm(0, smallest_noise).logpdf(0).sum()
    assert density_at_mean <= highest + 1e-2
    assert density_at_mean > highest - 1  # and the bound is met


def test_the_widest_column_is_not_clipped_without_scaling():
    # one scale is the pooled one, of which a single wide column has many
    X = np.random.default_rng(0).normal(size=(500, 400)) * 1e-3
    X[:, 0] = np.linspace(-1, 1, 500)
    density = Gaussian(scaling="none").build(X)
    inputs = density.standardize(torch.from_numpy(X))
    torch.testing.assert_close(inputs * density.scale + density.loc, torch.from_numpy(X))
    assert inputs.max() > 20


def test_bounded_mean_stays_between_the_ends_of_the_data():
    X = np.random.default_rng(0).random((50, 3))
    density = Gaussian(noise="shared", scaling="global", bounded=True).build(X)
    for value, end in ((1e3, X.max()), (-1e3, X.min())):
        mean = density.mean(torch.full((1, 3), value))
        np.testing.assert_allclose(mean, np.full((1, 3), end), rtol=1e-5)
    np.testing.assert_allclose(density.mean(torch.zeros(1, 3))[0], X.mean(0), rtol=1e-5)


def test_bounds_with_a_scale_per_feature_raise(X):
    with pytest.raises(ValueError, match="every feature has a scale of its own"):
        Gaussian(scaling="feature", bounded=True).build(X)


def test_bounds_of_a_constant_table_are_omitted():
    density = Gaussian(scaling="global", bounded=True).build(np.ones((4, 3)))
    assert not density.bounded
    assert density.log_prob(torch.zeros(1, 3), torch.ones(1, 3)).isfinite().all()


@pytest.mark.parametrize("noise", ["shared", "per_feature", "per_sample", 0.5])
def test_single_precision_agrees_with_double(X, noise):
    density = Gaussian(noise=noise).build(X)
    outputs = draw_outputs(density, 50)
    single = density.log_prob(outputs.float(), torch.from_numpy(X))
    assert single.dtype == torch.float32
    double = density.double().log_prob(outputs, torch.from_numpy(X))
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_sees_ordinary_values_as_they_are_and_wild_ones_nearer(X, dtype):
    X = X.astype(dtype)
    X[7, 1] = 1e30
    density = Gaussian(scaling="feature").build(X)
    drawn = density.redraw(torch.from_numpy(X)).numpy()
    assert drawn.dtype == dtype
    others = np.arange(50) != 7
    np.testing.assert_array_equal(drawn[others], X[others])
    furthest = np.abs(X[others, 1] - 100).max()
    assert furthest < drawn[7, 1] - 100 < 3 * furthest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise", NOISES)
def test_the_density_of_the_largest_number_is_low_and_finite(X, noise, dtype):
    X = X.astype(dtype)
    density = Gaussian(noise=noise).build(X).to(torch.from_numpy(X).dtype)
    x = torch.tensor([[0.0, np.finfo(dtype).max, 0]], dtype=torch.from_numpy(X).dtype)
    log_prob = density.log_prob(torch.zeros(1, density.n_outputs, dtype=x.dtype), x)
    assert torch.isfinite(log_prob).all()
    assert log_prob[0, 1] < -1e20
