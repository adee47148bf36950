"""What all scores have in common, and files that lie about what a score has learned."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skvae.scores._fitted_score import FittedScore
from skvae.scores._registry import SHORT_NAMES, resolve_score

import skvae
from skvae import VAEAnomalyDetector, _inference
from skvae._files.model_file import read_file, write_file
from skvae.networks import MLP
from skvae.scores import Combined, LatentDensity, LikelihoodRegret, Score

SCORES = {
    **SHORT_NAMES,
    "likelihood_regret": LikelihoodRegret(n_steps=3, n_bound_samples=4),
    "ranks": Combined(
        scores=("kl", LatentDensity(n_components=2), "latent_neighbors"), standardization="rank"
    ),
}


@pytest.fixture(scope="module", params=SCORES)
def score(request, detector, X):
    return FittedScore.learn(resolve_score(SCORES[request.param]), detector.module_, X, 16)


def quick(score, X, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "random_state": 0,
        **changes,
    }
    return VAEAnomalyDetector(2, anomaly_score=score, **settings).fit(X)


def test_the_scores_of_the_model_are_what_they_were_to_the_bit(detector, X):
    for quantity in _inference.SCORES:
        for n_samples in (3, 16, 40):
            found = FittedScore(SHORT_NAMES[quantity], {})(detector.module_, X, n_samples)
            assert_array_equal(found, _inference.score(detector.module_, X, quantity, n_samples))


def test_a_row_does_not_see_its_neighbours(score, detector, X):
    scores = score(detector.module_, X, 16)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(score(detector.module_, X[order], 16), scores[order], rtol=1e-9, atol=1e-9)
    assert_allclose(score(detector.module_, X[7:8], 16), scores[7:8], rtol=1e-9, atol=1e-9)


def test_chunks_change_nothing(score, detector, X, monkeypatch):
    at_once = score(detector.module_, X, 16)
    monkeypatch.setattr(_inference, "_CHUNK_VALUES", 7 * X.shape[1])
    assert_allclose(score(detector.module_, X, 16), at_once, rtol=1e-9, atol=1e-9)


def test_precision_follows_the_rows(score, detector, X):
    single = score(detector.module_, X.astype(np.float32), 16)
    double = score(detector.module_, X, 16)
    assert single.dtype == double.dtype == np.float64
    assert_allclose(single, double, rtol=1e-3, atol=2e-3 * double.std())
    assert np.abs(single - double).max() > 0


def test_threads_copies_and_pickles_get_the_same(score, detector, X):
    expected = score(detector.module_, X, 16)
    assert_array_equal(score(detector.module_, X, 16), expected)
    for twin in (copy.deepcopy(score), pickle.loads(pickle.dumps(score))):
        assert_array_equal(twin(detector.module_, X, 16), expected)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: score(detector.module_, X, 16), range(8)):
            assert_array_equal(found, expected)


def test_scoring_changes_nothing(score, detector, X):
    before = {name: tensor.clone() for name, tensor in score.tensors.items()}
    spec = repr(score.spec)
    score(detector.module_, 3 * X, 16)
    assert repr(score.spec) == spec
    assert all(torch.equal(score.tensors[name], tensor) for name, tensor in before.items())


def test_what_is_learned_has_the_shapes_that_the_score_declares(score, detector):
    parts = detector.module_.parts
    restored = FittedScore.restore(score.spec, score.tensors, parts)
    assert restored.tensors.keys() == score.tensors.keys() == score.spec.shapes(parts).keys()


@pytest.mark.parametrize("name", SCORES)
def test_a_saved_score_comes_back_to_the_bit(tmp_path, X, name):
    detector = quick(SCORES[name], X, calibration_fraction=0.3)
    detector.save(tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    for method in ("score_samples", "decision_function", "predict", "p_values", "explain"):
        rows = X[:3] if method == "explain" else X
        assert_array_equal(getattr(loaded, method)(rows), getattr(detector, method)(rows))
    assert_array_equal(loaded.calibration_scores_, detector.calibration_scores_)
    loaded.save(tmp_path / "again.skvae")
    again, first = (tmp_path / "again.skvae"), (tmp_path / "model.skvae")
    assert again.read_bytes() == first.read_bytes()


def test_what_a_detector_was_fitted_with_is_saved_not_what_was_set_later(tmp_path, X):
    detector = quick("latent_density", X)
    scores = detector.score_samples(X)
    detector.set_params(anomaly_score="combined")
    assert_array_equal(detector.score_samples(X), scores)
    detector.save(tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert loaded.anomaly_score == "combined"
    assert_array_equal(loaded.score_samples(X), scores)


class Distance(Score):
    """A score of a user's own, which learns something."""

    def build(self, module, X, n_samples):
        return {"centre": torch.from_numpy(X.mean(0))}

    def score(self, module, x, known, n_samples):
        return -(x - known["centre"]).norm(dim=1)

    def shapes(self, parts):
        return {"centre": (parts.n_features,)}


def test_a_score_of_ones_own_is_saved_and_loaded_on_trust(tmp_path, X):
    detector = quick(Distance(), X)
    assert_allclose(detector.score_samples(X), -np.linalg.norm(X - X.mean(0), axis=1))
    detector.save(tmp_path / "model.skvae")
    with pytest.raises(ValueError, match=r"trusted=\[Distance\]"):
        skvae.load(tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae", trusted=[Distance])
    assert_array_equal(loaded.score_samples(X), detector.score_samples(X))


def forged(path, change):
    """Change what the file says, and write it with a right checksum."""
    header, tensors = read_file(path)
    del header["format"], header["versions"]
    change(header, tensors)
    write_file(path, header, tensors)


def resized(name, shape):
    def change(header, tensors):
        tensors[name] = torch.ones(shape, dtype=torch.float64)

    return change


def of_dtype(header, tensors):
    tensors["score.means"] = tensors["score.means"].long()


def not_finite(header, tensors):
    tensors["score.means"][0, 0] = torch.nan


def lost(header, tensors):
    del tensors["score.means"]


def added(header, tensors):
    tensors["score.more"] = torch.ones(1)


def of_another_score(header, tensors):
    header["score"] = "kl"


def no_score(header, tensors):
    header["score"] = {"spec": ["MLP", {"dict": []}]}


def out_of_range(header, tensors):
    header["score"]["spec"][1]["dict"][0][1] = -1


def calibration(values):
    def change(header, tensors):
        tensors["calibration scores"] = torch.tensor(values)

    return change


LIES = {
    "other size": resized("score.means", (3, 5)),
    "other number": resized("score.means", (2, 2)),
    "no rows": resized("score.means", (0, 2)),
    "other rank": resized("score.whitening", (3, 2)),
    "integers": of_dtype,
    "not finite": not_finite,
    "lost": lost,
    "added": added,
    "another score": of_another_score,
    "no score": no_score,
    "out of range": out_of_range,
    "calibration out of order": calibration([2.0, 1.0]),
    "calibration in single precision": calibration(np.ones(3, np.float32)),
    "calibration not finite": calibration([1.0, np.inf]),
    "calibration empty": resized("calibration scores", (0,)),
    "calibration in two dimensions": calibration(np.ones((2, 2))),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory, X):
    path = tmp_path_factory.mktemp("lies") / "sound.skvae"
    quick(LatentDensity(n_components=3), X, calibration_fraction=0.2).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused(tmp_path, written, lie):
    path = tmp_path / "model.skvae"
    path.write_bytes(written)
    skvae.load(path)
    forged(path, LIES[lie])
    with pytest.raises(ValueError, match="model.skvae cannot be used as a model"):
        skvae.load(path)
