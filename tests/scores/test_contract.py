"""What all scores have in common."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import skvae
from skvae import VAEAnomalyDetector
from skvae._files.model_file import read_file, write_file
from skvae._model import inference
from skvae._specs import SHORT_NAMES
from skvae.networks import MLP
from skvae.scores import Combined, LatentDensity, LikelihoodRegret, Score
from tests.scores.helpers import scored_by

SCORES = {
    **{name: name for name in SHORT_NAMES["anomaly_score"]},
    "likelihood_regret": LikelihoodRegret(n_steps=3, n_bound_samples=4),
    "ranks": Combined(
        scores=("kl", LatentDensity(n_components=2), "latent_neighbors"), standardization="rank"
    ),
}


@pytest.fixture(scope="module", params=SCORES)
def scorer(request, detector, X):
    """Return a detector with one of the scores."""
    return scored_by(SCORES[request.param], detector, X)


def quick(score, X, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "random_state": 0,
        **changes,
    }
    return VAEAnomalyDetector(2, anomaly_score=score, **settings).fit(X)


def test_the_score_of_a_row_does_not_depend_on_the_other_rows(scorer, X):
    scores = scorer.score_samples(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_allclose(scorer.score_samples(X[order]), scores[order], rtol=1e-9, atol=1e-9)
    assert_allclose(scorer.score_samples(X[7:8]), scores[7:8], rtol=1e-9, atol=1e-9)


def test_the_size_of_chunks_changes_nothing(scorer, X, monkeypatch):
    at_once = scorer.score_samples(X)
    monkeypatch.setattr(inference, "_CHUNK_VALUES", 7 * X.shape[1])
    assert_allclose(scorer.score_samples(X), at_once, rtol=1e-9, atol=1e-9)


def test_precision_follows_the_rows(scorer, X):
    single = scorer.score_samples(X.astype(np.float32))
    double = scorer.score_samples(X)
    assert single.dtype == double.dtype == np.float64
    assert_allclose(single, double, rtol=1e-3, atol=2e-3 * double.std())
    assert np.abs(single - double).max() > 0


def test_threads_copies_and_pickles_return_the_same_scores(scorer, X):
    expected = scorer.score_samples(X)
    assert_array_equal(scorer.score_samples(X), expected)
    for twin in (copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert_array_equal(twin.score_samples(X), expected)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: scorer.score_samples(X), range(8)):
            assert_array_equal(found, expected)


def test_scoring_does_not_change_the_score(scorer, X):
    score = scorer.anomaly_score_
    before = {name: tensor.clone() for name, tensor in score.tensors.items()}
    spec = repr(score.spec)
    scorer.score_samples(3 * X)
    assert repr(score.spec) == spec
    assert all(torch.equal(score.tensors[name], tensor) for name, tensor in before.items())


def test_what_is_learned_has_the_shapes_that_the_score_declares(scorer):
    tensors, model_sizes = scorer.anomaly_score_.tensors, scorer.module_.sizes
    shapes, sizes = scorer.anomaly_score_.spec.shapes(model_sizes), {}
    assert tensors.keys() == shapes.keys()
    for name, shape in shapes.items():
        assert len(shape) == tensors[name].ndim
        for declared, size in zip(shape, tensors[name].shape, strict=True):
            # a size that goes by a name is the same in all shapes
            named = isinstance(declared, str)
            assert size == (sizes.setdefault(declared, size) if named else declared)


@pytest.mark.parametrize("name", SCORES)
def test_a_saved_score_is_loaded_to_the_bit(tmp_path, X, name):
    detector = quick(SCORES[name], X, calibration_fraction=0.3)
    skvae.save(detector, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    for method in ("score_samples", "decision_function", "predict", "p_values", "explain"):
        rows = X[:3] if method == "explain" else X
        assert_array_equal(getattr(loaded, method)(rows), getattr(detector, method)(rows))
    assert_array_equal(loaded.calibration_scores_, detector.calibration_scores_)
    skvae.save(loaded, tmp_path / "again.skvae")
    again, first = (tmp_path / "again.skvae"), (tmp_path / "model.skvae")
    assert again.read_bytes() == first.read_bytes()


def test_the_score_of_the_last_fit_is_saved_beside_a_later_parameter(tmp_path, X):
    detector = quick("latent_density", X)
    scores = detector.score_samples(X)
    detector.set_params(anomaly_score="combined")
    assert_array_equal(detector.score_samples(X), scores)
    skvae.save(detector, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert loaded.anomaly_score == "combined"
    assert_array_equal(loaded.score_samples(X), scores)


class Distance(Score):
    """A user's score that learns a tensor."""

    def build(self, module, X, n_samples):
        return {"centre": torch.from_numpy(X.mean(0))}

    def __call__(self, module, x, known, n_samples):
        return -(x - known["centre"]).norm(dim=1)

    def shapes(self, sizes):
        return {"centre": (sizes.n_features,)}


