"""Pseudo-rows keep a small table from being learned by heart."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA, FactorAnalysis

from skvae import VAETransformer
from skvae._model.module import build_module
from skvae._training.budget import pseudo_row_share
from skvae._training.pseudo_rows import PseudoRows, factor_analysis, pseudo_rows
from skvae.likelihoods import Bernoulli, Gaussian, StudentT
from skvae.networks import MLP
from skvae.objectives import IWAE
from skvae.priors import StandardNormal


def factors(n_rows, n_features=12, n_factors=2, seed=0):
    """Return rows of a linear model whose loadings do not depend on the seed."""
    loadings = np.random.default_rng(9).normal(size=(n_factors, n_features))
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n_rows, n_features))
    return rng.normal(size=(n_rows, n_factors)) @ loadings + 0.5 * noise


def source(X, likelihood=None, n_components=2):
    network = MLP(hidden_layer_sizes=(4,))
    parts = network, likelihood or Gaussian(), StandardNormal()
    share = pseudo_row_share(*X.shape, n_components)
    return pseudo_rows(build_module(*parts, X, n_components), X, share)


def many_draws(rows, like, n_draws=100_000):
    x = torch.from_numpy(like[:1]).expand(n_draws, -1)
    return rows.mix_in(x, torch.Generator().manual_seed(0)).numpy()


def test_the_factor_analysis_is_as_likely_as_that_of_scikit_learn():
    X = factors(2000)
    X = (X - X.mean(0)) / X.std(0)
    loadings, noise = factor_analysis(X[:1000], 2)
    found = multivariate_normal(cov=loadings @ loadings.T + np.diag(noise**2))
    expected = FactorAnalysis(2).fit(X[:1000]).score(X[1000:])
    assert found.logpdf(X[1000:]).mean() == pytest.approx(expected, abs=0.02)


def test_columns_that_are_copies_keep_their_noise():
    X = factors(30)
    X = np.c_[X, X, 1e6 * X[:, :3] - 4]
    standardized = (X - X.mean(0)) / X.std(0)
    _, noise = factor_analysis(standardized, 12)
    assert noise.min() > 0.01


def test_draws_have_the_moments_of_the_rows():
    X = factors(40) * np.geomspace(1e-6, 1e6, 12) + np.geomspace(1, 1e8, 12)
    rows = source(X)
    rows.share = 1.0
    draws = many_draws(rows, X)
    standardized = (draws - X.mean(axis=0)) / X.std(axis=0)
    assert_allclose(standardized.mean(axis=0), 0, atol=0.02)
    assert_allclose(standardized.std(axis=0), 1, atol=0.03)
    assert_allclose(np.corrcoef(draws.T), np.corrcoef(X.T), atol=0.25)  # two factors are not all


def test_the_share_of_replaced_rows_is_as_asked_and_others_are_kept():
    X = factors(40)
    rows = PseudoRows(0.3, np.zeros(12), np.ones((12, 1)), np.ones(12))
    mixed = many_draws(rows, X)
    kept = (mixed == X[0]).all(axis=1)
    assert kept.mean() == pytest.approx(0.7, abs=0.01)
    assert not (mixed[~kept] == X[0]).any()


def test_a_constant_column_stays_constant():
    X = np.c_[factors(40), np.full(40, 7.25)]
    assert_array_equal(many_draws(source(X), X, 1000)[:, -1], 7.25)


def test_one_wild_cell_does_not_spread_to_the_draws():
    X = factors(40)
    X[3, 5] = 999_999
    rows = source(X)
    rows.share = 1.0
    assert np.abs(many_draws(rows, X, 1000)).max() < 100


def test_other_likelihoods_have_none():
    X = factors(40)
    assert source(X) is not None
    assert source(X, StudentT()) is None
    assert source((X > 0).astype(np.float32), Bernoulli()) is None


sizes = st.integers(1, 2000)


@given(n_features=sizes, n_components=sizes, n_samples=st.integers(2, 10**6))
def test_the_share_falls_with_the_rows_and_grows_with_the_loadings(
    n_features, n_components, n_samples
):
    share = pseudo_row_share(n_samples, n_features, n_components)
    assert 0 <= share < 1
    assert share >= pseudo_row_share(n_samples + 1, n_features, n_components)
    assert share <= pseudo_row_share(n_samples, n_features + 1, n_components + 1)


@pytest.mark.parametrize(("n_samples", "n_features"), [(60_000, 784), (1347, 64), (1000, 16)])
def test_larger_tables_have_none(n_samples, n_features):
    assert pseudo_row_share(n_samples, n_features, 16) == 0


def test_a_fit_of_few_rows_is_as_likely_as_the_linear_models():
    X = load_wine(return_X_y=True)[0]
    X = X[np.random.default_rng(0).permutation(len(X))]
    train, held_out = X[:50], X[50:]
    linear = max(model.fit(train).score(held_out) for model in (PCA(8), FactorAnalysis(8)))
    vae = VAETransformer(8, random_state=0).fit(train)
    assert vae.score(held_out) > linear - 1  # without pseudo-rows it is 1,500 nats below


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"objective": IWAE(n_samples=4)},
        {"likelihood": Gaussian(noise="per_sample")},
        {"likelihood": Gaussian(noise="shared")},
        {"prior": "flow"},
        {"network": "resnet"},
    ],
    ids=str,
)
def test_other_parts_are_kept_from_overfitting_too(changes):
    X = factors(1050, n_features=16)
    train, held_out = X[:50], X[50:]
    linear = FactorAnalysis(2).fit(train).score(held_out)
    vae = VAETransformer(8, random_state=0, **changes).fit(train)
    assert vae.score(held_out) > linear - 5


def test_a_given_weight_decay_does_without_them(monkeypatch):
    X, calls = factors(30), []
    monkeypatch.setattr("skvae._training.fit.pseudo_rows", lambda *args: calls.append(args))
    VAETransformer(2, max_epochs=1, weight_decay=0.0).fit(X)
    assert not calls
    VAETransformer(2, max_epochs=1).fit(X)
    assert len(calls) == 1


def test_nothing_of_a_run_remains_on_the_net():
    vae = VAETransformer(2, max_epochs=2, random_state=0).fit(factors(30))
    assert vae._net.pseudo_rows is None
    assert vae.module_.warmup_epochs == 0


def test_a_factor_analysis_of_rows_with_gaps_is_that_of_all_rows():
    X = factors(4000)
    X = (X - X.mean(0)) / X.std(0)
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.4, np.nan, X)
    covariances = []
    for rows in (X, gaps):
        loadings, noise = factor_analysis(rows, 2)
        covariances.append(loadings @ loadings.T + np.diag(noise**2))
    assert_allclose(covariances[1], covariances[0], atol=0.06)


def test_pseudo_rows_have_the_gaps_of_the_rows_that_they_replace():
    X = factors(40)
    X[0, :3] = np.nan
    rows = source(X)
    rows.share = 1.0
    draws = many_draws(rows, X, 1000)
    assert np.isnan(draws[:, :3]).all()
    assert not np.isnan(draws[:, 3:]).any()
