"""Evaluation of a trained module: formulas, chunks, and precision."""

import gc
import math
import pickle
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from torch import nn

from skvae import VAEAnomalyDetector, VAETransformer
from skvae._model import inference, module
from skvae._model.module import VAEModule
from skvae._random import fixed_normal_draws
from skvae.likelihoods import Categorical
from skvae.metrics import log_likelihood
from skvae.networks import MLP
from skvae.priors import Prior, PriorModule


@pytest.fixture(scope="module")
def X(digits):
    return digits.data[:100]


@pytest.fixture(scope="module")
def vae(X):
    return small(X, max_epochs=60)


def small(X, **changes):
    settings = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 2, "random_state": 0}
    return VAETransformer(3, **settings | changes).fit(X)


def log_weights(vae, X, draws):
    """Return log p(x, z) - log q(z|x) at the shared draws, by SciPy, (n_samples, n_draws)."""
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
    scores = inference.score(vae.module_, X, "log_likelihood", n_samples)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_the_bound_never_falls_between_nested_sets_of_draws(vae, X):
    bounds = [inference.score(vae.module_, X, "log_likelihood", n) for n in (1, 2, 4, 8, 16)]
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
            inference.score(vae.module_, X, kind, 8), scores, rtol=1e-6, err_msg=kind
        )


def test_the_bound_of_one_sample_is_the_elbo(vae, X):
    bound = inference.score(vae.module_, X, "log_likelihood", 1)
    elbo = inference.score(vae.module_, X, "elbo", 1)
    assert bound.mean() == pytest.approx(elbo.mean(), abs=0.02)


@pytest.mark.parametrize("kind", inference.SCORES)
def test_the_size_of_chunks_and_blocks_of_draws_changes_nothing(vae, X, kind, monkeypatch):
    at_once = inference.score(vae.module_, X, kind, 16)
    monkeypatch.setattr(inference, "_CHUNK_VALUES", 7 * X.shape[1])
    np.testing.assert_allclose(inference.score(vae.module_, X, kind, 16), at_once, rtol=1e-12)


def test_the_size_of_chunks_changes_no_embedding_and_no_reconstruction(vae, X, monkeypatch):
    Z, decoded = vae.transform(X), vae.reconstruct(X)
    monkeypatch.setattr(inference, "_CHUNK_VALUES", 7 * X.shape[1])
    np.testing.assert_allclose(vae.transform(X), Z, rtol=1e-9)
    np.testing.assert_allclose(vae.reconstruct(X), decoded, rtol=1e-9)


def sizes_of_blocks(monkeypatch, call):
    """Return the number of values in every block of outputs that the decoder returns."""
    sizes = []
    decode = VAEModule.decode

    def spy(module, z):
        outputs = decode(module, z)
        sizes.append(outputs.numel())
        return outputs

    with monkeypatch.context() as patch:
        patch.setattr(VAEModule, "decode", spy)
        call()
    return sizes


def test_blocks_with_many_outputs_per_feature_are_small(X, monkeypatch):
    monkeypatch.setattr(inference, "_CHUNK_OUTPUTS", 2**18)
    likelihood = Categorical(n_categories=50)  # 64 * 50 outputs
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
        "sample": (partial(vae.sample, random_state=0), 300),
    }
    for name, (method, argument) in jobs.items():
        sizes = sizes_of_blocks(monkeypatch, partial(method, argument))
        assert max(sizes) <= inference._CHUNK_OUTPUTS, name
        assert max(sizes) > inference._CHUNK_OUTPUTS / 4, name  # and not smaller than necessary
    scores, decoded = vae.score_samples(rows), vae.inverse_transform(Z)
    monkeypatch.setattr(inference, "_CHUNK_OUTPUTS", 2**60)
    assert max(sizes_of_blocks(monkeypatch, lambda: vae.score_samples(rows))) > 2**20
    np.testing.assert_allclose(vae.score_samples(rows), scores, rtol=1e-12)
    np.testing.assert_allclose(vae.inverse_transform(Z), decoded, rtol=1e-9)


def test_the_size_of_chunks_depends_on_outputs_only_if_rows_are_decoded():
    class Wide(nn.Module):
        n_outputs = 2**30

    linear = nn.Linear(3, 2)
    linear.likelihood, linear.in_precision = Wide(), lambda dtype: linear
    sizes = []

    def step(module, x):
        sizes.append(len(x))
        return module(x)

    inference.map_rows(step, linear, np.zeros((600, 3), dtype=np.float32), n_draws=0)
    inference.map_rows(step, linear, np.zeros((2, 3), dtype=np.float32))
    assert sizes == [512, 88, 1, 1]


