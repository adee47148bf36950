"""Distances in the data space and in the latent space, compared with scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits, load_wine
from sklearn.neighbors import NearestNeighbors

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import LatentNeighbors, ResidualNeighbors
from skvae.scores._neighbors import ReferenceRows
from tests.scores.helpers import scored_by


def vectors(detector, X):
    """Return standardised rows beside their standardised residuals, computed by NumPy."""
    known = detector.anomaly_score_.tensors
    loc, scale, spread = (known[name].numpy() for name in ("loc", "scale", "spread"))
    residuals = (X - detector.reconstruct(X)) / scale
    return np.hstack([(X - loc) / scale, residuals]) / spread


@pytest.mark.parametrize("n_neighbors", [1, 5])
def test_neighbours_of_new_rows_are_the_nearest(detector, X, n_neighbors):
    train, new = X[:60], X[60:]
    by_neighbors = scored_by(ResidualNeighbors(n_neighbors=n_neighbors), detector, train)
    kept = vectors(by_neighbors, train)
    rows = by_neighbors.anomaly_score_.tensors["rows"].numpy()
    assert_allclose(rows, kept, rtol=1e-9, atol=1e-9)
    tree = NearestNeighbors(n_neighbors=n_neighbors).fit(kept)
    distances, _ = tree.kneighbors(vectors(by_neighbors, new))
    assert_allclose(by_neighbors.score_samples(new), -distances.mean(1), rtol=1e-9)


def test_a_training_row_is_not_its_own_neighbour(detector, X):
    by_neighbors = scored_by(ResidualNeighbors(n_neighbors=3), detector, X)
    rows = by_neighbors.anomaly_score_.tensors["rows"]
    distances, _ = NearestNeighbors(n_neighbors=3).fit(rows).kneighbors()
    assert_allclose(by_neighbors.score_samples(X), -distances.mean(1), rtol=1e-9)


def test_each_column_of_a_table_has_unit_size():
    rows = rows_learned_from(load_wine().data)
    values, residuals = np.split(np.sqrt((rows**2).mean(0)), 2)
    assert_allclose(values, 1, rtol=1e-6)
    assert (residuals < 1).all()  # they are divided by their spread plus 0.01 of the scale
    assert np.median(residuals) > 0.8


def test_all_pixels_of_images_together_have_unit_size():
    rows = rows_learned_from(load_digits().data)
    for half in np.split((rows**2).mean(0), 2):
        assert 0.9 < half.mean() < 1
        assert half.max() > 2 * half.mean()  # the middle of an image varies more than its border


def rows_learned_from(X):
    network = MLP(hidden_layer_sizes=(16,))
    detector = VAEAnomalyDetector(4, network=network, max_epochs=1, random_state=0).fit(X)
    return detector.anomaly_score_.tensors["rows"].numpy()


@pytest.mark.parametrize(("n_rows", "n_kept"), [(2, 2), (40, 40), (150, 50)])
def test_kept_rows_are_evenly_spaced(detector, X, n_rows, n_kept):
    by_neighbors = scored_by(ResidualNeighbors(max_rows=50), detector, X[:n_rows])
    rows = by_neighbors.anomaly_score_.tensors["rows"].numpy()
    assert rows.shape == (n_kept, 2 * X.shape[1])
    ends = vectors(by_neighbors, X[[0, n_rows - 1]])
    assert_allclose(rows[[0, -1]], ends, rtol=1e-9, atol=1e-9)
    assert np.isfinite(by_neighbors.score_samples(X)).all()


def test_an_unusual_combination_of_values_lowers_the_score(linear):
    """Steps of one length, along the plane that the model can describe and across it."""
    X, W = linear.X, linear.W
    along = W[:, 0] / np.linalg.norm(W[:, 0])
    across = np.linalg.svd(W.T)[2][-1]
    by_neighbors = scored_by(ResidualNeighbors(), linear.detector, X)
    scores = [by_neighbors.score_samples(X + 2 * step) for step in (along, across)]
    assert np.median(scores[1]) < 2 * np.median(scores[0])


@pytest.mark.parametrize("score", [ResidualNeighbors(), LatentNeighbors()])
def test_a_row_far_from_all_others_scores_lowest(detector, X, score):
    rows = np.vstack([X, 100 * X[:1]])
    assert scored_by(score, detector, X).score_samples(rows).argmin() == len(X)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n_measured", "n_kept"),
    [(150, 4, 4, 150), (10_001, 2, 2, 10_000), (1400, 784, 784, 1337), (10_000, 15, 1000, 2066)],
)
def test_by_default_the_number_of_kept_rows_is_bounded_by_memory(
    n_rows, n_features, n_measured, n_kept
):
    rows = np.zeros((n_rows, n_features), dtype=np.float32)
    kept = ReferenceRows("auto").keep(rows, n_measured)
    assert len(kept) == n_kept


def test_latent_neighbours_are_the_nearest(detector, X):
    Z = detector.transform(X)
    for n_neighbors in (1, 5):
        by_neighbors = scored_by(LatentNeighbors(n_neighbors=n_neighbors), detector, X[:60])
        distances, _ = NearestNeighbors(n_neighbors=n_neighbors).fit(Z[:60]).kneighbors(Z)
        assert_allclose(by_neighbors.score_samples(X), -distances.mean(1), rtol=1e-9, atol=1e-6)


def test_there_are_never_more_latent_neighbours_than_rows(detector, X):
    by_neighbors = scored_by(LatentNeighbors(n_neighbors=5), detector, X[:1])
    Z = detector.transform(X)
    expected = -np.linalg.norm(Z - Z[0], axis=1)
    assert_allclose(by_neighbors.score_samples(X), expected, atol=1e-9)
