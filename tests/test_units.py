"""Results that change with the units of X, and results that do not."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris

from skvae import VAETransformer
from skvae.networks import MLP

FACTOR, SHIFT = 1000.0, 5.0


@pytest.fixture(scope="module", params=["table", "images"])
def pair(request, digits):
    """Rows, the estimator fitted on them, and the one fitted on the same rows in other units."""
    X = load_iris().data if request.param == "table" else digits.data
    vae = VAETransformer(3, network=MLP(hidden_layer_sizes=(32,)), max_epochs=20, random_state=0)
    vae.fit(X)
    moved = clone(vae).fit(FACTOR * X + SHIFT)
    kind = "feature" if request.param == "table" else "global"
    assert vae.module_.likelihood.scaling == moved.module_.likelihood.scaling == kind
    return X, vae, moved


def test_embedding_does_not_depend_on_the_units(pair):
    X, vae, moved = pair
    np.testing.assert_allclose(moved.transform(FACTOR * X + SHIFT), vae.transform(X), atol=1e-3)


def test_log_likelihood_carries_the_jacobian(pair):
    X, vae, moved = pair
    expected = vae.score_samples(X) - X.shape[1] * np.log(FACTOR)
    np.testing.assert_allclose(moved.score_samples(FACTOR * X + SHIFT), expected, atol=0.01)


def test_decoded_and_sampled_rows_are_in_the_new_units(pair):
    X, vae, moved = pair
    Z = vae.transform(X)
    tolerance = {"atol": 1e-3 * FACTOR * X.std()}
    np.testing.assert_allclose(
        moved.inverse_transform(Z), FACTOR * vae.inverse_transform(Z) + SHIFT, **tolerance
    )
    for mean in (False, True):
        np.testing.assert_allclose(
            moved.sample(50, random_state=1, mean=mean),
            FACTOR * vae.sample(50, random_state=1, mean=mean) + SHIFT,
            **tolerance,
        )


def test_a_column_whose_offset_dwarfs_its_spread_is_not_lost():
    seconds = 1.7e9 + np.random.default_rng(0).normal(scale=10, size=(200, 3))
    vae = VAETransformer(1, network=MLP(hidden_layer_sizes=(8,)), max_epochs=5, random_state=0).fit(
        seconds
    )
    assert vae.transform(seconds).std() > 1e-3  # float32 would see steps of 128 seconds
    assert np.abs(vae.reconstruct(seconds) - seconds).mean() < 15
    np.testing.assert_allclose(vae.sample(500, random_state=0).std(), 10, rtol=0.3)
