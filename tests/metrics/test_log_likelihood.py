"""The log-likelihood against probabilistic PCA, whose likelihood is known exactly."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEAnomalyDetector, VAETransformer
from skvae._model import inference
from skvae.likelihoods import Gaussian
from skvae.metrics import log_likelihood
from skvae.networks import MLP

X = load_iris().data
PRINCIPAL = PCA(2).fit(X)
EXACT = PRINCIPAL.score_samples(X)


def principal_vae(estimator_class=VAETransformer, *, exact_posterior):
    """Probabilistic PCA (Tipping & Bishop, 1999) as a VAE; q(z|x) is exact or the prior."""
    likelihood = Gaussian(noise=math.sqrt(PRINCIPAL.noise_variance_), scaling="none")
    vae = estimator_class(
        2, network=MLP(hidden_layer_sizes=()), likelihood=likelihood, max_epochs=1, random_state=0
    ).fit(X)
    (encoder,), (decoder,) = vae.module_.encoder, vae.module_.decoder
    scale = vae.module_.likelihood.scale[0].item()
    signal = (PRINCIPAL.explained_variance_ - PRINCIPAL.noise_variance_) / scale**2
    loadings = PRINCIPAL.components_.T * np.sqrt(signal)  # (n_features, n_components)
    variance = 1 + signal * scale**2 / PRINCIPAL.noise_variance_  # inverse variance of p(z|x)
    encode = np.zeros((4, 4))
    if exact_posterior:
        encode[:2] = loadings.T * scale**2 / PRINCIPAL.noise_variance_ / variance[:, None]
    log_var = -np.log(variance) if exact_posterior else np.zeros(2)
    with torch.no_grad():
        decoder.weight.copy_(torch.from_numpy(loadings))
        decoder.bias.zero_()
        encoder.weight.copy_(torch.from_numpy(encode))
        encoder.bias.copy_(torch.from_numpy(np.concatenate([np.zeros(2), log_var])))
    return vae


@pytest.fixture(scope="module")
def exact():
    return principal_vae(exact_posterior=True)


@pytest.fixture(scope="module")
def poor():
    return principal_vae(exact_posterior=False)


@pytest.fixture(scope="module")
def digits_vae(digits):
    return VAETransformer(
        6, network=MLP(hidden_layer_sizes=(64,)), max_epochs=15, random_state=0
    ).fit(digits.data)


@pytest.mark.parametrize("n_samples", [1, 3, 1000])
def test_with_the_exact_posterior_any_number_of_draws_gives_the_likelihood_of_pca(exact, n_samples):
    result = log_likelihood(exact, X, n_samples=n_samples, random_state=0)
    np.testing.assert_allclose(result.per_row, EXACT, atol=1e-4)
    assert result.mean == pytest.approx(PRINCIPAL.score(X), abs=1e-5)
    assert result.standard_error == pytest.approx(EXACT.std(ddof=1) / math.sqrt(150), rel=1e-4)


def test_with_a_poor_posterior_the_estimate_rises_to_the_likelihood(poor):
    rows = X[::2]
    gaps = [
        PRINCIPAL.score(rows) - log_likelihood(poor, rows, n_samples=n, random_state=0).mean
        for n in (1, 10, 100, 1000, 10_000)
    ]
    assert all(later < 0.7 * earlier for earlier, later in itertools.pairwise(gaps)), gaps
    assert gaps[3] > 0
    assert abs(gaps[4]) < 0.02


def test_one_draw_gives_the_elbo(poor):
    log_p = [log_likelihood(poor, X, n_samples=1, random_state=i).mean for i in range(200)]
    # z from the prior: E log N(x; W z + mean, noise) in closed form
    noise, signal = PRINCIPAL.noise_variance_, PRINCIPAL.explained_variance_
    squares = np.square(X - X.mean(0)).sum(1).mean() + (signal - noise).sum()
    elbo = -0.5 * (squares / noise + 4 * math.log(2 * math.pi * noise))
    assert np.mean(log_p) == pytest.approx(elbo, abs=4 * np.std(log_p) / math.sqrt(200))


def test_the_standard_error_includes_the_spread_of_the_draws():
    one_row = np.repeat(X[:1], 400, axis=0)  # so that only the draws differ
    vae = principal_vae(exact_posterior=False)
    results = [log_likelihood(vae, one_row, n_samples=20, random_state=i) for i in range(60)]
    spread = np.std([result.mean for result in results])
    assert np.mean([result.standard_error for result in results]) == pytest.approx(spread, rel=0.3)


def test_equal_rows_get_different_draws(poor):
    per_row = log_likelihood(poor, X[[0, 0, 0]], n_samples=5, random_state=0).per_row
    assert len(np.unique(per_row)) == 3
    assert np.ptp(poor.score_samples(X[[0, 0, 0]])) == 0


def test_the_detector_has_the_same_likelihood():
    detector = principal_vae(VAEAnomalyDetector, exact_posterior=True)
    detector.anomaly_score = "kl"  # the anomaly score does not matter
    np.testing.assert_allclose(log_likelihood(detector, X, n_samples=2).per_row, EXACT, atol=1e-4)


def test_with_many_draws_it_agrees_with_score_samples(digits, digits_vae):
    rows = digits.data[:100]
    fresh = log_likelihood(digits_vae, rows, n_samples=2000, random_state=0)
    assert digits_vae.n_importance_samples == 16
    digits_vae.n_importance_samples = 2000
    fixed = digits_vae.score_samples(rows)
    digits_vae.n_importance_samples = 16
    difference = fresh.per_row - fixed
    assert abs(difference.mean()) < 0.15 < fresh.standard_error
    assert difference.std() < 0.5
    assert fresh.mean > digits_vae.score(rows)


def test_float32_rows_agree_with_float64(digits, digits_vae):
    rows = digits.data[:300]
    double, single = (
        log_likelihood(digits_vae, rows.astype(dtype), n_samples=500, random_state=0)
        for dtype in (np.float64, np.float32)
    )
    assert single.per_row.dtype == double.per_row.dtype == np.float64
    assert single.mean == pytest.approx(double.mean, abs=0.1)  # their draws differ


def test_random_state_determines_the_draws_and_global_generators_are_unchanged(poor):
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    first, again = (log_likelihood(poor, X, n_samples=7, random_state=3) for _ in range(2))
    others = [log_likelihood(poor, X, n_samples=7, random_state=seed) for seed in (4, None, None)]
    np.testing.assert_array_equal(first.per_row, again.per_row)
    assert len({result.mean for result in (first, *others)}) == 4
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_memory_is_bounded_for_any_number_of_rows_and_draws(exact, monkeypatch):
    monkeypatch.setattr(inference, "_CHUNK_VALUES", 400)
    sizes, decode = [], type(exact.module_).decode
    monkeypatch.setattr(
        type(exact.module_), "decode", lambda self, z: sizes.append(z.shape[:2]) or decode(self, z)
    )
    result = log_likelihood(exact, X[:9], n_samples=1003)
    np.testing.assert_allclose(result.per_row, EXACT[:9], atol=1e-4)
    assert sum(rows * draws for rows, draws in sizes) == 9 * 1003
    assert {rows for rows, _ in sizes} == {1}  # the draws of one row exceed the bound
    assert max(rows * draws * X.shape[1] for rows, draws in sizes) <= 400


def test_the_standard_error_of_a_single_row_is_nan(exact):
    result = log_likelihood(exact, X[:1], n_samples=1)
    assert result.mean == pytest.approx(EXACT[0], abs=1e-4)
    assert math.isnan(result.standard_error)


def test_other_feature_names_raise():
    table = load_iris(as_frame=True).data
    vae = VAETransformer(2, network=MLP(hidden_layer_sizes=(8,)), max_epochs=1, random_state=0).fit(
        table
    )
    log_likelihood(vae, table, n_samples=2)  # warnings are errors
    with pytest.raises(ValueError, match="feature names should match"):
        log_likelihood(vae, table.iloc[:, ::-1], n_samples=2)


@pytest.mark.parametrize("n_samples", [0, -1, 2.5, True])
def test_an_invalid_number_of_samples_raises(exact, n_samples):
    with pytest.raises(ValueError, match="'n_samples' must be an integer of at least 1"):
        log_likelihood(exact, X, n_samples=n_samples)


def test_invalid_input_raises(exact):
    pipeline = make_pipeline(StandardScaler(), VAETransformer())
    with pytest.raises(ValueError, match=r"Pipeline has no .*'posterior'.*pipeline\[-1\]"):
        log_likelihood(pipeline, X)
    with pytest.raises(ValueError, match="PCA has no method 'posterior'. Pass a fitted VAETransf"):
        log_likelihood(PRINCIPAL, X)
    with pytest.raises(NotFittedError):
        log_likelihood(VAETransformer(), X)
    with pytest.raises(ValueError, match="X has 3 features, but VAETransformer is expecting 4"):
        log_likelihood(exact, X[:, :3])
    with pytest.raises(ValueError, match="Input X contains infinity"):
        log_likelihood(exact, np.full_like(X, np.inf))


def test_values_outside_the_support_raise():
    vae = VAETransformer(
        2, likelihood="bernoulli", network=MLP(hidden_layer_sizes=(8,)), max_epochs=1
    ).fit(X / 8)
    with pytest.raises(ValueError, match=r"in \[0, 1\], but column 0 .* ranges from 0.1 to 7.9"):
        log_likelihood(vae, X)
