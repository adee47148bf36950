"""The ex-post prior: N(0, I) in training, then scikit-learn's mixture of the embedding."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.mixture import GaussianMixture

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from skvae.objectives import Objective
from skvae.priors import ExPostMixture

N_MIXTURES = 3


def embedding(n_rows=400, seed=0):
    """Two clusters of correlated latent vectors."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n_rows, 2)) @ [[0.5, 0.3], [0.0, 0.4]]
    return Z + np.where(rng.random((n_rows, 1)) < 0.3, 2.0, -1.0)


@pytest.fixture(scope="module")
def concluded():
    """A prior after training, in evaluation."""
    prior = ExPostMixture(n_mixtures=N_MIXTURES).build(2)
    prior.conclude(embedding)
    return prior.eval()


@pytest.fixture(scope="module")
def mixture():
    """scikit-learn's mixture, fitted to the same embedding with the documented settings."""
    return GaussianMixture(N_MIXTURES, reg_covar=1e-3, random_state=0).fit(embedding())


def quick(estimator_class=VAETransformer, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,)),
        "prior": ExPostMixture(n_mixtures=N_MIXTURES),
        "max_epochs": 2,
        "random_state": 0,
    }
    return estimator_class(2, **settings | changes)


@pytest.fixture(scope="module")
def X(digits):
    return digits.data[:300]


@pytest.mark.parametrize("conclude", [False, True])
def test_it_is_the_standard_normal_while_training(conclude):
    prior = ExPostMixture().build(2)
    if conclude:
        prior.conclude(embedding)
    prior.train()
    z = torch.from_numpy(embedding(20, seed=1))
    assert_allclose(prior.log_prob(z), stats.norm.logpdf(z).sum(1))
    mean, log_var = z, 0.1 * z
    expected = 0.5 * (mean.square() + log_var.exp() - log_var - 1)
    torch.testing.assert_close(prior.kl(mean, log_var), expected)
    draws = prior.sample(5000, torch.Generator().manual_seed(0)).numpy()
    assert stats.kstest(draws[:, 0], "norm").pvalue > 1e-3


def test_it_is_the_standard_normal_until_it_is_concluded():
    prior = ExPostMixture().build(3).eval()
    z = np.random.default_rng(0).normal(size=(4, 5, 3))
    assert_allclose(prior.log_prob(torch.from_numpy(z)), stats.norm.logpdf(z).sum(-1))


def test_log_prob_is_the_score_of_scikit_learns_mixture(concluded, mixture):
    z = embedding(50, seed=1).reshape(10, 5, 2)
    expected = mixture.score_samples(z.reshape(50, 2)).reshape(10, 5)
    assert_allclose(concluded.log_prob(torch.from_numpy(z)), expected)
    single = concluded.log_prob(torch.from_numpy(z).float())
    assert single.dtype == torch.float32
    assert_allclose(single, expected, rtol=1e-4)


def test_the_kl_divergence_has_no_closed_form_after_training(concluded):
    assert concluded.kl(torch.zeros(1, 2), torch.zeros(1, 2)) is None


def test_draws_follow_the_mixture(concluded, mixture):
    draws = concluded.sample(5000, torch.Generator().manual_seed(0)).double().numpy()
    expected, _ = mixture.sample(5000)
    for direction in ([1, 0], [0, 1], [1, 1], [1, -1]):
        assert stats.ks_2samp(draws @ direction, expected @ direction).pvalue > 1e-3
    assert stats.kstest(draws[:, 0], "norm").pvalue < 1e-6  # the test can tell them apart
    assert np.count_nonzero(np.diff(mixture.predict(draws))) > 1000  # not sorted by component


