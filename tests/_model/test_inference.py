"""Reading a trained module: in chunks, in the precision of the rows, by the formulas."""

import gc
import math
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from torch import nn

from skvae import VAEAnomalyDetector, VAETransformer, _inference
from skvae._model.module import VAEModule
from skvae._random import fixed_normal_draws
from skvae.likelihoods import Categorical
from skvae.metrics import log_likelihood
from skvae.networks import MLP


@pytest.fixture(scope="module")
def X(digits):
    return digits.data[:100]


@pytest.fixture(scope="module")
def vae(X):
    return VAETransformer(
        3, network=MLP(hidden_layer_sizes=(16,)), max_epochs=60, random_state=0
    ).fit(X)


def log_weights(vae, X, draws):
    """Log p(x, z) - log q(z|x) at the shared draws, by SciPy, (n_samples, n_draws)."""
    mean, std = vae.posterior(X)
    z = mean[:, None] + std[:, None] * draws
    log_q = norm.logpdf(z, mean[:, None], std[:, None]).sum(-1)
    log_prior = norm.logpdf(z).sum(-1)
    return log_conditional(vae, X, z) + log_prior - log_q


def log_conditional(vae, X, z):
    decoded = vae.inverse_transform(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], -1)
    likelihood = vae.module_.likelihood
    _, variance = likelihood._moments(torch.zeros(1, X.shape[1], dtype=torch.float64))
    noise = variance.detach().sqrt().numpy() * likelihood.scale.numpy()
    return norm.logpdf(X[:, None], decoded, noise).sum(-1)


@pytest.mark.parametrize(("n_samples", "n_sets"), [(1, 16), (5, 3), (16, 1), (40, 1)])
def test_log_likelihood_is_the_importance_weighted_bound(vae, X, n_samples, n_sets):
    weights = log_weights(vae, X, fixed_normal_draws(n_sets * n_samples, 3))
    sets = np.split(weights, n_sets, axis=1)
    expected = np.mean([logsumexp(part, axis=1) - math.log(n_samples) for part in sets], axis=0)
    scores = _inference.score(vae.module_, X, "log_likelihood", n_samples)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_bound_of_no_row_falls_while_its_sets_are_nested(vae, X):
    bounds = [_inference.score(vae.module_, X, "log_likelihood", n) for n in (1, 2, 4, 8, 16)]
    assert (np.diff(bounds, axis=0) >= -1e-9).all()
    assert bounds[-1].mean() > bounds[0].mean() + 0.1


def test_the_other_scores_are_the_parts_of_the_elbo(vae, X):
    draws = fixed_normal_draws(16, 3)
    mean, std = vae.posterior(X)
    kl = 0.5 * (mean**2 + std**2 - 2 * np.log(std) - 1).sum(1)
    reconstruction = log_conditional(vae, X, mean[:, None] + std[:, None] * draws).mean(1)
    expected = {"kl": -kl, "reconstruction": reconstruction, "elbo": reconstruction - kl}
    for kind, scores in expected.items():
        np.testing.assert_allclose(
            _inference.score(vae.module_, X, kind, 8), scores, rtol=1e-6, err_msg=kind
        )


def test_the_bound_of_one_sample_is_the_elbo(vae, X):
    bound = _inference.score(vae.module_, X, "log_likelihood", 1)
    elbo = _inference.score(vae.module_, X, "elbo", 1)
    assert bound.mean() == pytest.approx(elbo.mean(), abs=0.02)


@pytest.mark.parametrize("kind", _inference.SCORES)
def test_chunks_and_blocks_of_draws_change_nothing(vae, X, kind, monkeypatch):
    at_once = _inference.score(vae.module_, X, kind, 16)
    monkeypatch.setattr(_inference, "_CHUNK_VALUES", 7 * X.shape[1])
    np.testing.assert_allclose(_inference.score(vae.module_, X, kind, 16), at_once, rtol=1e-12)


