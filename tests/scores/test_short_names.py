"""Short names of the scores, and parameters that are refused before training starts."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skvae import VAEAnomalyDetector, scores
from skvae._specs import SHORT_NAMES, resolve
from skvae._validation import InvalidParameterError
from skvae.networks import MLP
from skvae.scores import (
    Combined,
    LatentDensity,
    LatentNeighbors,
    LikelihoodRegret,
    ModelScore,
    RelativeError,
)

CLASSES = {type(make()) for make in SHORT_NAMES["anomaly_score"].values()}
X = np.random.default_rng(0).normal(size=(30, 4))


def test_every_public_score_has_a_short_name():
    assert {cls.__name__ for cls in CLASSES} == set(scores.__all__) - {"Score"}


def test_short_names_are_valid_as_parts_of_a_sum():
    given = Combined(scores=("kl", LatentDensity(n_components=3)))
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(8,)), anomaly_score=given, max_epochs=1, random_state=0
    ).fit(X)
    spelt_out = Combined(scores=(ModelScore(quantity="kl"), LatentDensity(n_components=3)))
    same = clone(detector).set_params(anomaly_score=spelt_out).fit(X)
    assert_array_equal(detector.score_samples(X), same.score_samples(X))
    assert given.scores[0] == "kl"
    assert detector.anomaly_score_.spec is not given
    assert resolve("anomaly_score", "combined") is not resolve("anomaly_score", "combined")


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (ModelScore(quantity="beauty"), "'quantity' parameter of ModelScore"),
        (RelativeError(origin="centre"), "'origin' parameter of RelativeError"),
        (RelativeError(floor=0.0), "'floor' parameter of RelativeError"),
        (LatentDensity(n_components=0), "'n_components' parameter of LatentDensity"),
        (
            LatentDensity(n_components=2, covariance_type="round"),
            "'covariance_type' parameter of LatentDensity",
        ),
        (LatentDensity(reg_covar=-1.0), "'reg_covar' parameter of LatentDensity"),
        (LatentNeighbors(n_neighbors=0), "'n_neighbors' parameter of LatentNeighbors"),
        (LikelihoodRegret(n_steps=0), "'n_steps' parameter of LikelihoodRegret"),
        (LikelihoodRegret(learning_rate=0.0), "'learning_rate' parameter of LikelihoodRegret"),
        (LikelihoodRegret(n_bound_samples=0), "'n_bound_samples' parameter of LikelihoodRegret"),
        (Combined(scores="kl"), "'scores' parameter of Combined"),
        (Combined(scores=()), "'scores' parameter of Combined must be one or more of .*got \\(\\)"),
        (
            Combined(scores=("kl", "beauty")),
            "'scores' parameter of Combined .* got \\('kl', 'beauty'\\)",
        ),
        (Combined(scores=("kl", 3)), "'scores' parameter of Combined"),
        (Combined(standardization="max"), "'standardization' parameter of Combined"),
        (
            Combined(scores=(LatentDensity(n_components=0),)),
            "'n_components' parameter of LatentDensity",
        ),
        (LatentDensity, "'anomaly_score' parameter .* an instance of 'skvae.scores.Score'"),
        (Combined(scores=(LatentDensity,)), "'scores' parameter of Combined"),
    ],
    ids=str,
)
def test_a_score_out_of_range_is_refused_before_training(score, message):
    detector = VAEAnomalyDetector(2, network=MLP(hidden_layer_sizes=(8,)), anomaly_score=score)
    with pytest.raises(InvalidParameterError, match=message):
        detector.fit(X)
    assert not hasattr(detector, "module_")


def test_scores_request_no_metadata():
    for cls in CLASSES:
        assert not [name for name in dir(cls) if name.startswith("set_") and "request" in name]
