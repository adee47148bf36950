"""Missing values: left out of the likelihood, shown to the encoder, and harmless everywhere."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits, load_iris
from sklearn.utils.validation import check_is_fitted
from torch import nn

import skvae
from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae.likelihoods import (
    Bernoulli,
    Categorical,
    DiscretizedLogistic,
    Gaussian,
    Histogram,
    Mixed,
    NegativeBinomial,
    Poisson,
    StudentT,
)
from skvae.networks import MLP, Network
from skvae.objectives import ELBO
from skvae.priors import MixturePrior
from skvae.scores import Score
from tests.helpers import FEW_TREES, quick_parameters

X = load_iris().data
SMALL = MLP(hidden_layer_sizes=(16,))


def with_gaps(rows, share=0.3, seed=0):
    """Return rows of which a share of the values is missing, and one row is missing as a whole."""
    gaps = np.random.default_rng(seed).random(rows.shape) < share
    gaps[1] = True
    return np.where(gaps, np.nan, rows)


GAPS = with_gaps(X)


def quick(estimator_class=VAETransformer, **params):
    defaults = {"network": SMALL, "max_epochs": 2, "random_state": 0}
    return estimator_class(2, **(defaults | params))


class LinearDecoder(MLP):
    """A linear model, whose encoder is not: with gaps, neither is the posterior."""

    def build_decoder(self, n_components, n_outputs, n_features):
        return nn.Sequential(nn.Linear(n_components, n_outputs))


@pytest.fixture(scope="module")
def linear():
    """A linear model with noise per feature, trained on rows with gaps."""
    vae = VAETransformer(
        2,
        network=LinearDecoder(hidden_layer_sizes=(64,)),
        likelihood=Gaussian(noise="per_feature"),
        objective=ELBO(n_samples=4),
        n_importance_samples=2**14,
        learning_rate=0.005,
        max_epochs=400,
        weight_decay=0.0,
        random_state=0,
    )
    return vae.fit(GAPS)


def normal_distribution(vae):
    """Return mean and covariance of the rows under a linear model."""
    (decoder,), likelihood = vae.module_.decoder, vae.module_.likelihood
    n_features = vae.n_features_in_
    with torch.no_grad():
        loadings = decoder.weight.double().numpy()
        _, variance = likelihood._moments(torch.zeros(1, n_features, dtype=torch.float64))
        mean, scale = likelihood.mean(decoder.bias).numpy(), likelihood.scale.numpy()
    covariance = loadings @ loadings.T + np.diag(variance.numpy())
    return mean, covariance * np.outer(scale, scale)


def test_the_score_of_a_row_with_gaps_is_the_marginal_of_factor_analysis(linear):
    mean, covariance = normal_distribution(linear)
    scores = linear.score_samples(GAPS)
    for row, score in zip(GAPS, scores, strict=True):
        seen = np.flatnonzero(~np.isnan(row))
        exact = 0.0
        if len(seen):
            part = np.ix_(seen, seen)
            exact = multivariate_normal(mean[seen], covariance[part]).logpdf(row[seen])
        assert score == pytest.approx(exact, abs=0.01)


def test_imputed_values_are_the_conditional_means_of_factor_analysis(linear):
    imputer = VAEImputer(n_importance_samples=2**14)
    vars(imputer).update(vars(linear) | vars(imputer))  # the same model
    imputer._note_gaps(GAPS)
    check_is_fitted(imputer)
    mean, covariance = normal_distribution(linear)
    for row, filled in zip(GAPS, imputer.transform(GAPS), strict=True):
        seen, lost = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        slopes = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, lost)])
        exact = mean[lost] + (row[seen] - mean[seen]) @ slopes
        assert_allclose(filled[lost] / X.std(0)[lost], exact / X.std(0)[lost], atol=0.02)
        assert_array_equal(filled[seen], row[seen])


RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 5, size=(200, 2)).astype(float)
LEVELS[:, 1] = (LEVELS[:, 0] + (RNG.random(200) < 0.3)) % 5
COUNTS = RNG.negative_binomial(3, 0.4, size=(200, 2)).astype(float)
REALS = X[:, 2:4]
LINE = np.linspace(-9, 15, 481)  # where the densities of the reals are not negligible
GREY = RNG.random((200, 2)).round()
NAMES = Categorical(n_categories="auto", ordered=False)
MARGINALS = {
    "gaussian": (Gaussian(), REALS, LINE),
    "noise per sample": (Gaussian(noise="per_sample"), REALS, LINE),
    "student t": (StudentT(df=8.0), REALS, LINE),
    "histogram": (Histogram(n_bins=8), REALS, LINE),
    "bernoulli": (Bernoulli(), GREY, np.arange(2.0)),
    "categorical": (Categorical(n_categories=5), LEVELS, np.arange(5.0)),
    "names": (NAMES, LEVELS, np.arange(6.0)),  # 5 stands for all others
    "discretized logistic": (DiscretizedLogistic(n_levels=5), LEVELS, np.arange(5.0)),
    "poisson": (Poisson(), COUNTS, np.arange(100.0)),
    "negative binomial": (NegativeBinomial(), COUNTS, np.arange(300.0)),
    "mixed": (Mixed(columns=[("gaussian", [0]), (NAMES, [1])]), None, np.arange(6.0)),
}


@pytest.mark.parametrize("case", MARGINALS)
def test_the_marginal_of_a_row_with_a_gap_is_the_integral_over_the_value(case):
    likelihood, rows, values = MARGINALS[case]
    if rows is None:
        rows = np.column_stack([REALS[:, 0], LEVELS[:150, 1]])
    vae = quick(likelihood=likelihood, max_epochs=30, n_importance_samples=512).fit(rows)
    step = values[1] - values[0]
    for row in rows[:3]:
        gap = np.array([[row[0], np.nan]])
        every = np.column_stack([np.full(len(values), row[0]), values])
        integral = logsumexp(vae.score_samples(every)) + np.log(step)
        assert vae.score_samples(gap)[0] == pytest.approx(integral, abs=0.03)


@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp", "flow", "ex_post"])
@pytest.mark.parametrize("objective", ["elbo", "iwae", "beta_tcvae", "info_vae"])
def test_all_priors_and_objectives_train_on_gaps(prior, objective):
    prior = MixturePrior(n_mixtures=5) if prior == "mixture" else prior
    vae = quick(prior=prior, objective=objective).fit(GAPS)
    assert np.isfinite(vae.history_["train_loss"]).all()
    assert np.isfinite(vae.score_samples(GAPS)).all()
    with torch.no_grad():
        draws = vae.module_.sample_prior(20_000, torch.Generator().manual_seed(1)).double()
    mean, std = vae.posterior(GAPS[[1]])  # of a row without values: the prior
    assert_allclose(mean[0], draws.mean(0), atol=0.05)
    assert_allclose(std[0], draws.std(0), rtol=0.05)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "histogram"])
@pytest.mark.parametrize("network", ["mlp", "conv", "resnet"])
def test_networks_of_images_see_where_pixels_are_missing(network, likelihood):
    if network != "mlp" and likelihood == "histogram":
        pytest.skip("a histogram has another number of inputs than an image has pixels")
    images = load_digits().data[:100] / 16
    gaps = with_gaps(images, 0.5)
    vae = VAETransformer(2, network=network, likelihood=likelihood, max_epochs=1, random_state=0)
    vae.fit(gaps)
    assert np.isfinite(vae.score_samples(gaps)).all()
    assert np.isfinite(vae.reconstruct(gaps)).all()
    blank = np.where(np.isnan(gaps[2:]), images.mean(0), gaps[2:])
    assert (vae.transform(blank) != vae.transform(gaps[2:])).any(axis=1).all()


class Ignorant(Network):
    """A user's own network, which knows nothing of gaps."""

    def build_encoder(self, n_features, n_outputs):
        return nn.Linear(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return nn.Linear(n_components, n_outputs)


def test_gaps_have_the_same_inputs_as_the_mean_without_indicators():
    vae = quick(network=Ignorant()).fit(GAPS)
    centre = np.where(np.isnan(GAPS), vae.module_.likelihood.loc.numpy(), GAPS)
    others = np.delete(np.arange(len(X)), 1)
    assert_allclose(vae.transform(GAPS)[others], vae.transform(centre)[others], atol=1e-12)


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
def test_gaps_may_first_occur_in_new_rows(estimator_class):
    params = quick_parameters(estimator_class)
    estimator = quick(estimator_class, **params).fit(X)
    assert np.isfinite(estimator.score_samples(GAPS)).all()
    complete = ~np.isnan(GAPS).any(axis=1)
    changed = estimator.score_samples(GAPS) != estimator.score_samples(X)
    assert_array_equal(changed, ~complete)


@pytest.mark.parametrize("score", sorted(skvae._specs.SHORT_NAMES["anomaly_score"]))
def test_all_scores_rank_rows_with_gaps(score):
    score = FEW_TREES if score == "novelty_rarity" else score
    detector = quick(VAEAnomalyDetector, anomaly_score=score).fit(GAPS)
    scores = detector.score_samples(GAPS)
    assert np.isfinite(scores).all()
    alone = np.concatenate([detector.score_samples(GAPS[[row]]) for row in range(10)])
    assert_allclose(alone, scores[:10], rtol=1e-6, atol=1e-6)
    contributions = detector.explain(GAPS[:5])
    assert (contributions[np.isnan(GAPS[:5])] == 0).all()


class FirstValue(Score):
    """A user's own score, which knows nothing of gaps."""

    def __call__(self, module, x, known, n_samples):
        assert not x.isnan().any()
        return x[:, 0].double()


def test_a_score_of_complete_rows_receives_expected_values():
    detector = quick(VAEAnomalyDetector, anomaly_score=FirstValue()).fit(GAPS)
    expected = np.where(np.isnan(GAPS), detector.reconstruct(GAPS), GAPS)[:, 0]
    assert_allclose(detector.score_samples(GAPS), expected, atol=1e-9)


def test_an_outlier_with_gaps_is_found():
    rows = with_gaps(X[:100])
    detector = quick(VAEAnomalyDetector, anomaly_score=FEW_TREES, max_epochs=20).fit(rows)
    far = np.array([[50.0, np.nan, np.nan, np.nan], [np.nan, np.nan, 1.5, 9.0]])
    assert_array_equal(detector.predict(far), -1)


@pytest.mark.parametrize(("score", "least"), [("residual_neighbors", 0.9), ("novelty_rarity", 0.8)])
def test_outliers_with_gaps_are_as_far_away_as_without(score, least):
    rng = np.random.default_rng(0)
    detector = VAEAnomalyDetector(2, anomaly_score=score, max_epochs=20, random_state=0)
    detector.fit(with_gaps(rng.normal(size=(300, 20)), 0.1))
    far = 4.0 * rng.choice([-1, 1], size=(40, 20))
    shares = detector.score_samples(with_gaps(far, 0.5)) / detector.score_samples(far)
    assert least < np.delete(shares, 1).mean() < 1.1  # the second row is empty


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector, VAEImputer])
def test_copies_and_files_keep_what_was_learned_of_gaps(estimator_class, tmp_path):
    params = quick_parameters(estimator_class)
    estimator = quick(estimator_class, **params).fit(GAPS)
    skvae.save(estimator, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    for other in (loaded, pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator)):
        assert_array_equal(other.score_samples(GAPS), estimator.score_samples(GAPS))
        assert_array_equal(other.transform(GAPS), estimator.transform(GAPS))


