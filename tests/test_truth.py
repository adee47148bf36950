"""The model against exact results: PCA, factor analysis, and integration over z."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from skvae import VAETransformer
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO, Objective

LINEAR = MLP(hidden_layer_sizes=())
FACTORS = Gaussian(noise="per_feature")
PRINCIPAL = Gaussian(noise="shared", scaling="none")
LOADERS = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer}


class ExactLinearELBO(Objective):
    """The ELBO of a linear Gaussian model without sampling error, so that it can be maximised.

    log p(x|z) is quadratic in z there, and draws whose first two moments are exact average it
    exactly. What is left is deterministic, and a quasi-Newton method finds its maximum.
    """

    def __call__(self, module, x, *, epoch=None, generator=None):
        mean, log_var = module.encode(x)
        axes = mean.shape[1] ** 0.5 * torch.eye(mean.shape[1])
        z = mean[:, None] + (0.5 * log_var).exp()[:, None] * torch.cat([axes, -axes])
        reconstruction = module.log_conditional(x, z).mean()
        kl = module.kl(mean, log_var, z).sum(-1).mean()
        return {"loss": kl - reconstruction, "reconstruction": reconstruction, "kl": kl}


class QuasiNewton(torch.optim.LBFGS):
    def __init__(self, params, lr):
        super().__init__(params, lr=lr, history_size=50, line_search_fn="strong_wolfe")


def fit_exactly(X, n_components, likelihood):
    return VAETransformer(
        n_components,
        network=LINEAR,
        likelihood=likelihood,
        objective=ExactLinearELBO(),
        optimizer=QuasiNewton,
        learning_rate=1.0,
        max_epochs=60,
        batch_size=len(X),
        random_state=0,
    ).fit(X)


def fit_by_sampling(X, n_components, likelihood):
    return VAETransformer(
        n_components,
        network=LINEAR,
        likelihood=likelihood,
        max_epochs=1000,
        learning_rate=0.01,
        weight_decay=0.0,
        random_state=0,
    ).fit(X)


def factor_analysis(X, n_components):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a noise variance that goes to zero
        return FactorAnalysis(n_components, max_iter=5000, tol=1e-6).fit(X).score(X)


def each(names, fast):
    """Return the names as the parameters of a test, slow ones marked so."""
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[] if name in fast else [slow]) for name in names]


@pytest.mark.parametrize("n_components", [1, 2])
@pytest.mark.parametrize("table", each(LOADERS, fast=("iris",)))
def test_maximum_of_the_linear_vae_is_that_of_pca(table, n_components):
    X = LOADERS[table]().data
    vae = fit_exactly(X, n_components, PRINCIPAL)
    assert vae.score(X) == pytest.approx(PCA(n_components).fit(X).score(X), abs=0.01)


@pytest.mark.parametrize("n_components", each((1, 2), fast=(1,)))
@pytest.mark.parametrize("table", each(LOADERS, fast=("iris",)))
def test_maximum_of_the_linear_vae_is_that_of_factor_analysis(table, n_components):
    X = LOADERS[table]().data
    difference = fit_exactly(X, n_components, FACTORS).score(X) - factor_analysis(X, n_components)
    assert difference > -0.01  # the EM algorithm of the latter may end in a lower maximum
    if table == "iris":
        assert difference < 0.01


@pytest.mark.slow
def test_linear_vae_trained_by_sampling_reaches_pca_on_iris():
    X = load_iris().data
    vae = fit_by_sampling(X, 2, PRINCIPAL)
    assert vae.score(X) == pytest.approx(PCA(2).fit(X).score(X), abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("table", LOADERS)
def test_linear_vae_trained_by_sampling_reaches_factor_analysis(table):
    X = LOADERS[table]().data
    vae = fit_by_sampling(X, 1, FACTORS)
    difference = vae.score(X) - factor_analysis(X, 1)
    if table == "iris":
        assert abs(difference) < 0.05
    else:
        assert difference > -0.1
    np.testing.assert_allclose(vae.score_samples(X), linear_log_likelihood(vae, X), atol=0.02)


def linear_log_likelihood(vae, X):
    """Return the log-density of the rows under the linear model, which is a normal distribution."""
    (decoder,), likelihood = vae.module_.decoder, vae.module_.likelihood
    with torch.no_grad():
        loadings = decoder.weight.double().numpy()
        _, variance = likelihood._moments(torch.zeros(1, X.shape[1], dtype=torch.float64))
        loc, scale = likelihood.mean(decoder.bias).numpy(), likelihood.scale.numpy()
    covariance = loadings @ loadings.T + np.diag(variance.numpy())  # in units of the scale
    return multivariate_normal(cov=covariance).logpdf((X - loc) / scale) - np.log(scale).sum()


def flowers():
    return load_iris().data


def patches():
    """Eight pixels at the centre of 200 digits, in [0, 1]."""
    return load_digits().images[:200, 2:6, 3:5].reshape(200, 8) / 16


CASES = {
    "gaussian shared": (Gaussian(noise="shared"), flowers),
    "gaussian per_feature": (Gaussian(noise="per_feature"), flowers),
    "gaussian per_sample": (Gaussian(noise="per_sample"), flowers),
    "gaussian fixed": (Gaussian(noise=0.8), flowers),
    "gaussian bounded": (Gaussian(noise=0.5, scaling="global", bounded=True), flowers),
    "bernoulli": (Bernoulli(), lambda: patches().round()),
    "continuous bernoulli": (ContinuousBernoulli(), patches),
}


@pytest.mark.parametrize("n_components", each((1, 2), fast=(1,)))
@pytest.mark.parametrize("case", each(CASES, fast=("gaussian per_sample", "bernoulli")))
def test_score_samples_integrates_over_the_latent_space(case, n_components):
    likelihood, rows = CASES[case]
    X = rows()
    vae = VAETransformer(
        n_components,
        network=MLP(hidden_layer_sizes=(16,), activation="tanh"),
        likelihood=likelihood,
        max_epochs=150 * n_components,
        learning_rate=6e-3,
        weight_decay=0.0,
        n_importance_samples=4096,
        random_state=0,
    ).fit(X)
    assert vae.posterior(X)[1].mean(0).min() < 0.7  # the latent space is in use
    X = X[::3]
    fine, coarse = (integrate(vae, X, n) for n in {1: (3201, 1601), 2: (401, 201)}[n_components])
    np.testing.assert_allclose(coarse, fine, atol=1e-3)
    difference = vae.score_samples(X) - fine
    assert abs(difference.mean()) < 0.02
    assert np.median(np.abs(difference)) < 0.02


def integrate(vae, X, n_points):
    """Return the log of the integral of p(x|z) p(z) by the rectangle rule, for every row."""
    module = vae.module_
    axis = torch.linspace(-6, 6, n_points)
    z = torch.cartesian_prod(*[axis] * vae.n_components_).reshape(-1, vae.n_components_)
    cell = (axis[1] - axis[0]).item() ** vae.n_components_
    with torch.no_grad():
        outputs, log_prior = module.decode(z), module.prior.log_prob(z)
        joint = [
            module.likelihood.log_prob(outputs, x).sum(-1) + log_prior for x in torch.from_numpy(X)
        ]
        integrals = [values.double().logsumexp(0).item() for values in joint]
    return np.array(integrals) + np.log(cell)


def test_bound_rises_with_the_number_of_draws(digits):
    vae = VAETransformer(
        8, network=MLP(hidden_layer_sizes=(64,)), max_epochs=5, random_state=0
    ).fit(digits.data)
    bounds = [vae.set_params(n_importance_samples=n).score(digits.data) for n in (1, 4, 16, 64)]
    assert all(later > earlier for earlier, later in itertools.pairwise(bounds)), bounds


def test_mean_of_many_losses_is_minus_the_log_likelihood_at_the_exact_maximum():
    X = load_iris().data
    vae = fit_exactly(X, 1, PRINCIPAL)
    module, x = vae.module_, torch.from_numpy(X)
    with torch.no_grad():
        losses = np.array(
            [
                ELBO()(module, x, generator=torch.Generator().manual_seed(i))["loss"]
                for i in range(500)
            ]
        )
    error = losses.std() / np.sqrt(len(losses))
    assert losses.mean() == pytest.approx(-PCA(1).fit(X).score(X), abs=4 * error + 1e-3)
