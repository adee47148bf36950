"""Every learned prior inside an estimator: training, persistence, precision, loading."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from skorch.callbacks import Callback

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae._specs import SHORT_NAMES
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO
from skvae.priors import FlowPrior, MixturePrior, VampPrior

IRIS, _ = load_iris(return_X_y=True)
DIGITS = load_digits().data[:300].astype(np.float32)
PRIORS = [
    VampPrior(n_pseudo_inputs=5),
    MixturePrior(n_mixtures=5),
    FlowPrior(n_layers=2, hidden_units=8),
]
every_prior = pytest.mark.parametrize("prior", PRIORS, ids=repr)


def quick(prior, **changes):
    settings = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 2,
        "random_state": 0,
    }
    return VAETransformer(**{**settings, "prior": prior, **changes})


def answers(vae, X):
    return [*vae.posterior(X), vae.score_samples(X), vae.sample(4, random_state=0)]


@every_prior
@pytest.mark.parametrize("n_components", [1, 3])
def test_training_improves_the_score(prior, n_components):
    short, long = (
        quick(prior, n_components=n_components, max_epochs=epochs, learning_rate=1e-2).fit(DIGITS)
        for epochs in (1, 8)
    )
    assert long.score(DIGITS) > short.score(DIGITS) + 1


@every_prior
def test_training_changes_every_weight_of_the_prior(prior):
    started, trained = (
        quick(prior, learning_rate=rate).fit(IRIS).module_.prior.parameters()
        for rate in (1e-12, 1e-2)
    )
    for before, after in zip(started, trained, strict=True):
        assert (after - before).abs().max() > 1e-4


@every_prior
def test_results_are_a_function_of_the_seed(prior):
    one, same, other = (quick(prior, random_state=seed).fit(IRIS) for seed in (0, 0, 1))
    for first, second in zip(answers(one, IRIS), answers(same, IRIS), strict=True):
        assert_array_equal(first, second)
    assert not np.array_equal(one.score_samples(IRIS), other.score_samples(IRIS))
    assert not np.array_equal(one.sample(4, random_state=0), one.sample(4, random_state=1))


@every_prior
@pytest.mark.parametrize("X", [IRIS, DIGITS], ids=["float64", "float32"])
def test_copies_and_loaded_models_give_identical_results(prior, X, tmp_path):
    vae = quick(prior).fit(X)
    skvae.save(vae, tmp_path / "model.skvae")
    copies = [
        skvae.load(tmp_path / "model.skvae"),
        copy.deepcopy(vae),
        pickle.loads(pickle.dumps(vae)),
        clone(vae).fit(X),
    ]
    for twin in copies:
        assert repr(twin.prior) == repr(prior)
        for first, second in zip(answers(vae, X), answers(twin, X), strict=True):
            assert_array_equal(first, second)


@every_prior
def test_float64_rows_are_scored_in_double_precision(prior):
    vae = quick(prior).fit(DIGITS)
    X = DIGITS[:20].astype(np.float64)
    double, single = vae.score_samples(X), vae.score_samples(DIGITS[:20])
    assert_array_equal(double[:1], vae.score_samples(X[:1]))
    np.testing.assert_allclose(single, double, rtol=1e-4)
    # a millionth of a nat, which single precision cannot tell at this size, is told apart
    assert np.any(double.astype(np.float32) != double)
    module = copy.deepcopy(vae.module_).double()
    z = torch.randn(10, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert module.log_prior(z).dtype == torch.float64
    assert vae.module_.log_prior(z.float()).dtype == torch.float32


@every_prior
def test_bfloat16_training_keeps_the_prior_in_single_precision(prior):
    vae = quick(prior, precision="bfloat16", max_epochs=5).fit(DIGITS)
    full = quick(prior, precision="float32", max_epochs=5).fit(DIGITS)
    assert all(weights.dtype == torch.float32 for weights in vae.module_.prior.parameters())
    assert vae.score(DIGITS) == pytest.approx(full.score(DIGITS), rel=0.02)


@every_prior
def test_autocast_does_not_change_the_density(prior):
    module = quick(prior).fit(IRIS).module_
    z = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        inside = module.log_prior(z)
    assert torch.equal(inside, module.log_prior(z))


@every_prior
def test_draws_are_a_function_of_the_generator(prior):
    module = quick(prior).fit(IRIS).module_
    first, second, other = (
        module.sample_prior(4, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    before = torch.get_rng_state()
    module.sample_prior(4, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


class KeptOptimizer(Callback):
    def on_train_end(self, net, **kwargs):
        self.optimizer = net.optimizer_


@every_prior
def test_the_weights_of_a_prior_do_not_decay(prior):
    kept = KeptOptimizer()
    vae = quick(prior, max_epochs=1, weight_decay=0.9, callbacks=[kept]).fit(IRIS)
    decaying, free = kept.optimizer.param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.9, 0)
    own = {id(weights) for weights in vae.module_.prior.parameters()}
    assert own <= {id(weights) for weights in free["params"]}
    assert not own & {id(weights) for weights in decaying["params"]}


@every_prior
def test_warm_start_and_partial_fit_continue_training(prior):
    vae = quick(prior, max_epochs=1).fit(DIGITS)
    before = vae.score(DIGITS)
    vae.set_params(warm_start=True, max_epochs=6).fit(DIGITS)
    assert vae.score(DIGITS) > before
    vae.partial_fit(DIGITS)
    assert np.isfinite(vae.score(DIGITS))


@every_prior
@pytest.mark.parametrize("score", ["log_likelihood", "elbo", "reconstruction", "kl"])
def test_every_anomaly_score_works(prior, score):
    detector = VAEAnomalyDetector(
        2,
        network=MLP(hidden_layer_sizes=(16,)),
        prior=prior,
        anomaly_score=score,
        max_epochs=2,
        random_state=0,
    ).fit(IRIS)
    assert np.isfinite(detector.score_samples(IRIS)).all()
    assert set(detector.predict(IRIS)) == {-1, 1}


@every_prior
def test_free_bits_and_warmup_work_without_a_closed_form(prior):
    vae = quick(prior, objective=ELBO(beta=0.5, free_bits=0.2, warmup=1)).fit(IRIS)
    assert np.isfinite(vae.score(IRIS))


@pytest.mark.parametrize("name", ["vamp", "mixture", "flow"])
def test_short_names_are_the_defaults(name):
    vae = quick(name).fit(IRIS)
    assert repr(vae.module_.parts.prior) == repr(SHORT_NAMES["prior"][name]())


@every_prior
def test_parameters_of_the_prior_are_set_through_the_estimator(prior):
    (name, *_) = prior.get_params()
    vae = quick(clone(prior)).set_params(**{f"prior__{name}": 3}).fit(IRIS)
    assert vae.module_.parts.prior.get_params()[name] == 3


def score_of_two_clusters(prior):
    """Score of a linear model, whose decoder cannot bend a normal distribution into clusters."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-2, 1, (60, 4)), rng.normal(2, 1, (60, 4))])
    settings = {
        "network": MLP(hidden_layer_sizes=()),
        "likelihood": Gaussian(noise=0.8, scaling="none"),
        "learning_rate": 2e-2,
        "max_epochs": 100,
    }
    return quick(prior, **settings).fit(X).score(X)


