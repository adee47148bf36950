"""Threshold, calibration and explanations of a fitted detector."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skvae import Checkpoint, VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import Combined, LatentDensity

rng = np.random.default_rng(0)
MIXING = rng.normal(size=(2, 5))


def draw(n_rows, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2)) @ MIXING + 0.3 * rng.normal(size=(n_rows, 5))


X = draw(400, 1)


def quick(**changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 5,
        "random_state": 0,
        **changes,
    }
    return VAEAnomalyDetector(2, **settings)


@pytest.mark.parametrize("score", ["log_likelihood", "latent_neighbors", "combined"])
def test_normal_rows_have_p_values_that_are_valid(score):
    """At most a share a of them is below a, beyond the luck of the rows set aside."""
    detector = quick(anomaly_score=score, calibration_fraction=0.5).fit(X)
    found = detector.p_values(draw(3000, 2))
    for level in (0.05, 0.1, 0.25, 0.5):
        luck = np.sqrt(level * (1 - level) * (1 / 200 + 1 / 3000))
        assert np.mean(found <= level) <= level + 3 * luck
        assert np.mean(found <= level) >= level - 1 / 201 - 3 * luck
    assert detector.p_values(X[:1] + 50.0) == 1 / 201


def test_p_values_rise_with_the_score():
    detector = quick(calibration_fraction=0.3).fit(X)
    order = detector.score_samples(X).argsort()
    assert (np.diff(detector.p_values(X)[order]) >= 0).all()
    assert len(detector.calibration_scores_) == 120


def test_without_calibration_the_remedy_is_named():
    detector = quick().fit(X)
    assert detector.calibration_scores_ is None
    with pytest.raises(ValueError, match="Fit it with calibration_fraction=0.2"):
        detector.p_values(X)
    with pytest.raises(NotFittedError):
        quick().p_values(X)
    with pytest.raises(NotFittedError):
        quick().explain(X)


def test_neither_model_nor_score_sees_the_rows_set_aside():
    from skvae.scores._conformal import set_aside

    rows, held_out = set_aside(X, 0.25)
    score = Combined(scores=("kl", LatentDensity(n_components=2)))
    detector = quick(anomaly_score=score, calibration_fraction=0.25).fit(X)
    other = quick(anomaly_score=score).fit(rows)
    assert_array_equal(detector.score_samples(X), other.score_samples(X))
    assert_array_equal(detector.calibration_scores_, np.sort(other.score_samples(held_out)))


@pytest.mark.parametrize("fraction", [None, 0.25])
@pytest.mark.parametrize("score", ["log_likelihood", "relative_error", "latent_density"])
def test_contamination_is_the_share_of_all_rows_given(score, fraction):
    detector = quick(anomaly_score=score, calibration_fraction=fraction, contamination=0.2)
    assert (detector.fit_predict(X) == -1).sum() == 80


@pytest.mark.parametrize("score", ["log_likelihood", "residual_neighbors"])
def test_a_tenth_of_the_new_normal_rows_is_beyond_the_threshold_by_calibration(score):
    detector = quick(anomaly_score=score, calibration_fraction=0.5, contamination="auto").fit(X)
    new = draw(3000, 3)
    found = detector.predict(new) == -1
    assert_array_equal(found, detector.p_values(new) <= 0.1)
    assert abs(found.mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 * (1 / 200 + 1 / 3000))


def test_a_threshold_by_calibration_needs_rows_set_aside():
    detector = quick(contamination="auto")
    with pytest.raises(ValueError, match=r"contamination='auto' .* Set calibration_fraction=0\.2"):
        detector.fit(X)
    assert not hasattr(detector, "net_")


def test_a_fit_that_goes_on_never_trains_on_the_rows_set_aside(tmp_path):
    whole = quick(calibration_fraction=0.25, max_epochs=6).fit(X)
    going_on = quick(calibration_fraction=0.25, max_epochs=3, early_stopping=True)
    going_on.fit(X).set_params(warm_start=True, max_epochs=6).fit(X)
    assert len(going_on.calibration_scores_) == len(whole.calibration_scores_)
    folder = tmp_path / "run"
    settings = {"calibration_fraction": 0.25, "random_state": None, "anomaly_score": "combined"}
    quick(**settings, checkpoint=folder, max_epochs=2).fit(X)
    resumed = quick(**settings, checkpoint=Checkpoint(folder, resume=True), max_epochs=4).fit(X)
    assert resumed.n_iter_ == 4
    assert len(resumed.calibration_scores_) == 100


def test_a_chunk_calibrates_after_partial_fit():
    detector = quick(calibration_fraction=0.2, anomaly_score="combined")
    detector.partial_fit(X[:200]).partial_fit(X[200:300])
    assert len(detector.calibration_scores_) == 20
    again = clone(detector).partial_fit(X[:200]).partial_fit(X[200:300])
    assert_array_equal(again.p_values(X), detector.p_values(X))


def test_too_few_rows_to_set_any_aside_are_refused():
    detector = quick(calibration_fraction=0.9)
    with pytest.raises(ValueError, match="calibration_fraction=0.9 of 10 rows leaves fewer"):
        detector.fit(X[:10])
    assert not hasattr(detector, "net_")


@pytest.mark.parametrize(
    "score", ["log_likelihood", "relative_error", "latent_density", "combined"]
)
def test_the_feature_that_is_wrong_explains_the_score(score):
    detector = quick(anomaly_score=score, max_epochs=60).fit(X)
    rows = X[:4].copy()
    rows[np.arange(4), [0, 1, 2, 3]] += 8.0
    found = detector.explain(rows)
    assert found.shape == rows.shape
    assert found.dtype == np.float64
    if score != "latent_density":  # which sees where a row lands, not which feature sent it there
        assert_array_equal(found.argmax(1), [0, 1, 2, 3])
    single = detector.explain(rows.astype(np.float32))
    assert_allclose(single, found, rtol=0.02, atol=0.02 * np.abs(found).max())


@pytest.mark.parametrize("score", ["relative_error", "typicality", "combined"])
def test_a_score_that_no_graph_holds_is_not_exported(tmp_path, score):
    detector = quick(anomaly_score=score).fit(X)
    with pytest.raises(ValueError, match="part='score' cannot be exported for anomaly_score="):
        detector.export_onnx(tmp_path / "score.onnx", part="score")
    assert not (tmp_path / "score.onnx").exists()
