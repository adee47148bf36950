"""Bounds are those of binary images; the gain is that of five times as many draws."""

import numpy as np
import pytest

from skvae import VAETransformer
from skvae.likelihoods import Bernoulli
from skvae.networks import MLP


class Fitted:
    """Replaces an estimator; keeps its seed and the number of training rows."""

    n_iter_ = 7

    def set_params(self, random_state):
        self.seed = random_state
        return self

    def fit(self, X):
        self.n_rows = len(X)
        return self


@pytest.fixture
def likelihood(script):
    return script("mnist_likelihood")


def test_the_share_of_ones_in_binary_images_is_the_grey_level(likelihood):
    grey = np.full((20_000, 3), [0, 0.25, 1], dtype=np.float32)
    binary = likelihood.binarized(grey)
    assert binary.dtype == np.float32
    assert set(np.unique(binary)) == {0, 1}
    # five standard errors of the share of ones
    np.testing.assert_allclose(binary.mean(0), [0, 0.25, 1], atol=5 * (0.25 * 0.75 / 20_000) ** 0.5)
    np.testing.assert_array_equal(binary, likelihood.binarized(grey))


def test_the_gain_is_computed_on_the_first_images(likelihood, monkeypatch):
    monkeypatch.setattr(likelihood, "MODELS", {"vae": Fitted()})
    monkeypatch.setattr(
        likelihood, "bound", lambda vae, X, n_samples: vae.seed - len(X) / 100 + n_samples
    )
    settings = type("Settings", (), {"seeds": 2, "draws": 3})
    row = likelihood.measure("vae", np.zeros((9, 1)), np.zeros((1000, 1)), settings)
    assert str(row["nats"]) == "-6.50 ± 0.50"  # the seed, 0 or 1, minus 10, plus 3
    assert str(row["gain by 15 draws"]) == "12.00 ± 0.00"
    assert row["epochs"] == 7


def test_the_bound_of_a_decoder_that_ignores_z_is_the_exact_likelihood(likelihood):
    rng = np.random.default_rng(0)
    X = rng.random((400, 3)).astype(np.float32)
    vae = VAETransformer(
        2, likelihood="bernoulli", network=MLP(hidden_layer_sizes=(4,)), max_epochs=1
    )
    module = vae.set_params(random_state=0).fit(X).module_
    for weights in module.parameters():
        weights.data.zero_()  # p(x|z) then has the initial shares of the likelihood
    found = vae.inverse_transform(np.zeros((1, 2)))[0]
    binary = (rng.random((400, 3)) < [0.1, 0.5, 0.8]).astype(np.float32)
    exact = (binary * np.log(found) + (1 - binary) * np.log1p(-found)).sum(1).mean()
    assert likelihood.bound(vae, binary, 5) == pytest.approx(exact, abs=1e-4)


def test_the_table_has_the_selected_models_and_the_published_figures(
    likelihood, monkeypatch, fetch_images, rows_of
):
    tiny = {
        "likelihood": Bernoulli(binarize="dynamic"),
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 1,
    }
    models = {name: VAETransformer(2, **tiny) for name in ("one", "other")}
    monkeypatch.setattr(likelihood, "fetch_mnist", fetch_images)
    monkeypatch.setattr(likelihood, "MODELS", models)
    row, *published = rows_of(likelihood, "--models", "other", "--draws", 2)
    assert row["model"] == "other"
    assert row["nats"][0] < 0
    assert row["epochs"] == 1
    assert float(published[0]["nats"]) == -86.76
    assert all(line["model"].startswith("published: ") and line["source"] for line in published)


def test_all_models_are_trained_on_dynamically_binarised_images(likelihood):
    for model in likelihood.MODELS.values():
        assert model.likelihood.binarize == "dynamic"
