"""Fréchet distances of samples are taken between hidden units, for decoded means."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.neural_network import MLPClassifier

from skvae import VAETransformer
from skvae.networks import MLP
from skvae.priors import ExPostMixture

TINY = {
    "n_components": 2,
    "likelihood": "bernoulli",
    "network": MLP(hidden_layer_sizes=(8,)),
    "max_epochs": 1,
}


@pytest.fixture
def samples(script):
    return script("samples")


def frechet(X, Y):
    """Return the distance by the matrix root of the formula."""
    shift = X.mean(0) - Y.mean(0)
    S_X, S_Y = np.cov(X.T), np.cov(Y.T)
    return shift @ shift + np.trace(S_X + S_Y - 2 * sqrtm(S_X @ S_Y).real)


def test_the_distance_is_between_features(samples):
    rng = np.random.default_rng(0)
    X_test, X = rng.normal(size=(200, 4)), 2 * rng.normal(size=(200, 4)) + 1
    distance = samples.distance_to(X_test, lambda X: X[:, :3] ** 3)
    assert distance(X) == pytest.approx(frechet(X_test[:, :3] ** 3, X[:, :3] ** 3), rel=1e-6)
    assert distance(X_test) == pytest.approx(0, abs=1e-9)


def test_the_features_are_the_hidden_units_behind_the_class_probabilities(
    samples, images, monkeypatch
):
    readers = []

    def reader(*args, **kwargs):
        readers.append(MLPClassifier(*args, **kwargs))
        return readers[-1]

    monkeypatch.setattr(samples, "MLPClassifier", reader)
    train = images["train"]
    hidden = samples.hidden_layer(train.data, train.target)(images["test"].data)
    assert hidden.shape == (100, 128)
    assert hidden.min() == 0
    logits = hidden @ readers[0].coefs_[1] + readers[0].intercepts_[1]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, readers[0].predict_proba(images["test"].data), rtol=1e-4)


def test_reductions_are_relative_to_the_distance_of_the_normal_prior(samples):
    figures = {samples.NORMAL: [4.0, 6.0], "half": [2.0, 3.0], "worse": [6.0]}
    rows = [
        {"samples": name, "distance": samples.Figure.of(values)} for name, values in figures.items()
    ]
    assert [row["lower by"] for row in samples.compared(rows)] == ["0%", "50%", "-20%"]
    assert samples.compared(rows[1:]) == rows[1:]


def test_the_first_two_models_have_equal_weights(samples, images):
    X = images["train"].data
    plain, dense = (
        samples.MODELS[name].set_params(
            random_state=0, max_epochs=1, network=MLP(hidden_layer_sizes=(8,))
        )
        for name in list(samples.MODELS)[:2]
    )
    dense.set_params(prior=ExPostMixture(n_mixtures=2))
    np.testing.assert_array_equal(plain.fit(X).transform(X), dense.fit(X).transform(X))
    draws = [model.sample(5, random_state=0, mean=True) for model in (plain, dense)]
    assert (draws[0] != draws[1]).any()


def test_the_distance_is_that_of_decoded_means(samples, monkeypatch, images):
    X, X_test = images["train"].data, images["test"].data
    monkeypatch.setattr(samples, "MODELS", {"tiny": VAETransformer(**TINY)})
    seen = []
    samples.measure("tiny", [0], X, X_test, lambda X: seen.append(X) or 1.0)
    drawn, _ = seen
    assert drawn.shape == X_test.shape
    assert ((drawn > 0) & (drawn < 1)).all()  # draws from p(x|z) would be zeros and ones


def test_the_table_begins_with_the_training_images(samples, monkeypatch, fetch_images, rows_of):
    monkeypatch.setattr(samples, "fetch_mnist", fetch_images)
    monkeypatch.setattr(samples, "hidden_layer", lambda X, y: lambda X: X[:, 300:310])
    models = {samples.NORMAL: VAETransformer(**TINY), "flow": VAETransformer(**TINY, prior="flow")}
    monkeypatch.setattr(samples, "MODELS", models)
    floor, normal, flow = rows_of(samples)
    assert floor["samples"] == "training images"
    assert 0 < floor["distance"] < normal["distance"][0]
    assert normal["lower by"] == "0%"
    share = 1 - flow["distance"][0] / normal["distance"][0]
    assert flow["lower by"] == f"{share:.0%}"