def test_a_fit_may_go_on_with_and_without_gaps():
    vae = quick().partial_fit(GAPS).partial_fit(X).partial_fit(GAPS)
    assert np.isfinite(vae.transform(GAPS)).all()
    vae = quick().partial_fit(X).partial_fit(GAPS)
    assert np.isfinite(vae.transform(GAPS)).all()
    vae = quick(warm_start=True).fit(GAPS)
    assert np.isfinite(vae.set_params(max_epochs=3).fit(X).transform(GAPS)).all()


def test_weights_count_as_copies_of_rows_with_gaps():
    weights = np.arange(len(X)) % 3
    copies = np.repeat(GAPS, weights, axis=0)
    weighted = quick().fit(GAPS, sample_weight=weights)
    assert_array_equal(weighted.transform(X), quick().fit(copies).transform(X))


def test_a_value_outside_the_support_is_named_where_it_stands():
    counts = with_gaps(COUNTS, 0.4)
    row = int(np.flatnonzero(~np.isnan(counts[:, 1]))[50])
    counts[row, 1] = -3.0
    for estimator in (quick(likelihood="poisson"), quick(likelihood="poisson").fit(COUNTS)):
        method = estimator.transform if hasattr(estimator, "module_") else estimator.fit
        with pytest.raises(ValueError, match=f"column 1 of X holds -3 in row {row}"):
            method(counts)