def test_a_users_score_is_loaded_only_if_trusted(tmp_path, X):
    detector = quick(Distance(), X)
    assert_allclose(detector.score_samples(X), -np.linalg.norm(X - X.mean(0), axis=1))
    skvae.save(detector, tmp_path / "model.skvae")
    with pytest.raises(ValueError, match=r"trusted=\[Distance\]"):
        skvae.load(tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae", trusted=[Distance])
    assert_array_equal(loaded.score_samples(X), detector.score_samples(X))


def forged(path, change):
    """Change the content of the file and write it with a matching checksum."""
    header, tensors = read_file(path)
    del header["format"], header["versions"]
    change(header["state"], tensors)
    write_file(path, header, tensors)


def resized(name, shape):
    def change(state, tensors):
        assert name in tensors
        tensors[name] = torch.ones(shape, dtype=torch.float64)

    return change


def of_dtype(state, tensors):
    tensors["score_tensors.means"] = tensors["score_tensors.means"].long()


def not_finite(state, tensors):
    tensors["score_tensors.means"][0, 0] = torch.nan


def removed(state, tensors):
    (learned,) = state["score_tensors"].values()
    learned[:] = [pair for pair in learned if pair[0] != "means"]
    del tensors["score_tensors.means"]


def added(state, tensors):
    state["score_tensors"]["dict"].append(["more", {"tensor": "score_tensors.more"}])
    tensors["score_tensors.more"] = torch.ones(1)


def of_another_score(state, tensors):
    state["score"] = {"spec": ["ModelScore", {"dict": [["quantity", "kl"]]}]}


def not_a_score(state, tensors):
    state["score"] = {"spec": ["MLP", {"dict": []}]}


def out_of_range(state, tensors):
    params = state["score"]["spec"][1]["dict"]
    (pair,) = (pair for pair in params if pair[0] == "n_components")
    pair[1] = -1


def calibration(values):
    def change(state, tensors):
        assert "calibration_scores" in tensors
        tensors["calibration_scores"] = torch.tensor(values)

    return change


def offset(node):
    def change(state, tensors):
        state["offset"] = node

    return change


FORGERIES = {
    "other size": resized("score_tensors.means", (3, 5)),
    "other number": resized("score_tensors.means", (2, 2)),
    "no rows": resized("score_tensors.means", (0, 2)),
    "other rank": resized("score_tensors.whitening", (3, 2)),
    "integers": of_dtype,
    "not finite": not_finite,
    "removed": removed,
    "added": added,
    "another score": of_another_score,
    "not a score": not_a_score,
    "out of range": out_of_range,
    "calibration out of order": calibration(np.array([2.0, 1.0])),
    "calibration in single precision": calibration(np.ones(3, np.float32)),
    "calibration not finite": calibration(np.array([1.0, np.inf])),
    "calibration empty": resized("calibration_scores", (0,)),
    "calibration in two dimensions": calibration(np.ones((2, 2))),
    "offset not finite": offset({"float": "nan"}),
    "offset not a number": offset("0.5"),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory, X):
    path = tmp_path_factory.mktemp("forged") / "sound.skvae"
    skvae.save(quick(LatentDensity(n_components=3), X, calibration_fraction=0.2), path)
    return path.read_bytes()


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_file_is_refused(tmp_path, written, forgery):
    path = tmp_path / "model.skvae"
    path.write_bytes(written)
    forged(path, lambda state, tensors: None)
    skvae.load(path)
    forged(path, FORGERIES[forgery])
    with pytest.raises(ValueError, match="model.skvae cannot be used as a model"):
        skvae.load(path)
