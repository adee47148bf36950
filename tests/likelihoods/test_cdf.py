"""Distribution functions of the likelihoods, against the sums and integrals of `log_prob`."""

import numpy as np
import pytest
import torch

from skvae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
    Histogram,
    Likelihood,
    LikelihoodModule,
    Mixed,
    NegativeBinomial,
    Poisson,
    SelfMaskingGaussian,
    StudentT,
)

RNG = np.random.default_rng(0)
COUNTS = RNG.negative_binomial(2, 0.3, (200, 3)).astype(np.float64)
REALS = RNG.normal([0, 5, -3], [1, 0.2, 30], (200, 3))
DISCRETE = [
    (Bernoulli(), (COUNTS > 3).astype(float), 2),
    (Categorical(n_categories=30), COUNTS.clip(0, 29), 30),
    (DiscretizedLogistic(n_levels=30), COUNTS.clip(0, 29), 30),
    (DiscretizedLogistic(n_levels=30, n_mixtures=3, noise="per_feature"), COUNTS.clip(0, 29), 30),
    (Poisson(), COUNTS, 200),
    (NegativeBinomial(), COUNTS, 400),
]
DENSITIES = [
    (Gaussian(), REALS),
    (Gaussian(noise="per_sample"), REALS),
    (StudentT(), REALS),
    (StudentT(df=1.5), REALS),
    (ContinuousBernoulli(), RNG.uniform(size=(200, 3))),
]


def built(likelihood, X):
    """Return a module in double precision and outputs of a decoder, some of them extreme."""
    module = likelihood.build(X).double().eval()
    outputs = torch.tensor(np.random.default_rng(1).normal(size=(5, module.n_outputs)))
    outputs[0] = 0
    outputs[1] *= 3
    return module, outputs


@pytest.mark.parametrize(("likelihood", "X", "n_values"), DISCRETE, ids=repr)
@torch.no_grad()
def test_steps_of_the_distribution_function_are_the_masses(likelihood, X, n_values):
    module, outputs = built(likelihood, X)
    cdf = module.cdf(outputs)
    below = cdf(torch.full((5, 3), -0.5).double())
    np.testing.assert_array_equal(below, 0)
    for value in range(n_values):
        above = cdf(torch.full((5, 3), value + 0.5).double())
        mass = module.log_prob(outputs, torch.full((5, 3), float(value)).double()).exp()
        np.testing.assert_allclose(above - below, mass, rtol=1e-6, atol=1e-12)
        below = above


@pytest.mark.parametrize(("likelihood", "X"), DENSITIES, ids=repr)
@torch.no_grad()
def test_slopes_of_the_distribution_function_are_the_densities(likelihood, X):
    module, outputs = built(likelihood, X)
    cdf = module.cdf(outputs)
    for row in X[:10]:
        x, step = torch.tensor(row).expand(5, 3), 1e-5 * torch.tensor(X.std(axis=0))
        slope = (cdf(x + step) - cdf(x - step)) / (2 * step)
        density = module.log_prob(outputs, x).exp()
        np.testing.assert_allclose(slope, density, rtol=1e-4, atol=1e-4 / X.std())


@pytest.mark.parametrize("X", [REALS, REALS.round(1), COUNTS], ids=["reals", "decimals", "counts"])
@torch.no_grad()
def test_the_distribution_function_of_a_histogram_integrates_its_density(X):
    module, outputs = built(Histogram(n_bins=12), X)
    cdf = module.cdf(outputs)
    far = torch.full((5, 3), 1e7).double()
    np.testing.assert_allclose(cdf(-far), 0, atol=1e-6)
    np.testing.assert_allclose(cdf(far), 1, atol=1e-6)
    ends = np.linspace(X.min(axis=0) - 5, X.max(axis=0) + 5, 40_001)
    middles, step = torch.tensor((ends[1:] + ends[:-1]) / 2), torch.tensor(ends[1] - ends[0])
    is_point = ((module.low == module.high) & (module.low < 1e300)).any(1)
    for own in outputs.split(1):
        masses = module.log_prob(own, middles[None]).exp()[0] * step
        at = module.cdf(own.expand(6, -1))(torch.tensor(ends[::8000]))
        excess = at.diff(dim=0) - masses.unflatten(0, (5, 8000)).sum(1)
        assert (excess.abs()[:, ~is_point] < 2e-3).all()
        assert (excess[:, is_point] > -2e-3).all()  # masses of single values are no density


@torch.no_grad()
def test_levels_that_occur_have_their_masses():
    X = RNG.choice([-3.0, 0.0, 8.0], (100, 2))
    module, outputs = built(Categorical(n_categories="auto"), X)
    cdf = module.cdf(outputs)
    others = module._log_shares(outputs)[1].exp()
    for level in (-3.0, 0.0, 8.0):
        x = torch.full((5, 2), level).double()
        mass = cdf(x + 0.5) - cdf(x - 0.5)
        expected = module.log_prob(outputs, x).exp()
        assert ((mass - expected).abs() <= others).all()
        assert (mass >= expected - 1e-12).all()


@torch.no_grad()
def test_a_mixed_likelihood_has_the_functions_of_its_parts_in_place():
    X = np.column_stack([REALS[:, 0], COUNTS[:, 0], REALS[:, 1]])
    mixed = Mixed(columns=[("poisson", [1]), ("gaussian", [2, 0])])
    module, outputs = built(mixed, X)
    x = torch.tensor(X[:5])
    ordered = [module.parts[0].cdf(outputs[:, [1]]), module.parts[1].cdf(outputs[:, [2, 0]])]
    expected = [ordered[1](x[:, [2, 0]])[:, 1], ordered[0](x[:, [1]])[:, 0]]
    found = module.cdf(outputs)(x)
    torch.testing.assert_close(found[:, 0], expected[0])
    torch.testing.assert_close(found[:, 1], expected[1])


def test_values_of_a_self_masking_likelihood_have_the_distribution_without_gaps():
    module, outputs = built(SelfMaskingGaussian(), REALS)
    plain, _ = built(Gaussian(), REALS)
    x = torch.tensor(REALS[:5])
    torch.testing.assert_close(module.cdf(outputs)(x), plain.cdf(outputs)(x))


def test_a_likelihood_without_a_distribution_function_says_so():
    module = LikelihoodModule(Likelihood(), 1)
    assert module.cdf(torch.zeros(1, 1)) is None

    class WithoutOne(Likelihood):
        def build(self, X):
            return LikelihoodModule(self, 1)

    mixed = Mixed(columns=[(WithoutOne(), [0]), ("gaussian", [1])]).build(REALS[:, :2])
    assert mixed.cdf(torch.zeros(1, mixed.n_outputs)) is None
