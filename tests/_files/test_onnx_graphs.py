"""An exported graph returns what the estimator returns, in the units of X."""

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError

from skvae import VAEAnomalyDetector, VAETransformer, export_onnx
from skvae._files import onnx_graphs
from skvae._specs import SHORT_NAMES
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.scores import Combined, LikelihoodRegret, RelativeError, Score

runtime = pytest.importorskip("onnxruntime", reason="the graphs are run by onnxruntime")


def run(path, rows):
    session = runtime.InferenceSession(path)
    (port,) = session.get_inputs()
    return session.run(None, {port.name: rows.astype(np.float32)})[0]


def quick(estimator_class=VAETransformer, **changes):
    settings = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 2, "random_state": 0}
    return estimator_class(3, **{**settings, **changes})


CONFIGURATIONS = {
    "images": {},
    "convolutions": {"network": "conv"},
    "noise per sample": {"likelihood": Gaussian(noise="per_sample")},
    "bernoulli": {"likelihood": "bernoulli"},
    "continuous bernoulli": {"likelihood": "continuous_bernoulli"},
    "few samples": {"n_importance_samples": 3},
}


# torch needs seconds to write a graph, and each configuration writes three
@pytest.mark.slow
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_the_graph_agrees_with_the_estimator(digits, tmp_path, configuration):
    X = digits.data.astype(np.float32)[:200] / 16
    vae = quick(**CONFIGURATIONS[configuration]).fit(X)
    assert_agreement(vae, X, tmp_path / "part.onnx")


@pytest.mark.slow
def test_the_graph_works_in_the_units_of_a_raw_table(tmp_path):
    X = load_wine().data.astype(np.float32)
    assert_agreement(quick().fit(X), X, tmp_path / "part.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson", "student_t", "mixed"])
def test_the_score_of_a_likelihood_with_gamma_functions(digits, tmp_path, likelihood):
    X = digits.data.astype(np.float32)[:100] ** 2
    X[0] = 1e6  # a count with large terms in its log probability
    vae = quick(likelihood=likelihood).fit(X)
    export_onnx(vae, tmp_path / "score.onnx", part="score")
    found = run(tmp_path / "score.onnx", X)
    np.testing.assert_allclose(found, vae.score_samples(X), rtol=1e-5)


def test_log_gamma_and_softplus_agree_with_scipy():
    x = torch.cat([torch.logspace(-6, 16, 1001), torch.arange(1.0, 200.0)]).double()
    np.testing.assert_allclose(
        onnx_graphs._log_gamma(x), gammaln(x.numpy()), rtol=1e-14, atol=2e-14
    )
    assert onnx_graphs._log_gamma(x.float()).dtype == torch.float32
    odds = torch.linspace(-60, 60, 1001, dtype=torch.float64)
    for beta in (1, 0.5, -2):
        expected = np.logaddexp(0, beta * odds.numpy()) / beta
        np.testing.assert_allclose(onnx_graphs._softplus(odds, beta), expected, rtol=1e-14)


@pytest.mark.slow
def test_the_graph_of_mnist(mnist, tmp_path):
    vae = VAETransformer(16, max_epochs=2, random_state=0).fit(mnist.train.data[:5000])
    assert_agreement(vae, mnist.test.data[:1000], tmp_path / "part.onnx")