@pytest.fixture(scope="module")
def score_under_a_normal_prior():
    return score_of_two_clusters("normal")


@every_prior
def test_clusters_are_fitted_better_than_by_a_normal_distribution(
    prior, score_under_a_normal_prior
):
    assert score_of_two_clusters(prior) > score_under_a_normal_prior + 0.5


@pytest.mark.slow
def test_building_on_meta_takes_no_memory_and_does_not_load_the_compiler():
    code = f"""
import sys
import torch
from skvae.priors import ExPostMixture, FlowPrior, MixturePrior, VampPrior
before = set(sys.modules)
for prior in [*{PRIORS!r}, ExPostMixture()]:
    with torch.device("meta"):
        built = prior.build(2, lambda n_rows: torch.zeros(n_rows, 4))
    assert all(tensor.is_meta for tensor in built.state_dict().values())
assert len(set(sys.modules) - before) < 50
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@every_prior
def test_an_exported_score_agrees(prior, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="the graphs are run by onnxruntime")
    vae = quick(prior).fit(DIGITS)
    skvae.export_onnx(vae, tmp_path / "score.onnx", part="score")
    session = runtime.InferenceSession(tmp_path / "score.onnx")
    (scores,) = session.run(None, {"X": DIGITS})
    np.testing.assert_allclose(scores, vae.score_samples(DIGITS), rtol=1e-4)
