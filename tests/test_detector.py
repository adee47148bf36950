"""Embedding, threshold, calibration and explanations of a fitted detector."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skvae import Autosave, VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from skvae.scores import Combined, LatentDensity, Score
from tests.scores.helpers import scored_by

rng = np.random.default_rng(0)
MIXING = rng.normal(size=(2, 5))


def draw(n_rows, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 2)) @ MIXING + 0.3 * rng.normal(size=(n_rows, 5))


X = draw(400, 1)
SETTINGS = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 5, "random_state": 0}


def quick(**changes):
    return VAEAnomalyDetector(2, **SETTINGS | changes)


class FirstFeature(Score):
    """Scores a row by its first feature, and learns the scores of the training rows."""

    def build(self, module, X, n_samples):
        return {"seen": torch.from_numpy(X[:, 0])}

    def __call__(self, module, x, known, n_samples):
        return x[:, 0]


def ranked(scores, **changes):
    """Fit a detector to rows that have these scores."""
    rows = np.column_stack([scores, scores]).astype(float)
    return quick(anomaly_score=FirstFeature(), max_epochs=1, **changes).fit(rows)


def rows_scored(scores):
    return np.column_stack([scores, np.zeros(len(scores))])


@pytest.fixture(scope="module")
def by_first_feature():
    return ranked(np.arange(10), calibration_fraction=0.5)


def p_values_by(detector, calibration_scores, scores):
    detector.calibration_scores_ = np.sort(calibration_scores)
    return detector.p_values(rows_scored(scores))


@pytest.mark.parametrize("n_rows", [1000, 20_000, 60_001])
def test_the_threshold_of_a_large_table_is_that_of_a_sample(n_rows, monkeypatch):
    scored = []
    monkeypatch.setattr(
        FirstFeature,
        "__call__",
        lambda self, module, x, known, n_samples: scored.append(len(x)) or x[:, 0],
    )
    detector = ranked(np.arange(n_rows))
    assert sum(scored) == min(n_rows, 20_000)
    assert np.mean(np.arange(n_rows) < detector.offset_) == pytest.approx(0.1, abs=1e-3)


def test_rows_with_the_score_of_the_threshold_are_inliers():
    detector = ranked(np.repeat([0.0, 1.0, 2.0], [4, 50, 46]))
    rounded = 1 - 1e-9  # the score of a training row, computed in another batch
    assert_array_equal(detector.predict(rows_scored([0.0, rounded, 1.0, 2.0])), [-1, 1, 1, 1])
    aside = ranked(np.ones(40), calibration_fraction=0.5)
    assert_array_equal(aside.p_values(rows_scored([1 - 1e-12, 1 + 1e-12])), [1, 1])


def test_it_embeds_and_decodes_as_the_transformer_does():
    detector, vae = quick().fit(X), VAETransformer(2, **SETTINGS).fit(X)
    Z = detector.transform(X)
    assert_array_equal(Z, vae.transform(X))
    assert_array_equal(detector.inverse_transform(Z), vae.inverse_transform(Z))
    assert_array_equal(clone(detector).fit_transform(X), Z)
    assert detector.get_feature_names_out().tolist() == [
        "vaeanomalydetector0",
        "vaeanomalydetector1",
    ]


def test_the_embedding_can_be_a_data_frame():
    pandas = pytest.importorskip("pandas")
    detector = quick(max_epochs=1).set_output(transform="pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"), index=range(100, 500))
    Z = detector.fit(frame).transform(frame)
    assert Z.columns.tolist() == detector.get_feature_names_out().tolist()
    assert Z.index.tolist() == frame.index.tolist()
    assert_array_equal(Z.to_numpy(), detector.set_output(transform="default").transform(frame))


@pytest.mark.parametrize("score", ["log_likelihood", "latent_neighbors", "combined"])
def test_p_values_of_normal_rows_are_valid(score):
    """The share of them below a level is at most the level, up to the luck of the draws."""
    detector = quick(anomaly_score=score, calibration_fraction=0.5).fit(X)
    found = detector.p_values(draw(3000, 2))
    for level in (0.05, 0.1, 0.25, 0.5):
        luck = np.sqrt(level * (1 - level) * (1 / 200 + 1 / 3000))
        assert np.mean(found <= level) <= level + 3 * luck
        assert np.mean(found <= level) >= level - 1 / 201 - 3 * luck
    assert detector.p_values(X[:1] + 50.0) == 1 / 201


def test_p_values_of_exchangeable_scores_are_uniform(by_first_feature):
    """Each of n + 1 exchangeable scores is equally likely to be the new one, at every rank."""
    found = [
        p_values_by(by_first_feature, order[:-1], order[-1:])[0]
        for order in itertools.permutations([0.5, 1.0, 2.5, 3.0, 7.0])
    ]
    for level in (0.2, 0.4, 0.6, 0.8, 1.0):
        assert np.mean(np.array(found) <= level + 1e-12) == pytest.approx(level)


def test_ties_never_make_a_p_value_too_small(by_first_feature):
    found = [
        p_values_by(by_first_feature, order[:-1], order[-1:])[0]
        for order in itertools.permutations([1.0, 1.0, 1.0, 2.0, 2.0])
    ]
    for level in (0.2, 0.4, 0.6, 0.8):
        assert np.mean(np.array(found) <= level + 1e-12) <= level + 1e-12


def test_p_values_count_the_calibration_scores_below(by_first_feature):
    calibration = np.array([1.0, 2.0, 2.0, 5.0])
    scores = np.array([0.0, 1.0, 1.5, 2.0, 4.0, 5.0, 9.0])
    expected = [(1 + (calibration <= score).sum()) / 5 for score in scores]
    found = p_values_by(by_first_feature, calibration, scores)
    assert_allclose(found, expected)
    assert (np.diff(found) >= 0).all()


def test_p_values_rise_with_the_score():
    detector = quick(calibration_fraction=0.3).fit(X)
    order = detector.score_samples(X).argsort()
    assert (np.diff(detector.p_values(X)[order]) >= 0).all()
    assert len(detector.calibration_scores_) == 120


def test_p_values_without_calibration_raise():
    detector = quick().fit(X)
    assert detector.calibration_scores_ is None
    with pytest.raises(ValueError, match="Fit it with calibration_fraction=0.2"):
        detector.p_values(X)
    with pytest.raises(NotFittedError):
        quick().p_values(X)
    with pytest.raises(NotFittedError):
        quick().explain(X)


@pytest.mark.parametrize("n", [9, 10, 29, 30, 99, 100])
@pytest.mark.parametrize("level", [0.1, 0.25, 0.29, 0.3, 0.5])
def test_outliers_are_exactly_the_rows_with_a_p_value_of_at_most_contamination(n, level):
    scores = np.random.default_rng(n).integers(0, 40, 2 * n)  # with ties
    detector = ranked(scores, calibration_fraction=0.5, contamination=level)
    assert len(detector.calibration_scores_) == n
    rows = rows_scored(np.arange(-1.0, 41.0, 0.5))
    expected = detector.p_values(rows) <= level
    assert_array_equal(detector.predict(rows) == -1, expected)
    assert expected.any()
    assert not expected.all()


def test_with_too_few_calibration_scores_the_threshold_is_the_lowest():
    detector = ranked(np.arange(12), calibration_fraction=0.25, contamination=0.1)
    assert len(detector.calibration_scores_) == 3
    assert detector.offset_ < detector.calibration_scores_[0]  # by less than rows differ
    assert detector.offset_ == pytest.approx(detector.calibration_scores_[0], rel=1e-4)


@pytest.mark.parametrize("score", ["log_likelihood", "relative_error", "latent_density"])
def test_contamination_is_the_share_of_the_training_rows(score):
    assert (quick(anomaly_score=score, contamination=0.2).fit_predict(X) == -1).sum() == 80


@pytest.mark.parametrize("score", ["log_likelihood", "relative_error", "latent_density"])
def test_with_calibration_contamination_is_the_share_of_the_rows_set_aside(score):
    detector = quick(anomaly_score=score, calibration_fraction=0.25, contamination=0.2).fit(X)
    below = detector.calibration_scores_ < detector.offset_
    assert below.sum() == 19  # the p-value of the next one is 21 / 101
    assert_array_equal(detector.predict(X) == -1, detector.p_values(X) <= 0.2)


@pytest.mark.parametrize("score", ["log_likelihood", "residual_neighbors"])
def test_with_calibration_contamination_is_the_share_of_new_normal_rows(score):
    detector = quick(anomaly_score=score, calibration_fraction=0.5, contamination=0.1).fit(X)
    new = draw(3000, 3)
    found = detector.predict(new) == -1
    assert_array_equal(found, detector.p_values(new) <= 0.1)
    assert abs(found.mean() - 0.1) < 3 * np.sqrt(0.1 * 0.9 * (1 / 200 + 1 / 3000))


def test_the_same_rows_are_set_aside_at_every_fit():
    detector = ranked(np.arange(20), calibration_fraction=0.25)
    seen = detector.anomaly_score_.tensors["seen"].numpy()
    assert (len(seen), len(detector.calibration_scores_)) == (15, 5)
    assert_array_equal(np.sort(np.r_[seen, detector.calibration_scores_]), np.arange(20))
    again = ranked(np.arange(20), calibration_fraction=0.25, random_state=1)
    assert_array_equal(again.calibration_scores_, detector.calibration_scores_)
    assert len(ranked(np.arange(20), calibration_fraction=0.001).calibration_scores_) == 1


@pytest.mark.parametrize(("n_rows", "fraction"), [(2, 0.1), (10, 0.95), (10, 0.9)])
def test_fewer_than_two_rows_to_train_on_raise(n_rows, fraction):
    detector = quick(calibration_fraction=fraction)
    message = f"calibration_fraction={fraction} of {n_rows} rows leaves fewer than two to train on"
    with pytest.raises(ValueError, match=f"{message}. Lower it"):
        detector.fit(X[:n_rows])
    assert not hasattr(detector, "module_")


def test_neither_model_nor_score_depends_on_the_rows_set_aside():
    X = np.column_stack([np.arange(40.0), rng.normal(size=(40, 3))])
    aside = ranked(np.arange(40), calibration_fraction=0.25).calibration_scores_.astype(int)
    rows, held_out = np.delete(X, aside, axis=0), X[aside]
    score = Combined(scores=("kl", LatentDensity(n_components=2)))
    detector = quick(anomaly_score=score, calibration_fraction=0.25).fit(X)
    other = quick(anomaly_score=score).fit(rows)
    assert_array_equal(detector.score_samples(X), other.score_samples(X))
    assert_array_equal(detector.calibration_scores_, np.sort(other.score_samples(held_out)))


def test_a_continued_fit_never_trains_on_the_rows_set_aside(tmp_path):
    settings = {"calibration_fraction": 0.25, "anomaly_score": FirstFeature()}
    whole = quick(**settings, max_epochs=6).fit(X)
    continued = quick(**settings, max_epochs=3, early_stopping=True)
    continued.fit(X).set_params(warm_start=True, max_epochs=6).fit(X)
    first = quick(**settings, random_state=None, callbacks=[Autosave(tmp_path)], max_epochs=2)
    first.fit(X)
    resumed = clone(first).set_params(callbacks=[Autosave(tmp_path, resume=True)], max_epochs=4)
    assert resumed.fit(X).n_iter_ == 4
    assert len(whole.calibration_scores_) == 100
    for detector in (continued, resumed):
        assert_array_equal(detector.calibration_scores_, whole.calibration_scores_)
        seen = detector.anomaly_score_.tensors["seen"]
        assert torch.equal(seen, whole.anomaly_score_.tensors["seen"])


def test_partial_fit_calibrates_by_the_last_chunk():
    detector = quick(calibration_fraction=0.2, anomaly_score="combined")
    detector.partial_fit(X[:200]).partial_fit(X[200:300])
    assert len(detector.calibration_scores_) == 20
    again = clone(detector).partial_fit(X[:200]).partial_fit(X[200:300])
    assert_array_equal(again.p_values(X), detector.p_values(X))


@pytest.fixture(scope="module")
def trained():
    return quick(max_epochs=60).fit(X)


@pytest.mark.parametrize(
    "score", ["log_likelihood", "relative_error", "latent_density", "combined"]
)
def test_a_wrong_feature_contributes_most(trained, score):
    detector = scored_by(score, trained, X)
    rows = X[:4].copy()
    rows[np.arange(4), [0, 1, 2, 3]] += 8.0
    found = detector.explain(rows)
    assert found.shape == rows.shape
    assert found.dtype == np.float64
    if score != "latent_density":  # it depends on the embedding, which features share
        assert_array_equal(found.argmax(1), [0, 1, 2, 3])
    single = detector.explain(rows.astype(np.float32))
    assert_allclose(single, found, rtol=0.02, atol=0.02 * np.abs(found).max())