def test_draws_are_a_function_of_the_generator(concluded):
    first, same, other = (
        concluded.sample(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_fewer_rows_than_mixtures_use_one_normal_per_row(n_rows):
    Z = embedding(n_rows)
    prior = ExPostMixture(n_mixtures=7).build(2)
    prior.conclude(lambda: Z)
    z = embedding(30, seed=1)
    log_prob = prior.eval().log_prob(torch.from_numpy(z))
    rows = np.repeat(Z, 2, axis=0) if n_rows == 1 else Z
    expected = GaussianMixture(n_rows, reg_covar=1e-3, random_state=0).fit(rows)
    assert_allclose(log_prob, expected.score_samples(z))
    assert prior.sample(10).isfinite().all()


def test_a_fit_on_fewer_rows_than_mixtures_scores_them(X):
    vae = quick(prior="ex_post").fit(X[:5])
    assert np.isfinite(vae.score_samples(X[:5])).all()
    assert np.isfinite(vae.sample(10, random_state=0)).all()


def test_the_score_of_digits_rises(digits):
    train, test = digits.data[:1000], digits.data[1000:1400]
    settings = {"network": MLP(hidden_layer_sizes=(64,)), "max_epochs": 15}
    normal, ex_post = (quick(prior=prior, **settings).fit(train) for prior in ("normal", "ex_post"))
    # the same training: only p(z) differs
    assert_array_equal(ex_post.transform(test), normal.transform(test))
    assert_array_equal(ex_post.reconstruct(test), normal.reconstruct(test))
    assert ex_post.score(test) > normal.score(test) + 0.2


def test_rows_are_decoded_from_draws_of_the_mixture():
    X = np.random.default_rng(0).normal(scale=0.3, size=(300, 4))
    X[:100] += 3  # two clusters: their embedding is far from N(0, I)
    vae = quick(max_epochs=60, learning_rate=5e-3).fit(X)
    Z = vae.module_.sample_prior(2000, torch.Generator().manual_seed(0)).double().numpy()
    expected = vae.inverse_transform(Z).sum(1)
    found = vae.sample(2000, random_state=1, mean=True).sum(1)
    assert stats.ks_2samp(found, expected).pvalue > 1e-3
    of_normal = vae.inverse_transform(np.random.default_rng(0).normal(size=Z.shape)).sum(1)
    assert stats.ks_2samp(found, of_normal).pvalue < 1e-6  # the test can tell them apart


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_saved_with_the_model(X, dtype, estimator_class, tmp_path):
    X = X.astype(dtype)
    vae = quick(estimator_class).fit(X)
    skvae.save(vae, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert repr(loaded.prior) == repr(vae.prior)
    assert_array_equal(loaded.sample(50, random_state=3), vae.sample(50, random_state=3))
    assert_array_equal(loaded.score_samples(X), vae.score_samples(X))
    z = torch.from_numpy(vae.posterior(X)[0])
    assert torch.equal(loaded.module_.log_prior(z), vae.module_.log_prior(z))


class SeenPrior(Objective):
    """Keeps the log density of the origin under the prior that every step sees."""

    seen = []

    def __call__(self, module, x, *, epoch=None, generator=None):
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, 1, generator)
        kl = module.kl(mean[:, None], log_var[:, None], z).sum(-1).mean()
        reconstruction = module.log_conditional(x, z).mean()
        self.seen.append(module.log_prior(torch.zeros(1, 2)).item())
        return {"loss": kl - reconstruction, "reconstruction": reconstruction, "kl": kl}


def test_further_training_starts_again_from_the_standard_normal(X):
    SeenPrior.seen.clear()
    vae = quick(objective=SeenPrior(), max_epochs=1).fit(X)
    first = vae.module_.log_prior(torch.zeros(1, 2)).item()
    vae.set_params(warm_start=True, max_epochs=2).fit(X)
    second = vae.module_.log_prior(torch.zeros(1, 2)).item()
    vae.partial_fit(X)
    third = vae.module_.log_prior(torch.zeros(1, 2)).item()
    assert_allclose(SeenPrior.seen, -np.log(2 * np.pi), rtol=1e-6)
    assert len({first, second, third, SeenPrior.seen[0]}) == 4


def test_a_failed_fit_leaves_the_mixture_as_it_was(X):
    vae = quick(warm_start=True).fit(X)
    before = vae.score_samples(X)
    with pytest.raises(ValueError, match="rows of X have no observed value"):
        vae.set_params(max_epochs=3).fit(np.full_like(X, np.nan))
    assert_array_equal(vae.score_samples(X), before)


@pytest.mark.parametrize("n_mixtures", [0, -1, 1.5, None])
def test_invalid_numbers_of_mixtures_raise(n_mixtures):
    with pytest.raises(ValueError, match="'n_mixtures' parameter of ExPostMixture"):
        ExPostMixture(n_mixtures=n_mixtures).build(2)
