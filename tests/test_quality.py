"""The defaults against PCA and factor analysis on real data; see benchmarks/defaults.py."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Gaussian

N_SEEDS = 5


def _accuracy(classifier, reducer, split):
    """Return the accuracy of a classifier on the embedding of the held-out rows."""
    X_train, X_test, y_train, y_test = split
    classifier.fit(reducer.transform(X_train), y_train)
    return classifier.score(reducer.transform(X_test), y_test)


def _neighbours(reducer, split):
    return _accuracy(KNeighborsClassifier(5), reducer, split)


def _logistic(reducer, split):
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return _accuracy(classifier, reducer, split)


@pytest.fixture(scope="module")
def digits_split(digits):
    return train_test_split(digits.data, digits.target, random_state=0)


@pytest.mark.slow
def test_defaults_match_pca_on_raw_digits(digits_split):
    X_train, X_test = digits_split[:2]
    pca = PCA(16).fit(X_train)
    vaes = [VAETransformer(random_state=seed).fit(X_train) for seed in range(N_SEEDS)]
    assert vaes[0].module_.likelihood.scaling == "global"
    logistic = np.mean([_logistic(vae, digits_split) for vae in vaes])
    neighbours = np.mean([_neighbours(vae, digits_split) for vae in vaes])
    assert logistic >= _logistic(pca, digits_split)
    assert neighbours >= _neighbours(pca, digits_split) - 0.01
    assert min(vae.score(X_test) for vae in vaes) > pca.score(X_test)


# a Heywood case of factor analysis itself, which still has a score to compare with
@pytest.mark.filterwarnings("ignore:FactorAnalysis did not converge")
@pytest.mark.slow  # in the fast suite, test_pseudo_rows.py compares one fit of few rows
@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
@pytest.mark.parametrize("seed", range(N_SEEDS))
def test_defaults_do_not_overfit_a_small_raw_table(load, seed):
    X_train, X_test = train_test_split(load().data, random_state=seed)
    vae = VAETransformer(2, random_state=seed).fit(X_train)
    assert vae.module_.likelihood.scaling == "feature"
    factors = FactorAnalysis(2, max_iter=5000).fit(X_train)
    assert vae.score(X_test) >= factors.score(X_test) - 0.5


@pytest.mark.slow
def test_unseen_digits_are_outliers(digits_split):
    X_train, X_test, y_train, y_test = digits_split
    detector = VAEAnomalyDetector(random_state=0).fit(X_train[y_train < 8])
    assert roc_auc_score(y_test >= 8, -detector.score_samples(X_test)) > 0.95


@pytest.mark.slow
def test_defaults_match_pca_on_raw_mnist(mnist):
    X_train, X_test = mnist.train.data * 255, mnist.test.data * 255
    split = X_train, X_test, mnist.train.target, mnist.test.target
    pca = PCA(16).fit(X_train)
    vae = VAETransformer(random_state=0).fit(X_train)
    assert vae.score(X_test) > pca.score(X_test)
    assert _neighbours(vae, split) >= _neighbours(pca, split)


@pytest.mark.slow
def test_a_bernoulli_likelihood_separates_the_digits_of_mnist(mnist):
    split = mnist.train.data, mnist.test.data, mnist.train.target, mnist.test.target
    pca = PCA(16).fit(mnist.train.data)
    vae = VAETransformer(likelihood="bernoulli", random_state=0).fit(mnist.train.data)
    neighbours = _neighbours(vae, split)
    assert neighbours > 0.965
    assert neighbours > _neighbours(pca, split)


@pytest.mark.slow
def test_one_scale_embeds_raw_mnist_better_than_a_scale_per_feature(mnist):
    X_train, X_test = mnist.train.data[:20_000] * 255, mnist.test.data * 255
    split = X_train, X_test, mnist.train.target[:20_000], mnist.test.target
    auto, per_feature = (
        VAETransformer(likelihood=likelihood, max_epochs=5, random_state=0).fit(X_train)
        for likelihood in (Gaussian(), Gaussian(scaling="feature"))
    )
    assert _neighbours(auto, split) > _neighbours(per_feature, split) + 0.02
    # pixels that hardly vary in training make single rows very unlikely under a scale of their own
    assert auto.score_samples(X_test).min() > 10 * per_feature.score_samples(X_test).min()
