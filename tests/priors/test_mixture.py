"""The learned mixture against scikit-learn's, quadrature, and an exact marginal likelihood."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture

from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.priors import MixturePrior


@pytest.fixture
def fitted():
    """scikit-learn's mixture, fitted to two clusters in three dimensions."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal([-3, 0, 1], 0.4, (100, 3)), rng.normal(1, 1.5, (300, 3))])
    return GaussianMixture(4, covariance_type="diag", random_state=0).fit(rows)


def build(mixture):
    """Build the prior with the parameters of scikit-learn's mixture, in double precision."""
    prior = MixturePrior(n_mixtures=mixture.n_components).build(mixture.means_.shape[1]).double()
    with torch.no_grad():
        # a step of these parameters is ten of the mean and of the log variance
        prior.free_mean.copy_(torch.from_numpy(mixture.means_ / 10))
        prior.free_log_var.copy_(torch.from_numpy(np.log(mixture.covariances_) / 10))
        prior.logits.copy_(torch.from_numpy(np.log(mixture.weights_) + 7.0))  # any shift will do
    return prior


def test_log_prob_is_that_of_scikit_learn(fitted):
    z = np.random.default_rng(1).normal(scale=3, size=(20, 3))
    log_prob = build(fitted).log_prob(torch.from_numpy(z)).detach()
    np.testing.assert_allclose(log_prob, fitted.score_samples(z))


def test_draws_have_the_moments_of_the_density(fitted):
    n = 50_000
    with torch.no_grad():
        draws = build(fitted).sample(n, torch.Generator().manual_seed(0)).numpy()
    weights, mean = fitted.weights_[:, None], fitted.weights_ @ fitted.means_
    spread = (weights * fitted.covariances_).sum(0)
    var = spread + (weights * (fitted.means_ - mean) ** 2).sum(0)
    assert np.all(np.abs(draws.mean(0) - mean) < 5 * np.sqrt(var / n))
    squares = (draws - mean) ** 2
    assert np.all(np.abs(squares.mean(0) - var) < 5 * squares.std(0) / np.sqrt(n))


@pytest.mark.parametrize("n_components", [1, 2])
def test_density_integrates_to_one(n_components):
    torch.manual_seed(0)
    prior = MixturePrior(n_mixtures=8).build(n_components).double()
    axis = torch.linspace(-12, 12, 801, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * n_components).reshape(-1, n_components)
    total = prior.log_prob(z).exp().sum().item() * (axis[1] - axis[0]).item() ** n_components
    assert total == pytest.approx(1)


def test_the_initial_mixture_is_near_the_standard_normal():
    torch.manual_seed(0)
    draws = MixturePrior(n_mixtures=1000).build(4).sample(50_000, torch.Generator().manual_seed(0))
    draws = draws.detach().numpy()
    np.testing.assert_allclose(draws.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(draws.var(0), 1, atol=0.1)


@pytest.mark.parametrize("log_var", [-1e4, 1e4])
def test_variances_are_bounded(log_var):
    prior = MixturePrior(n_mixtures=1).build(1)
    torch.nn.init.constant_(prior.free_log_var, log_var)
    torch.nn.init.zeros_(prior.free_mean)
    bound = np.exp(-10.0 if log_var < 0 else 5.0)
    assert prior.log_prob(torch.zeros(1, 1)).item() == pytest.approx(-np.log(bound) - 0.9189385)
    draws = prior.sample(2000, torch.Generator().manual_seed(0))
    assert draws.std().item() == pytest.approx(bound, rel=0.1)


def test_every_weight_has_a_gradient():
    torch.manual_seed(0)
    prior = MixturePrior(n_mixtures=3).build(2)
    prior.log_prob(torch.randn(10, 2)).sum().backward()
    for weights in prior.parameters():
        assert weights.grad.abs().sum() > 0


def test_score_of_a_linear_decoder_approaches_the_exact_likelihood():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-2, 1, (60, 4)), rng.normal(2, 1, (60, 4))])
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=()),
        likelihood=Gaussian(noise=0.8, scaling="none"),
        prior=MixturePrior(n_mixtures=3),
        max_epochs=100,
        random_state=0,
    ).fit(X)
    exact = exact_log_likelihood(vae, X).mean()
    loose, close = (vae.set_params(n_importance_samples=n).score(X) for n in (1, 8192))
    assert loose < exact - 0.02
    assert close == pytest.approx(exact, abs=0.005)


def exact_log_likelihood(vae, X):
    """With a linear decoder, every component of the prior gives a normal distribution of rows."""
    prior = vae.module_.prior
    means, variances, log_weights = (
        part.detach().double().numpy()
        for part in (prior.mean, prior.log_var.exp(), prior.logits.log_softmax(-1))
    )
    offset = vae.inverse_transform(np.zeros((1, 2)))
    loadings = vae.inverse_transform(np.eye(2)) - offset  # (n_components, n_features)
    joint = [
        stats.multivariate_normal(
            (offset + mean @ loadings)[0],
            loadings.T @ np.diag(variance) @ loadings + 0.8**2 * np.eye(4),
        ).logpdf(X)
        for mean, variance in zip(means, variances, strict=True)
    ]
    return logsumexp(np.stack(joint, 1) + log_weights, axis=1)


ROWS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def encode(rows):
    """Means and log variances that differ between rows and latent dimensions."""
    return rows[:, :2] + 1, rows[:, 2:]


def test_after_a_hundred_steps_the_components_are_at_encoded_rows():
    prior = MixturePrior(n_mixtures=6).build(2, lambda n_rows: ROWS[:n_rows])
    started = prior.mean.clone()
    for _ in range(99):
        prior.follow(encode)
        assert torch.equal(prior.mean, started)
    prior.follow(encode)
    torch.testing.assert_close(prior.mean, ROWS[:, :2] + 1)
    variance = ROWS[:, 2:].exp().mean(0) + 0.05  # as wide as a posterior, and a little more
    torch.testing.assert_close(prior.log_var.exp(), variance.expand(6, 2))
    prior.follow(lambda rows: pytest.fail("the components have moved already"))
    assert prior.rows is None


def test_components_do_not_move_but_in_training():
    prior = MixturePrior(n_mixtures=6).build(2, lambda n_rows: ROWS[:n_rows]).eval()
    started = prior.mean.clone()
    for _ in range(200):
        prior.follow(encode)
    assert torch.equal(prior.mean, started)
    assert prior.n_steps == 0


def test_without_rows_the_components_are_learned_from_where_they_start():
    prior = MixturePrior(n_mixtures=6).build(2)
    started = prior.mean.clone()
    for _ in range(200):
        prior.follow(encode)
    assert torch.equal(prior.mean, started)


@pytest.mark.parametrize("n_mixtures", [0, -1, 1.5, None])
def test_invalid_numbers_of_mixtures_raise(n_mixtures):
    with pytest.raises(ValueError, match="'n_mixtures' parameter of MixturePrior"):
        MixturePrior(n_mixtures=n_mixtures).build(2)