def test_pseudo_rows_have_the_gaps_of_the_rows_that_they_replace():
    wide = np.random.default_rng(0).normal(size=(40, 12))
    vae = VAETransformer(4, max_epochs=2, random_state=0).fit(with_gaps(wide))
    assert np.isfinite(vae.score_samples(with_gaps(wide, seed=1))).all()


def test_draws_have_the_gaps_of_training_rows(tmp_path):
    rows = X.copy()
    rows[::3, :2] = np.nan  # in a third of the rows, together
    vae = quick().fit(rows)
    gaps = np.isnan(vae.sample(3000, random_state=0, missing=True))
    assert not gaps[:, 2:].any()
    assert_array_equal(gaps[:, 0], gaps[:, 1])
    assert gaps[:, 0].mean() == pytest.approx(1 / 3, abs=0.03)
    given = vae.sample(20, random_state=0, missing=True, given={0: 5.0})
    assert_array_equal(given[:, 0], 5.0)
    assert not np.isnan(vae.sample(3000, random_state=0)).any()
    skvae.save(vae, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae").sample(9, random_state=0, missing=True)
    assert_array_equal(loaded, vae.sample(9, random_state=0, missing=True))
    with pytest.raises(ValueError, match="these had no missing values"):
        quick().fit(X).sample(missing=True)
