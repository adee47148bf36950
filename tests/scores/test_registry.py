"""What short names stand for, and what is refused before training starts."""

import numpy as np
import pytest
from skvae.scores._registry import SHORT_NAMES, resolve_score

from skvae import VAEAnomalyDetector
from skvae._validation import InvalidParameterError
from skvae.networks import MLP
from skvae.scores import (
    Combined,
    LatentDensity,
    LatentNeighbors,
    LikelihoodRegret,
    ModelScore,
    RelativeError,
    ResidualNeighbors,
    Typicality,
)

X = np.random.default_rng(0).normal(size=(30, 4))


def test_every_public_score_has_a_short_name():
    classes = {type(score) for score in SHORT_NAMES.values()}
    assert classes == {
        Combined,
        LatentDensity,
        LatentNeighbors,
        LikelihoodRegret,
        ModelScore,
        RelativeError,
        ResidualNeighbors,
        Typicality,
    }


def test_the_parts_of_a_sum_are_resolved_and_what_was_given_is_not_changed():
    given = Combined(scores=("kl", LatentDensity(n_components=3)))
    resolved = resolve_score(given)
    assert repr(resolved.scores) == "(ModelScore(quantity='kl'), LatentDensity(n_components=3))"
    assert given.scores[0] == "kl"
    assert resolve_score("combined") is not SHORT_NAMES["combined"]


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
        (LatentDensity, "must be an object, got the class LatentDensity"),
    ],
    ids=str,
)
def test_a_score_out_of_range_is_refused_before_training(score, message):
    detector = VAEAnomalyDetector(2, network=MLP(hidden_layer_sizes=(8,)), anomaly_score=score)
    with pytest.raises(InvalidParameterError, match=message):
        detector.fit(X)
    assert not hasattr(detector, "net_")


def test_scikit_learn_routes_nothing_to_a_score():
    for cls in {type(score) for score in SHORT_NAMES.values()}:
        assert not [name for name in dir(cls) if name.startswith("set_") and "request" in name]