def assert_agreement(vae, X, path):
    Z = vae.transform(X)
    expected = {"encoder": Z, "decoder": vae.inverse_transform(Z), "score": vae.score_samples(X)}
    for part, answer in expected.items():
        export_onnx(vae, path, part=part)
        found = run(path, Z if part == "decoder" else X)
        scale = np.abs(answer).max(axis=0)  # of each column, as the columns of a table differ
        assert found.shape == answer.shape
        assert (np.abs(found - answer) < 1e-5 * scale + 1e-6).all(), part
        one_row = run(path, (Z if part == "decoder" else X)[:1])  # the number of rows is free
        np.testing.assert_allclose(one_row, found[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "score", ["kl", *(pytest.param(s, marks=pytest.mark.slow) for s in ("reconstruction", "elbo"))]
)
def test_a_detector_exports_its_own_score(digits, tmp_path, score):
    X = digits.data.astype(np.float32)[:100]
    detector = quick(VAEAnomalyDetector, anomaly_score=score).fit(X)
    export_onnx(detector, tmp_path / "score.onnx", part="score")
    found = run(tmp_path / "score.onnx", X)
    np.testing.assert_allclose(found, detector.score_samples(X), rtol=1e-5, atol=1e-5)


SCORES = {
    **{name: name for name in SHORT_NAMES["anomaly_score"]},
    "ranks": Combined(scores=("kl", "latent_neighbors"), standardization="rank"),
    "blurred": RelativeError(blur=1.0),
}
del SCORES["likelihood_regret"]


@pytest.mark.slow
@pytest.mark.parametrize("score", SCORES)
def test_every_score_but_one_is_exported(digits, tmp_path, score):
    X = digits.data.astype(np.float32)
    detector = quick(VAEAnomalyDetector, anomaly_score=SCORES[score]).fit(X[:300])
    assert_score(detector, X, tmp_path / "score.onnx")


@pytest.mark.slow
def test_the_default_score_of_ten_thousand_rows(tmp_path):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(10_000, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)
    X[::100] *= 4
    detector = quick(VAEAnomalyDetector).fit(X[:2000])
    path = tmp_path / "score.onnx"
    export_onnx(detector, path, part="score")
    found = np.concatenate([run(path, rows) for rows in np.split(X, 10)])
    assert np.abs(found - detector.score_samples(X)).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["gaussian", "poisson", "categorical", "histogram", "mixed"])
def test_gaps_and_impossible_values_score_as_in_the_detector(tmp_path, likelihood):
    rng = np.random.default_rng(0)
    X = rng.poisson(3, (200, 6)).astype(np.float32)
    X[rng.random(X.shape) < 0.1] = np.nan
    detector = quick(VAEAnomalyDetector, likelihood=likelihood).fit(X)
    rows = X.copy()
    rows[3, 2], rows[7] = 1.5, -3
    assert_score(detector, rows, tmp_path / "score.onnx")


def assert_score(detector, X, path):
    export_onnx(detector, path, part="score")
    found, expected = run(path, X), detector.score_samples(X)
    possible = expected > -1e29
    assert np.abs(found - expected)[possible].max() < 1e-4
    np.testing.assert_allclose(found[~possible], expected[~possible], rtol=1e-6)


class Sorted(Score):
    """A score of a user's own, with a condition that a graph cannot hold."""

    def __call__(self, module, x, known, n_samples):
        return -x.norm(dim=1) if x.sum() > 0 else -x.abs().sum(1)


@pytest.mark.parametrize("score", [Sorted(), LikelihoodRegret(n_steps=2, n_bound_samples=2)])
def test_a_score_that_a_graph_cannot_hold_is_refused(digits, tmp_path, score):
    detector = quick(VAEAnomalyDetector, anomaly_score=score).fit(digits.data[:50])
    with pytest.raises(ValueError, match=r"cannot be exported for anomaly_score=.*operations that"):
        export_onnx(detector, tmp_path / "score.onnx", part="score")
    assert not (tmp_path / "score.onnx").exists()


def test_bad_requests(digits, tmp_path):
    path = tmp_path / "part.onnx"
    with pytest.raises(NotFittedError):
        export_onnx(quick(), path)
    with pytest.raises(ValueError, match=r"'part' must be one of .*'classifier'\), got 'latent'"):
        export_onnx(quick().fit(digits.data[:50]), path, part="latent")
    assert not path.exists()


def test_without_onnx_the_extra_is_named(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"needs the package 'onnxscript'.*skvae\[onnx\]"):
        export_onnx(quick().fit(digits.data[:50]), tmp_path / "part.onnx")