@pytest.mark.parametrize("n_features", [4, 784, 3072])
def test_few_outputs_per_feature_do_not_change_the_size_of_chunks(n_features):
    for per_feature in (1, 2):
        for n_draws in (1, 16, 512):
            without = inference._chunk_size(n_draws * n_features, n_draws, 0)
            n_outputs = n_draws * per_feature * n_features
            with_outputs = inference._chunk_size(n_draws * n_features, n_draws, n_outputs)
            assert with_outputs == without
        latent = inference._chunk_size(16, 1, per_feature * n_features)
        assert latent == inference._CHUNK_ROWS


def test_the_score_of_a_row_does_not_depend_on_the_other_rows(vae, X):
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(vae.score_samples(X[order]), vae.score_samples(X)[order], rtol=1e-10)
    np.testing.assert_allclose(vae.score_samples(X[4:5]), vae.score_samples(X)[4:5], rtol=1e-10)


def test_precision_follows_the_rows(vae, X):
    single = X.astype(np.float32)
    for method in (vae.transform, vae.reconstruct):
        assert method(X).dtype == np.float64
        assert method(single).dtype == np.float32
        np.testing.assert_allclose(method(single), method(X), rtol=1e-3, atol=1e-3)
        assert (
            np.abs(method(single) - method(X)).max() > 0
        )  # float64 rows are not computed in float32
    assert vae.score_samples(single).dtype == vae.score_samples(X).dtype == np.float64
    assert next(vae.module_.parameters()).dtype == torch.float32


def test_integers_become_float32(vae, X):
    assert vae.transform(X.astype(np.uint8)).dtype == np.float32


def test_reconstruct_decodes_the_embedding(vae, X):
    np.testing.assert_array_equal(vae.reconstruct(X), vae.inverse_transform(vae.transform(X)))
    np.testing.assert_array_equal(vae.posterior(X)[0], vae.transform(X))


def test_samples_deviate_from_their_means_by_the_noise(vae):
    means = vae.sample(4000, random_state=0, mean=True)
    draws = vae.sample(4000, random_state=0)
    _, variance = vae.module_.likelihood._moments(torch.zeros(1, 64))
    noise = variance[0].sqrt().item() * vae.module_.likelihood.scale[0].item()
    assert (draws - means).std() == pytest.approx(noise, rel=0.02)


def test_means_of_samples_have_the_moments_of_decoded_draws_from_the_prior(vae):
    Z = np.random.default_rng(0).normal(size=(4000, 3))
    expected, drawn = vae.inverse_transform(Z), vae.sample(4000, random_state=0, mean=True)
    np.testing.assert_allclose(drawn.mean(0), expected.mean(0), atol=0.3)
    np.testing.assert_allclose(drawn.std(0), expected.std(0), atol=0.3)


class Laplace(Prior):
    """A prior with neither a closed-form KL divergence nor parameters."""

    def build(self, n_components, examples):
        return LaplaceModule(n_components)


class LaplaceModule(PriorModule):
    def log_prob(self, z):
        return (-z.abs() - math.log(2)).sum(-1)

    def sample(self, n_samples, generator=None):
        sign = torch.rand(n_samples, self.n_components, generator=generator) - 0.5
        return -sign.sign() * torch.log1p(-2 * sign.abs())


def test_a_kl_without_closed_form_is_averaged_over_the_draws(X):
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(16,)), prior=Laplace(), max_epochs=5, random_state=0
    ).fit(X)
    mean, std = detector.posterior(X)
    z = mean[:, None] + std[:, None] * fixed_normal_draws(16, 2)
    log_q = norm.logpdf(z, mean[:, None], std[:, None]).sum(-1)
    log_p = (-np.abs(z) - math.log(2)).sum(-1)
    kl = inference.score(detector.module_, X, "kl", 16)
    np.testing.assert_allclose(kl, -(log_q - log_p).mean(1), rtol=1e-6)
    assert np.isfinite(detector.sample(10, random_state=0)).all()


def test_the_copy_in_double_precision_is_made_once_until_weights_change(X, monkeypatch):
    vae = small(X)
    before = vae.transform(X)
    with monkeypatch.context() as patch:
        patch.setattr(module.copy, "deepcopy", None)  # a call would fail
        np.testing.assert_array_equal(vae.transform(X), before)
    with torch.no_grad():
        vae.module_.encoder[0].weight.mul_(1.5)
    assert np.abs(vae.transform(X) - before).max() > 1e-3


def test_the_copy_in_double_precision_dies_with_its_module(X):
    vae = small(X)
    vae.transform(X)
    original = weakref.ref(vae.module_)
    double = weakref.ref(vae.module_.in_precision(np.float64))
    assert double() is not original()
    del vae
    gc.collect()
    assert original() is None
    assert double() is None


def test_the_copy_in_double_precision_is_not_pickled(X):
    vae = small(X)
    size = len(pickle.dumps(vae.module_))
    expected = vae.transform(X)
    assert len(pickle.dumps(vae.module_)) == size
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(vae)).transform(X), expected)
