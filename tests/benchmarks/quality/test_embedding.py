"""Accuracies are those of classifiers on the embedding of held-out rows."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import Bunch

from skvae import VAETransformer
from skvae.networks import MLP


class AsIs(BaseEstimator):
    """An embedding that leaves rows as they are."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X):
        return self

    def transform(self, X):
        return X


@pytest.fixture
def embedding(script):
    return script("embedding")


def nearest_share(X, y, X_test, y_test):
    """Return the accuracy of the nearest neighbour from the matrix of all distances."""
    distances = np.linalg.norm(X_test[:, None] - X[None], axis=2)
    return accuracy_score(y_test, y[distances.argmin(axis=1)])


def test_the_1_nn_accuracy_is_that_of_the_smallest_distance(embedding):
    rng = np.random.default_rng(0)
    X, X_test = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    y, y_test = (rows[:, 0] > 0 for rows in (X, X_test))
    found = embedding.evaluate(AsIs(), X, y, X_test, y_test)
    assert found["1-NN"] == nearest_share(X, y, X_test, y_test)
    assert found["logistic"] > 0.9  # a plane divides the classes


def test_the_5_nn_accuracy_is_that_of_the_embedding(embedding, images):
    train, held_out = images["train"], images["test"]
    found = embedding.evaluate(PCA(2, random_state=0), *train.values(), *held_out.values())
    pca = PCA(2, random_state=0).fit(train.data)
    neighbours = KNeighborsClassifier(5).fit(pca.transform(train.data), train.target)
    assert found["5-NN"] == neighbours.score(pca.transform(held_out.data), held_out.target)


def test_the_columns_are_means_over_seeds(embedding, monkeypatch):
    accuracies = {0: 0.5, 1: 0.7, 2: 0.9}
    monkeypatch.setattr(embedding, "MODELS", {"as is": AsIs()})
    monkeypatch.setattr(
        embedding,
        "evaluate",
        lambda model: {
            "1-NN": accuracies[model.random_state],
            "5-NN": 0.6,
            "logistic": 0.8,
            "seconds": 3.0,
        },
    )
    row = embedding.evaluate_seeds("as is", range(3))
    assert list(row) == ["model", "1-NN", "5-NN", "logistic", "seconds"]
    assert str(row["1-NN"]) == "0.7000 ± 0.1155"  # 0.2 / sqrt(3)
    assert str(row["5-NN"]) == "0.6000 ± 0.0000"


def test_development_rows_are_disjoint_training_images(embedding, monkeypatch):
    numbers = np.arange(60_000)
    monkeypatch.setattr("_rows.fetch_mnist", lambda return_X_y: (numbers[:, None], numbers))
    X, y, X_test, y_test = embedding.ROWS["development"]()
    assert (len(X), len(X_test)) == (50_000, 10_000)
    assert not set(y) & set(y_test)
    np.testing.assert_array_equal(X[:, 0], y)
    np.testing.assert_array_equal(X_test[:, 0], y_test)


def test_test_and_fewer_rows_are_training_images_and_the_test_images(embedding, monkeypatch):
    train, held_out = np.arange(60_000), np.arange(60_000, 70_000)
    parts = {
        "train": Bunch(data=train, target=-train),
        "test": Bunch(data=held_out, target=-held_out),
    }
    monkeypatch.setattr("_rows.fetch_mnist", lambda subset="train": parts[subset])
    for name, n_rows in {"test": 60_000, "fewer": 50_000}.items():
        X, y, X_test, y_test = embedding.ROWS[name]()
        np.testing.assert_array_equal(X, train[:n_rows])
        np.testing.assert_array_equal(X_test, held_out)
        np.testing.assert_array_equal([*y, *y_test], [*-X, *-X_test])


def test_the_table_has_all_models_and_the_published_figures(
    embedding, monkeypatch, fetch_images, rows_of
):
    tiny = VAETransformer(
        2, likelihood="bernoulli", network=MLP(hidden_layer_sizes=(8,)), max_epochs=1
    )
    monkeypatch.setattr("_rows.fetch_mnist", fetch_images)
    monkeypatch.setattr(embedding, "MODELS", {"tiny": tiny, "PCA": PCA(2)})
    vae, pca, *published = rows_of(embedding)
    assert [row["model"] for row in (vae, pca)] == ["tiny", "PCA"]
    assert 0 < vae["1-NN"][0] < 1
    assert {row["model"]: (row["1-NN"], row["5-NN"]) for row in published} == {
        "published: VAE, 64": ("0.9785", "0.9791"),
        "published: PCA, 64": ("0.9707", "0.9727"),
        "published: VAE, 2": ("0.724", "0.765"),
    }
    assert all(row["source"] for row in published)


def test_names_of_models_state_their_number_of_components(embedding):
    for name, model in embedding.MODELS.items():
        assert model.n_components == int(name.split(", ")[1])
        assert isinstance(model, VAETransformer | PCA)
