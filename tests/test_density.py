"""A density over the embedding: it decides what `sample` draws, and is saved where it can be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from skvae._density import draw

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

DENSITIES = [
    *(GaussianMixture(3, covariance_type=kind) for kind in ("full", "tied", "diag", "spherical")),
    BayesianGaussianMixture(n_components=3, max_iter=500),
    KernelDensity(bandwidth=0.2),
]


@pytest.fixture(scope="module")
def X(digits):
    return digits.data[:300]


def model(density, estimator_class=VAETransformer, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 5,
        "random_state": 0,
        "fit_density": density,
    }
    return estimator_class(2, **settings | changes)


@pytest.mark.parametrize("density", DENSITIES, ids=repr)
def test_rows_are_decoded_from_draws_of_the_density(X, density):
    vae = model(density).fit(X)
    rows = vae.sample(4000, random_state=1)
    Z = np.asarray(vae.density_.sample(4000)[0]) if "Mixture" in repr(density) else None
    expected = vae.inverse_transform(vae.density_.sample(4000, random_state=2) if Z is None else Z)
    found, of_prior = rows @ np.arange(64), model(None).fit(X).sample(4000) @ np.arange(64)
    assert stats.ks_2samp(found, expected @ np.arange(64)).pvalue > 1e-3
    assert stats.ks_2samp(found, of_prior).pvalue < 1e-6  # which the test can tell apart
    assert_array_equal(rows, vae.sample(4000, random_state=1))
    assert not np.array_equal(rows, vae.sample(4000, random_state=2))


def test_it_is_fitted_to_the_embedding_and_the_one_given_is_left_alone(X):
    given = GaussianMixture(2)
    vae = model(given).fit(X)
    assert not hasattr(given, "weights_")
    expected = GaussianMixture(2, random_state=vae.density_.random_state).fit(vae.transform(X))
    assert_allclose(vae.density_.means_, expected.means_)
    assert (
        model(GaussianMixture(2, random_state=0), random_state=5).fit(X).density_.random_state == 0
    )
    assert model(None).fit(X).density_ is None


def test_draws_come_in_no_order_of_the_components(X):
    vae = model(GaussianMixture(3)).fit(X)
    component = vae.density_.predict(draw(vae.density_, 600, seed=0))
    changes = np.count_nonzero(np.diff(component))
    assert changes > 100  # in blocks there would be few


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("density", DENSITIES[:4], ids=repr)
def test_a_mixture_comes_back_from_its_file(X, density, dtype, estimator_class, tmp_path):
    X = X.astype(dtype)
    vae = model(density, estimator_class).fit(X)
    vae.save(tmp_path / "model.skvae")
    again = skvae.load(tmp_path / "model.skvae")
    assert repr(again.fit_density) == repr(density)
    assert_array_equal(again.sample(50, random_state=3), vae.sample(50, random_state=3))
    Z = vae.posterior(X)[0]
    assert_array_equal(again.density_.score_samples(Z), vae.density_.score_samples(Z))


@pytest.mark.parametrize("density", DENSITIES[4:], ids=repr)
def test_what_would_need_pickle_is_refused_by_name(X, density, tmp_path):
    vae = model(density).fit(X)
    with pytest.raises(ValueError, match=r"fit_density=.*cannot be saved without pickle"):
        vae.save(tmp_path / "model.skvae")
    assert not list(tmp_path.iterdir())


def test_a_density_that_fails_leaves_the_estimator_as_it_was(X):
    vae = model(GaussianMixture(400))
    with pytest.raises(ValueError, match="n_samples"):
        vae.fit(X)
    assert not hasattr(vae, "net_")


def test_partial_fit_fits_it_to_the_last_chunk(X):
    vae = model(GaussianMixture(2)).partial_fit(X[:150]).partial_fit(X[150:])
    Z = vae.transform(X[150:])
    expected = GaussianMixture(2, random_state=vae.density_.random_state).fit(Z)
    assert_allclose(vae.density_.means_, expected.means_)