def test_chunks_of_embedding_and_decoding_change_nothing(vae, X, monkeypatch):
    Z, decoded = vae.transform(X), vae.reconstruct(X)
    monkeypatch.setattr(_inference, "_CHUNK_VALUES", 7 * X.shape[1])
    np.testing.assert_allclose(vae.transform(X), Z, rtol=1e-9)
    np.testing.assert_allclose(vae.reconstruct(X), decoded, rtol=1e-9)


def widths_of_blocks(monkeypatch, read):
    """Return the number of outputs in every block that the decoder gives."""
    sizes = []
    decode = VAEModule.decode

    def spy(module, z):
        outputs = decode(module, z)
        sizes.append(outputs.numel())
        return outputs

    with monkeypatch.context() as patch:
        patch.setattr(VAEModule, "decode", spy)
        read()
    return sizes


def test_blocks_of_many_outputs_a_feature_are_small(X, monkeypatch):
    likelihood = Categorical(n_categories=500)  # 64 * 500 outputs
    vae = VAETransformer(
        3,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=likelihood,
        max_epochs=1,
        batch_size=8,
        random_state=0,
    ).fit(X[:24])
    Z, rows = vae.transform(X), X[:24]
    jobs = {
        "score": (vae.score_samples, rows),
        "many draws": (partial(log_likelihood, vae, n_samples=300, random_state=0), rows[:2]),
        "decode": (vae.inverse_transform, np.tile(Z, (3, 1))),
        "sample": (lambda n: vae.sample(n, noise=True, random_state=0), 300),
    }
    for name, (job, given) in jobs.items():
        sizes = widths_of_blocks(monkeypatch, partial(job, given))
        assert max(sizes) <= _inference._CHUNK_OUTPUTS, name
        assert max(sizes) > _inference._CHUNK_OUTPUTS / 4, name  # and no smaller than need be
    scores, decoded = vae.score_samples(rows), vae.inverse_transform(Z)
    monkeypatch.setattr(_inference, "_CHUNK_OUTPUTS", 2**60)
    assert max(widths_of_blocks(monkeypatch, lambda: vae.score_samples(rows))) > 2**23
    np.testing.assert_allclose(vae.score_samples(rows), scores, rtol=1e-12)
    np.testing.assert_allclose(vae.inverse_transform(Z), decoded, rtol=1e-9)


def test_encoding_pays_no_heed_to_outputs():
    class Wide(nn.Module):
        n_outputs = 2**30

    module = nn.Linear(3, 2)
    module.likelihood, module.with_fixed_weights = Wide(), lambda: module
    sizes = []

    def step(module, x):
        sizes.append(len(x))
        return module(x)

    _inference.map_rows(step, module, np.zeros((600, 3), dtype=np.float32), n_draws=0)
    _inference.map_rows(step, module, np.zeros((2, 3), dtype=np.float32))
    assert sizes == [512, 88, 1, 1]


@pytest.mark.parametrize("n_features", [4, 784, 3072])
def test_ordinary_outputs_decide_no_chunk(n_features):
    for per_feature in (1, 2):
        for n_draws in (1, 16, 512):
            without = _inference._chunk_size(n_draws * n_features, n_draws, 0)
            n_outputs = n_draws * per_feature * n_features
            with_outputs = _inference._chunk_size(n_draws * n_features, n_draws, n_outputs)
            assert with_outputs == without
        latent = _inference._chunk_size(16, 1, per_feature * n_features)
        assert latent == _inference._CHUNK_ROWS


def test_a_row_does_not_see_its_neighbours(vae, X):
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(vae.score_samples(X[order]), vae.score_samples(X)[order], rtol=1e-10)
    np.testing.assert_allclose(vae.score_samples(X[4:5]), vae.score_samples(X)[4:5], rtol=1e-10)


