"""Fits on a CUDA GPU: every part trains there, and its results are those of the CPU."""

import copy
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris

import skvae
from skvae import Autosave, VAEAnomalyDetector, VAEClassifier, VAEImputer, VAETransformer
from skvae._specs import SHORT_NAMES
from skvae.compression import compress, decompress
from skvae.datasets import make_customers
from skvae.likelihoods import Bernoulli
from skvae.networks import MLP, Conv, ResNet
from skvae.objectives import ELBO
from skvae.priors import ClassConditional
from tests.helpers import FEW_TREES, Interruption, global_states, quick_parameters

DEVICE = "cuda"

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch finds no CUDA GPU on this machine"
)

IRIS = load_iris()
DIGITS = load_digits()
SMALL = MLP(hidden_layer_sizes=(32,))


def quick(estimator_class=VAETransformer, **params):
    defaults = {
        "network": SMALL,
        "max_epochs": 3,
        "batch_size": 32,
        "precision": "float32",
        "device": DEVICE,
        "random_state": 0,
    }
    return estimator_class(2, **(defaults | quick_parameters(estimator_class) | params))


def on_cpu(estimator, tmp_path):
    """Return the same fitted model on the CPU, by way of a file."""
    skvae.save(estimator, tmp_path / "model.skvae")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skvae._base.resolve_device", lambda device: "cpu")
        loaded = skvae.load(tmp_path / "model.skvae")
    assert loaded.device_ == "cpu"
    return loaded


def counts(X):
    return np.rint(X - X.min())


ROWS = {
    "bernoulli": lambda X: (X - X.min()) / np.ptp(X),
    "continuous_bernoulli": lambda X: (X - X.min()) / np.ptp(X),
    "categorical": lambda X: counts(X) % 3,
    "poisson": counts,
    "negative_binomial": counts,
    "discretized_logistic": lambda X: counts(10 * (X - X.min())),
}


