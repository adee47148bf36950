"""Tests of all likelihoods: shapes, dtypes, finite values, persistence and reproducibility."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_wine

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae._model.module import build_module, restore_module
from skvae.likelihoods import (
    Categorical,
    DiscretizedLogistic,
    Histogram,
    Mixed,
    NegativeBinomial,
    Poisson,
    StudentT,
    mixed_likelihood,
)
from skvae.networks import MLP
from skvae.priors import StandardNormal
from tests.helpers import FEW_TREES, global_states

RNG = np.random.default_rng(0)
LEVELS = RNG.integers(0, 5, size=(40, 3)).astype(np.float64)
COUNTS = RNG.negative_binomial(2, 0.05, size=(40, 3)).astype(np.float64)
TABLE = np.column_stack([RNG.normal(5, 2, 40), LEVELS[:, 0], COUNTS[:, 0]])
NAMES = Categorical(n_categories="auto", ordered=False)
MIXED = Mixed(
    columns=[("student_t", [0]), ("negative_binomial", [2]), (Categorical(n_categories=5), [1])]
)
CASES = [
    (Categorical(n_categories=5), LEVELS),
    (Categorical(n_categories="auto"), LEVELS),
    (NAMES, LEVELS),
    (DiscretizedLogistic(n_levels=5), LEVELS),
    (DiscretizedLogistic(n_levels=5, n_mixtures=3), LEVELS),
    (DiscretizedLogistic(n_levels=5, n_mixtures=2, noise="per_feature"), LEVELS),
    (DiscretizedLogistic(n_levels=5, noise="shared"), LEVELS),
    (Histogram(), TABLE),
    (Histogram(n_bins=4), COUNTS),
    (Poisson(), COUNTS),
    (NegativeBinomial(), COUNTS),
    (StudentT(), TABLE),
    (StudentT(df=2.5, scaling="global"), TABLE),
    (MIXED, TABLE),
    (Mixed(), TABLE),
    (Mixed(columns=[("histogram", [0, 2]), (NAMES, [1])]), TABLE),
]
every_likelihood = pytest.mark.parametrize(
    ("likelihood", "X"), CASES, ids=[repr(likelihood)[:60] for likelihood, _ in CASES]
)


def draw_outputs(density, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, density.n_outputs, dtype=torch.float64, generator=generator)


@every_likelihood
def test_outputs_of_several_draws_broadcast_against_the_rows(likelihood, X):
    density, x = likelihood.build(X).double(), torch.from_numpy(X)
    outputs = draw_outputs(density, 40, 7)
    together = density.log_prob(outputs, x[:, None])
    assert together.shape == (40, 7, 3)
    for draw in range(7):
        torch.testing.assert_close(together[:, draw], density.log_prob(outputs[:, draw], x))
    one_for_all = density.log_prob(outputs[:1, 0], x)
    torch.testing.assert_close(one_for_all, density.log_prob(outputs[:1, 0].expand(40, -1), x))
    assert density.mean(outputs).shape == density.sample(outputs).shape == (40, 7, 3)


@every_likelihood
def test_gradient_agrees_with_finite_differences(likelihood, X):
    density, x = likelihood.build(X[:4]).double(), torch.from_numpy(X[:4])
    inputs = (draw_outputs(density, 4).requires_grad_(), *density.parameters())
    assert torch.autograd.gradcheck(lambda outputs, *_: density.log_prob(outputs, x), inputs)


@every_likelihood
def test_single_precision_agrees_with_double(likelihood, X):
    density = likelihood.build(X)
    outputs = draw_outputs(density, 40)
    single = density.log_prob(outputs.float(), torch.from_numpy(X).float())
    assert single.dtype == torch.float32
    assert density.standardize(torch.from_numpy(X).float()).dtype == torch.float32
    double = density.double().log_prob(outputs, torch.from_numpy(X))
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@every_likelihood
@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_outputs_and_weights_stay_finite(likelihood, X, size, dtype):
    constant = np.repeat(X[:1], 10, axis=0)
    for rows in (X, constant):
        for weights in (0.0, size):
            density = likelihood.build(rows).to(dtype)
            with torch.no_grad():
                for parameter in density.parameters():
                    parameter.fill_(weights)
            outputs = torch.full((1, density.n_outputs), size, dtype=dtype, requires_grad=True)
            log_prob = density.log_prob(outputs, torch.from_numpy(rows).to(dtype))
            log_prob.sum().backward()
            assert log_prob.isfinite().all()
            assert outputs.grad.isfinite().all()
            assert all(p.grad.isfinite().all() for p in density.parameters())
            assert density.mean(outputs).isfinite().all()
            generator = torch.Generator().manual_seed(0)
            assert density.sample(outputs.detach(), generator).isfinite().all()


@every_likelihood
@pytest.mark.parametrize("value", [-1e30, 0.0, 0.5, 1e30])
def test_inputs_of_the_encoder_are_finite(likelihood, X, value):
    x = torch.full((1, 3), value)
    assert likelihood.build(X).standardize(x).isfinite().all()
    assert likelihood.build(np.zeros_like(X)).standardize(x).isfinite().all()


@every_likelihood
def test_draws_use_the_generator_given_and_no_global_one(likelihood, X):
    density = likelihood.build(X)
    outputs = draw_outputs(density, 40).float()
    before = global_states()
    draws = [density.sample(outputs, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert global_states() == before
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@every_likelihood
def test_the_module_is_restored_from_its_spec_and_weights(likelihood, X):
    module = build_module(MLP(hidden_layer_sizes=(4,)), likelihood, StandardNormal(), X, 2)
    restored = restore_module(module.parts, module.state_dict()).likelihood
    density = module.likelihood
    described = {
        one: [(name, w.shape, w.dtype) for name, w in one.state_dict().items()]
        for one in (density, restored)
    }
    assert described[density] == described[restored]
    assert restored.n_outputs == density.n_outputs
    outputs, x = draw_outputs(density, 40), torch.from_numpy(X)
    assert torch.equal(restored.log_prob(outputs, x), density.log_prob(outputs, x))


QUICK = {
    "n_components": 2,
    "network": MLP(hidden_layer_sizes=(16,)),
    "max_epochs": 2,
    "random_state": 0,
}


@every_likelihood
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fit_is_finite_and_repeats_bit_for_bit(likelihood, X, dtype):
    X = X.astype(dtype)
    vae, again = (VAETransformer(**QUICK, likelihood=likelihood).fit(X) for _ in range(2))
    scores = vae.score_samples(X)
    assert np.isfinite(scores).all()
    assert np.isfinite(vae.history_["train_loss"]).all()
    np.testing.assert_array_equal(scores, again.score_samples(X))
    for mean in (False, True):
        drawn = vae.sample(5, random_state=0, mean=mean)
        assert np.isfinite(drawn).all()
        np.testing.assert_array_equal(drawn, again.sample(5, random_state=0, mean=mean))


@every_likelihood
def test_copies_and_loaded_models_score_identically(likelihood, X, tmp_path):
    vae = VAEAnomalyDetector(**QUICK, likelihood=likelihood, anomaly_score=FEW_TREES).fit(X)
    skvae.save(vae, tmp_path / "model.skvae")
    copies = [
        skvae.load(tmp_path / "model.skvae"),
        copy.deepcopy(vae),
        pickle.loads(pickle.dumps(vae)),
    ]
    for copied in copies:
        for rows in (X, X.astype(np.float32)):
            np.testing.assert_array_equal(copied.score_samples(rows), vae.score_samples(rows))
            np.testing.assert_array_equal(copied.reconstruct(rows), vae.reconstruct(rows))
        drawn = copied.sample(5, random_state=0)
        np.testing.assert_array_equal(drawn, vae.sample(5, random_state=0))
        assert repr(clone(copied)) == repr(clone(vae)) == repr(vae)
        assert repr(copied.module_.parts.likelihood) == repr(vae.module_.parts.likelihood)


@every_likelihood
def test_partial_fit_continues_and_lowers_the_loss(likelihood, X):
    vae = VAETransformer(**QUICK, likelihood=likelihood, learning_rate=1e-2)
    for _ in range(10):
        vae.partial_fit(X)
    loss = vae.history_["train_loss"]
    assert loss[-3:].mean() < loss[:3].mean()
    assert vae.n_iter_ == 10


@every_likelihood
def test_bfloat16_scores_within_5_percent_of_float32(likelihood, X):
    scores = [
        VAETransformer(**QUICK, likelihood=likelihood, precision=precision).fit(X).score(X)
        for precision in ("float32", "bfloat16")
    ]
    assert scores[1] == pytest.approx(scores[0], rel=0.05)


# Real data.


@pytest.fixture(scope="module")
def pixels(digits):
    order = np.random.default_rng(0).permutation(len(digits.data))
    X = digits.data[order].astype(np.float32)
    return X[:1400], X[1400:]


def bits_of_independent_pixels(train, test):
    """Mean bits per held-out value, coded by the frequencies of its column in training."""
    columns = range(train.shape[1])
    counts = np.stack([np.bincount(train[:, j].astype(int), minlength=17) for j in columns])
    share = (counts + 1 / 17) / (len(train) + 1)
    return -np.log2(share[np.arange(train.shape[1]), test.astype(int)]).mean()


@pytest.mark.parametrize(
    "likelihood",
    [
        Categorical(n_categories=17),
        pytest.param(DiscretizedLogistic(n_levels=17), marks=pytest.mark.slow),
        DiscretizedLogistic(n_levels=17, n_mixtures=3),
    ],
    ids=repr,
)
def test_digits_take_fewer_bits_than_independent_pixels(pixels, likelihood):
    train, test = pixels
    vae = VAETransformer(
        8, network=MLP(hidden_layer_sizes=(64,)), likelihood=likelihood, max_epochs=12
    )
    vae.set_params(random_state=0, learning_rate=5e-3).fit(train)
    bits = skvae.metrics.bits_per_dim(vae.score_samples(test), 64)
    assert bits.mean() < bits_of_independent_pixels(train, test) - 0.2
    assert np.unique(vae.sample(50, random_state=0)).tolist() == list(range(17))


def test_negative_binomial_scores_overdispersed_counts_above_poisson(pixels):
    """The counts are sums over blocks of pixels, whose total differs between rows."""
    train, test = (
        rows.reshape(-1, 4, 2, 4, 2).sum((2, 4)).reshape(-1, 16).round() for rows in pixels
    )
    scores = {}
    for likelihood in ("poisson", "negative_binomial", "gaussian"):
        vae = VAETransformer(
            2, network=MLP(hidden_layer_sizes=(32,)), likelihood=likelihood, max_epochs=8
        )
        scores[likelihood] = vae.set_params(random_state=0).fit(train).score(test)
    assert scores["negative_binomial"] > scores["poisson"] + 10


def test_a_proposed_likelihood_learns_all_columns_of_a_real_table():
    wine = load_wine()
    X = np.column_stack([wine.data, wine.target])  # fractions, counts and a code from 0 to 2
    vae = VAETransformer(
        2, likelihood=mixed_likelihood(X), network=MLP(hidden_layer_sizes=(32,)), random_state=0
    )
    vae.set_params(max_epochs=80, learning_rate=5e-3).fit(X[::2])
    reconstructed = vae.reconstruct(X[1::2])
    right = np.mean(reconstructed[:, -1].round() == X[1::2, -1])
    assert right > np.bincount(wine.target).max() / len(X) + 0.4
    errors = np.square(reconstructed - X[1::2]).mean(0) / X.var(0)
    assert errors.mean() < 0.6
    assert np.isfinite(vae.score_samples(X[1::2])).all()