def test_precision_follows_the_rows(vae, X):
    single = X.astype(np.float32)
    for method in (vae.transform, vae.reconstruct):
        assert method(X).dtype == np.float64
        assert method(single).dtype == np.float32
        np.testing.assert_allclose(method(single), method(X), rtol=1e-3, atol=1e-3)
        assert np.abs(method(single) - method(X)).max() > 0  # float64 is not float32 in disguise
    assert vae.score_samples(single).dtype == vae.score_samples(X).dtype == np.float64
    assert next(vae.module_.parameters()).dtype == torch.float32


def test_integers_become_float32(vae, X):
    assert vae.transform(X.astype(np.uint8)).dtype == np.float32


def test_reconstruct_decodes_the_embedding(vae, X):
    np.testing.assert_array_equal(vae.reconstruct(X), vae.inverse_transform(vae.transform(X)))
    np.testing.assert_array_equal(vae.posterior(X)[0], vae.transform(X))


def test_noisy_samples_spread_by_the_noise(vae):
    clean = vae.sample(4000, random_state=0)
    noisy = vae.sample(4000, random_state=0, noise=True)
    _, variance = vae.module_.likelihood._moments(torch.zeros(1, 64))
    noise = variance[0].sqrt().item() * vae.module_.likelihood.scale[0].item()
    assert (noisy - clean).std() == pytest.approx(noise, rel=0.02)


def test_samples_have_the_moments_that_the_prior_and_decoder_give(vae):
    Z = np.random.default_rng(0).normal(size=(4000, 3))
    expected, drawn = vae.inverse_transform(Z), vae.sample(4000, random_state=0)
    np.testing.assert_allclose(drawn.mean(0), expected.mean(0), atol=0.3)
    np.testing.assert_allclose(drawn.std(0), expected.std(0), atol=0.3)


class Laplace:
    """A prior with neither a closed-form KL divergence nor parameters."""

    def build(self, n_components):
        return _Laplace(n_components)


class _Laplace(nn.Module):
    def __init__(self, n_components):
        super().__init__()
        self.n_components = n_components

    def log_prob(self, z):
        return (-z.abs() - math.log(2)).sum(-1)

    def sample(self, n_samples, generator=None):
        sign = torch.rand(n_samples, self.n_components, generator=generator) - 0.5
        return -sign.sign() * torch.log1p(-2 * sign.abs())


def test_a_prior_without_closed_form_is_averaged_over_the_draws(X):
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(16,)), prior=Laplace(), max_epochs=5, random_state=0
    ).fit(X)
    mean, std = detector.posterior(X)
    z = mean[:, None] + std[:, None] * fixed_normal_draws(16, 2)
    log_q = norm.logpdf(z, mean[:, None], std[:, None]).sum(-1)
    log_p = (-np.abs(z) - math.log(2)).sum(-1)
    kl = _inference.score(detector.module_, X, "kl", 16)
    np.testing.assert_allclose(kl, -(log_q - log_p).mean(1), rtol=1e-6)
    assert np.isfinite(detector.sample(10, random_state=0)).all()


def test_the_double_copy_is_made_once_and_anew_when_weights_change(X, monkeypatch):
    vae = VAETransformer(
        3, network=MLP(hidden_layer_sizes=(16,)), max_epochs=2, random_state=0
    ).fit(X)
    before = vae.transform(X)
    with monkeypatch.context() as patch:
        patch.setattr(_inference.copy, "deepcopy", None)  # would fail if it were called
        np.testing.assert_array_equal(vae.transform(X), before)
    with torch.no_grad():
        vae.module_.encoder[0].weight.mul_(1.5)
    assert np.abs(vae.transform(X) - before).max() > 1e-3


def test_the_double_copy_lives_no_longer_than_its_module(X):
    vae = VAETransformer(
        3, network=MLP(hidden_layer_sizes=(16,)), max_epochs=2, random_state=0
    ).fit(X)
    vae.transform(X)
    module = weakref.ref(vae.module_)
    double = weakref.ref(_inference._double_copies[vae.module_][1])
    del vae
    gc.collect()
    assert module() is None
    assert double() is None