@pytest.mark.parametrize("likelihood", SHORT_NAMES["likelihood"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_likelihood_agrees_with_the_cpu(likelihood, dtype, tmp_path):
    X = ROWS.get(likelihood, lambda X: X)(IRIS.data).astype(dtype)
    vae = quick(likelihood=likelihood).fit(X)
    assert vae.device_.partition(":")[0] == DEVICE
    cpu = on_cpu(vae, tmp_path)
    rtol = 2e-3 if dtype == np.float32 else 1e-6  # TF32 is off; sums differ in their order
    assert_allclose(vae.transform(X), cpu.transform(X), rtol=rtol, atol=rtol)
    assert_allclose(vae.score_samples(X), cpu.score_samples(X), rtol=rtol, atol=10 * rtol)
    assert_allclose(vae.reconstruct(X), cpu.reconstruct(X), rtol=rtol, atol=10 * rtol)
    assert vae.sample(7, random_state=0).shape == (7, X.shape[1])
    assert np.isfinite(vae.sample(7, random_state=0, mean=True)).all()


@pytest.mark.parametrize("prior", SHORT_NAMES["prior"])
def test_every_prior_agrees_with_the_cpu(prior, tmp_path):
    vae = quick(prior=prior).fit(IRIS.data)
    cpu = on_cpu(vae, tmp_path)
    assert_allclose(vae.score_samples(IRIS.data), cpu.score_samples(IRIS.data), rtol=1e-6)
    assert np.isfinite(vae.sample(7, random_state=0)).all()


@pytest.mark.parametrize("objective", SHORT_NAMES["objective"])
def test_every_objective_trains(objective):
    vae = quick(objective=objective, max_epochs=10).fit(IRIS.data)
    losses = vae.history_["train_loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("score", SHORT_NAMES["anomaly_score"])
def test_every_score_agrees_with_the_cpu(score, tmp_path):
    detector = quick(VAEAnomalyDetector, anomaly_score=score, calibration_fraction=0.2)
    cpu = on_cpu(detector.fit(IRIS.data), tmp_path)
    scores = detector.score_samples(IRIS.data)
    assert_allclose(scores, cpu.score_samples(IRIS.data), rtol=1e-5, atol=1e-5)
    assert (detector.predict(IRIS.data) == cpu.predict(IRIS.data)).mean() > 0.98
    assert np.isfinite(detector.p_values(IRIS.data)).all()
    assert detector.explain(IRIS.data[:3]).shape == (3, 4)


@pytest.mark.parametrize(
    "network", [SMALL, MLP(residual=True), Conv(channels=(4, 8)), ResNet(channels=(4, 8))], ids=str
)
def test_every_network_gives_the_same_bits_twice(network, tmp_path):
    X = DIGITS.data.astype(np.float32)
    first, second = (quick(network=network).fit(X) for _ in range(2))
    assert_array_equal(first.transform(X), second.transform(X))
    assert_array_equal(first.score_samples(X[:50]), second.score_samples(X[:50]))
    assert_allclose(first.transform(X), on_cpu(first, tmp_path).transform(X), rtol=0.01, atol=0.01)


def test_the_fit_is_as_good_as_on_the_cpu():
    X = DIGITS.data.astype(np.float32)
    scores = {
        (device, precision): quick(device=device, precision=precision, max_epochs=30)
        .fit(X)
        .score(X)
        for device in (DEVICE, "cpu")
        for precision in ("float32", "bfloat16")
    }
    assert np.ptp(list(scores.values())) < 2, scores  # nats, of some 130


def test_auto_takes_the_gpu():
    assert quick(device="auto", precision="auto").fit(IRIS.data).device_ == "cuda:0"


@pytest.mark.parametrize("mechanism", ["mar", "self_masking"])
def test_the_imputer_agrees_with_the_cpu(mechanism, tmp_path):
    X = np.where(np.random.default_rng(0).random(IRIS.data.shape) < 0.3, np.nan, IRIS.data)
    imputer = quick(VAEImputer, mechanism=mechanism).fit(X)
    cpu = on_cpu(imputer, tmp_path)
    assert_allclose(imputer.transform(X), cpu.transform(X), rtol=1e-5, atol=1e-5)
    assert imputer.impute(X, 3, random_state=0).shape == (3, *X.shape)


def test_the_classifier_agrees_with_the_cpu(tmp_path):
    y = np.where(np.random.default_rng(0).random(150) < 0.5, -1, IRIS.target)
    classifier = quick(VAEClassifier, max_epochs=20).fit(IRIS.data, y)
    cpu = on_cpu(classifier, tmp_path)
    rtol = 1e-5
    assert_allclose(classifier.predict_proba(IRIS.data), cpu.predict_proba(IRIS.data), atol=rtol)
    assert classifier.sample(5, y=1, random_state=0).shape == (5, 4)
    conditional = quick(VAEClassifier, prior=ClassConditional()).fit(IRIS.data, y)
    assert np.isfinite(conditional.predict_proba(IRIS.data)).all()


def test_the_classifier_of_images_trains():
    y = np.where(np.random.default_rng(0).random(len(DIGITS.data)) < 0.8, -1, DIGITS.target)
    classifier = quick(VAEClassifier, network=Conv(channels=(4, 8))).fit(DIGITS.data, y)
    assert classifier.predict(DIGITS.data[:9]).shape == (9,)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_frames_train_and_come_back(method):
    frame = make_customers(300, random_state=0)
    vae = getattr(quick(network="auto"), method)(frame)
    drawn = vae.sample(20, random_state=0)
    assert list(drawn.columns) == list(frame.columns)
    pd.testing.assert_series_equal(drawn.dtypes, frame.dtypes)
    given = vae.sample(20, random_state=0, given={frame.columns[0]: frame.iloc[0, 0]})
    assert len(given) == 20
    detector = quick(VAEAnomalyDetector, network="auto").fit(frame)
    assert len(detector.explain(frame.head(3))) == 3 * frame.shape[1]


def test_sparse_rows_and_rows_on_disk_train(tmp_path):
    X = DIGITS.data.astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    dense = quick().fit(X)
    for rows in (scipy.sparse.csr_array(X), np.load(tmp_path / "x.npy", mmap_mode="r")):
        assert_allclose(quick().fit(rows).transform(X), dense.transform(X), rtol=0.1, atol=0.1)


def test_batches_sent_one_by_one_are_those_of_resident_rows(monkeypatch):
    X = DIGITS.data.astype(np.float32)
    resident = quick().fit(X)
    monkeypatch.setattr("skvae._rows.batches._free_memory", lambda device: 0)
    sent = quick().fit(X)
    assert_array_equal(sent.transform(X), resident.transform(X))


def test_all_kinds_of_fits_run():
    X = DIGITS.data.astype(np.float32)
    vae = quick(early_stopping=True, validation_fraction=0.2, callbacks=[], warm_start=True).fit(X)
    vae.set_params(max_epochs=5).fit(X)
    vae.partial_fit(X[:100]).partial_fit(X[100:300], sample_weight=np.arange(200) % 3)
    assert np.isfinite(vae.score(X))
    assert np.isfinite(quick(optimizer="sgd", learning_rate=1e-4).fit(X).score(X))
    dynamic = quick(likelihood=Bernoulli(binarize="dynamic"), objective=ELBO(beta=2)).fit(X / 16)
    assert np.isfinite(dynamic.score(X / 16))


def test_an_interrupted_fit_resumes_to_the_bit(tmp_path):
    X = DIGITS.data.astype(np.float32)
    network = MLP(hidden_layer_sizes=(32,), dropout=0.2)
    whole = quick(network=network, max_epochs=6).fit(X)
    broken = [Autosave(tmp_path), Interruption(4, RuntimeError)]
    with pytest.raises(RuntimeError):
        quick(network=network, max_epochs=6, callbacks=broken).fit(X)
    again = quick(network=network, max_epochs=6, callbacks=[Autosave(tmp_path, resume=True)])
    assert_array_equal(again.fit(X).transform(X), whole.transform(X))


def test_copies_and_pickles_give_the_same_bits():
    vae = quick().fit(IRIS.data)
    for twin in (copy.deepcopy(vae), pickle.loads(pickle.dumps(vae))):
        assert_array_equal(twin.score_samples(IRIS.data), vae.score_samples(IRIS.data))


def test_global_generators_stay_as_they_are():
    torch.cuda.init()
    before = global_states(), torch.cuda.get_rng_state().tolist()
    quick(network=MLP(hidden_layer_sizes=(8,), dropout=0.5)).fit(IRIS.data).sample(3)
    assert (global_states(), torch.cuda.get_rng_state().tolist()) == before


def test_rows_are_scored_alike_alone_and_together():
    X = DIGITS.data  # float64
    vae = quick().fit(X)
    whole = vae.score_samples(X[:100])
    assert_allclose(np.concatenate([vae.score_samples(X[[i]]) for i in range(100)]), whole, 1e-9)


def test_threads_score_alike():
    X = DIGITS.data.astype(np.float32)
    vae = quick().fit(X)
    expected, results = vae.score_samples(X), []
    threads = [
        threading.Thread(target=lambda: results.append(vae.score_samples(X))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        assert_array_equal(result, expected)


def test_fits_do_not_keep_memory():
    X = DIGITS.data.astype(np.float32)
    taken = []
    for _ in range(6):
        quick(VAEAnomalyDetector, anomaly_score=FEW_TREES).fit(X).score_samples(X)
        taken.append(torch.cuda.memory_allocated())
    assert taken[-1] <= taken[1]


def test_compressed_rows_come_back():
    pytest.importorskip("constriction")
    X = (DIGITS.data > 7).astype(np.uint8)
    vae = quick(likelihood="bernoulli").fit(X)
    assert_array_equal(decompress(vae, compress(vae, X)), X)


def test_a_device_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="device='cuda:99' cannot be used here"):
        quick(device="cuda:99").fit(IRIS.data)
