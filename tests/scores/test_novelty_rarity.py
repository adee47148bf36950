"""The default score, compared with its definition, and on the tables for which it was made."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import expon
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import NoveltyRarity
from tests.scores.helpers import scored_by
from tests.scores.test_neighbors import vectors

QUICK = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 5, "random_state": 0}


def tail(values, training):
    """Return -log p among the training values, extrapolated by an exponential distribution."""
    start = np.quantile(training, 0.9)
    below = (training[:, None] <= values).mean(0) / 2 + (training[:, None] < values).mean(0) / 2
    excess = (training[training > start] - start).mean()
    beyond = -expon(scale=excess).logsf(values - start) - np.log(0.1)
    return np.where(values > start, beyond, -np.log(np.maximum(1 - below, 0.1)))


def quantities(detector, X, training=None):
    """Return the logarithms of four distances of rows from the training rows, and their values."""
    known = {name: tensor.numpy() for name, tensor in detector.anomaly_score_.tensors.items()}
    own, rows = vectors(detector, X), known["rows"]
    distances = np.linalg.norm(own[:, None] - rows, axis=2)
    if training is not None:
        distances[np.arange(len(X)), training] = np.inf
    nearest, in_core = (
        np.sort(d, axis=1) for d in (distances, distances[:, known["core"].astype(int)])
    )
    of_subsets = distances[:, known["subsets"].astype(int)].min(2).mean(1)
    found = [nearest[:, 0], nearest[:, :5].mean(1), in_core[:, :5].mean(1), of_subsets]
    return np.log(np.stack(found) + 1e-3), own[:, : X.shape[1]]


def test_scores_of_new_rows_have_the_documented_definition(detector, X):
    train, new = X[:100], X[100:]
    scored = scored_by("novelty_rarity", detector, train)
    distances, values = quantities(scored, new)
    of_training, training_values = quantities(scored, train, np.arange(100))
    forest = IsolationForest(random_state=0).fit(training_values)
    isolation = [-forest.score_samples(rows) for rows in (values, training_values)]
    novelty, *near = (tail(*pair) for pair in zip(distances, of_training, strict=True))
    rarity = (np.mean(near, axis=0) + tail(*isolation)) / 2
    expected = -(2 * np.maximum(novelty - np.log(2), 0) + rarity)
    errors = np.abs(scored.score_samples(new) - expected)
    assert np.quantile(errors, 0.95) < 0.1  # shares are interpolated between training rows
    assert errors.max() < 0.3


@pytest.mark.parametrize("n_copies", [3, 6, 10, 50])
def test_copies_of_an_outlier_do_not_vouch_for_one_another(n_copies):
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(600, 10)) @ rng.normal(size=(10, 10)) / 2
    far = 3.5 * normal.std(0) * np.sign(rng.normal(size=10))
    X = np.vstack([normal, np.repeat(far[None], n_copies, axis=0)])
    is_outlier = np.arange(len(X)) >= len(normal)
    scores = VAEAnomalyDetector(**QUICK).fit(X).score_samples(X)
    assert roc_auc_score(is_outlier, -scores) > 0.97


def test_novelty_is_zero_for_training_rows_and_decides_for_new_ones(detector, X):
    rarity = scored_by(NoveltyRarity(novelty=0), detector, X)
    both = scored_by(NoveltyRarity(novelty=5), detector, X)
    assert_allclose(both.score_samples(X), rarity.score_samples(X), rtol=1e-12)
    rng = np.random.default_rng(0)
    shuffled = np.stack([rng.permutation(column) for column in X.T], axis=1)
    lost = rarity.score_samples(shuffled) - both.score_samples(shuffled)
    assert np.median(lost) > 5
    assert (lost >= 0).all()


SCORES = ["novelty_rarity", "residual_neighbors", "latent_neighbors", "log_likelihood", "combined"]


@pytest.mark.parametrize("score", SCORES)
@given(seed=st.integers(0, 2**16), n_levels=st.integers(2, 4), dtype=st.sampled_from("fd"))
@settings(max_examples=3, deadline=None)
def test_repeated_rows_get_one_answer_alone_and_in_any_batch(score, seed, n_levels, dtype):
    rng = np.random.default_rng(seed)
    X = rng.binomial(n_levels - 1, 0.2, size=(120, 3)).astype(dtype)
    detector = VAEAnomalyDetector(2, anomaly_score=score, **QUICK).fit(X)
    answers = detector.predict(X)
    order = rng.permutation(len(X))
    assert (detector.predict(X[order]) == answers[order]).all()
    rows, first = np.unique(X, axis=0, return_index=True)
    assert (detector.predict(rows) == answers[first]).all()
    alone = [detector.predict(row[None])[0] for row in rows]
    assert (np.array(alone) == answers[first]).all()
    for row, answer in zip(rows, alone, strict=True):
        assert set(answers[(row == X).all(1)]) == {answer}


@given(
    n_rows=st.integers(2, 40), odd=st.sampled_from([0.0, 1.0]), n_trees=st.sampled_from([1, 3, 7])
)
@example(n_rows=30, odd=0.0, n_trees=100)
@example(n_rows=17, odd=1.0, n_trees=100)
@settings(max_examples=15, deadline=None)
def test_the_score_of_rows_that_are_nearly_all_equal_does_not_depend_on_the_batch(
    n_rows, odd, n_trees
):
    X = np.zeros((n_rows, 1))
    X[0] = odd
    linear = QUICK | {"network": MLP(hidden_layer_sizes=()), "max_epochs": 1}
    score = NoveltyRarity(n_estimators=n_trees)
    detector = VAEAnomalyDetector(1, anomaly_score=score, **linear).fit(X)
    alone = [detector.score_samples(row[None])[0] for row in X]
    assert_allclose(alone, detector.score_samples(X), atol=1e-9)


def test_the_core_is_the_likelier_half_of_the_rows_kept(detector, X):
    scored = scored_by("novelty_rarity", detector, X)
    likelihood = scored_by("log_likelihood", detector, X).score_samples(X)
    core = scored.anomaly_score_.tensors["core"].numpy().astype(int)
    assert len(core) == len(X) // 2
    assert likelihood[core].min() >= np.delete(likelihood, core).max()


def test_rows_that_were_not_kept_are_compared_with_those_that_were(detector, X):
    scored = scored_by(NoveltyRarity(max_rows=20), detector, X)
    tree = NearestNeighbors(n_neighbors=1).fit(scored.anomaly_score_.tensors["rows"].numpy())
    assert len(scored.anomaly_score_.tensors["rows"]) == 20
    distances = tree.kneighbors(vectors(scored, X))[0][:, 0]
    no_novelty = scored_by(NoveltyRarity(max_rows=20, novelty=0), detector, X)
    lost = no_novelty.score_samples(X) - scored.score_samples(X)
    assert (lost[distances < 1e-9] == 0).all()
    assert lost[distances.argmax()] == lost.max() > 0
