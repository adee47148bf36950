"""The relative error, computed by NumPy from the reconstructions of a detector."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_wine

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import RelativeError


def fitted(X, score="relative_error", **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "random_state": 0,
        **changes,
    }
    return VAEAnomalyDetector(2, anomaly_score=score, **settings).fit(X)


def by_hand(detector, X, scale, origin, floor=0.01):
    error = (((X - detector.reconstruct(X)) / scale) ** 2).sum(1)
    norm = (((X - origin) / scale) ** 2).sum(1)
    return -error / (norm + floor * norm.mean())


def test_the_norm_of_images_is_that_of_the_raw_pixels(digits):
    X = digits.data[:100]
    detector = fitted(X)
    assert_allclose(detector.score_samples(X), by_hand(detector, X, 1.0, 0.0), rtol=1e-9)
    detector = fitted(X / 16, likelihood="bernoulli")  # which has no scale
    assert_allclose(detector.score_samples(X / 16), by_hand(detector, X / 16, 1, 0), rtol=1e-6)


def test_the_norm_of_table_rows_is_in_standard_deviations_from_the_mean():
    X = load_wine().data
    detector = fitted(X)
    expected = by_hand(detector, X, X.std(0), X.mean(0))
    assert_allclose(detector.score_samples(X), expected, rtol=1e-6)


@pytest.mark.parametrize(("origin", "start"), [("zero", 0.0), ("mean", 1.0)])
def test_origin_and_floor_are_the_parameters(origin, start):
    X = load_wine().data
    detector = fitted(X, RelativeError(origin=origin, floor=0.5))
    expected = by_hand(detector, X, X.std(0), start * X.mean(0), floor=0.5)
    assert_allclose(detector.score_samples(X), expected, rtol=1e-6)


def test_the_unit_of_the_pixels_makes_no_difference(digits):
    X = digits.data[:100]
    scores, others = fitted(X).score_samples(X), fitted(X / 16).score_samples(X / 16)
    assert_allclose(scores, others, rtol=1e-3)


def test_counts_are_not_measured_by_their_logarithms():
    X = np.random.default_rng(0).poisson([3.0, 30.0, 300.0], size=(80, 3)).astype(float)
    detector = fitted(X, likelihood="poisson")
    expected = by_hand(detector, X, X.std(0), X.mean(0))
    assert_allclose(detector.score_samples(X), expected, rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.7, 1.5])
@pytest.mark.parametrize("shape", [None, (4, 16), (16, 4), (4, 4, 4)])
def test_the_blurred_error_is_that_of_scipy(digits, sigma, shape):
    X = digits.data[:50]
    detector = fitted(X, RelativeError(blur=sigma, image_shape=shape))
    height, width, *colours = shape or (8, 8)
    images = (X - detector.reconstruct(X)).reshape(-1, height, width, *(colours or [1]))
    blurred = gaussian_filter(images, sigma, axes=(1, 2), mode="constant", truncate=4.0)
    norm = (X**2).sum(1)
    expected = -(blurred**2).sum((1, 2, 3)) / (norm + 0.01 * norm.mean())
    assert_allclose(detector.score_samples(X), expected, rtol=1e-9)


def test_rows_of_another_shape_cannot_be_blurred(digits):
    message = r"'image_shape' of RelativeError is \(5, 5\), that is 25 values, but X has 64"
    with pytest.raises(ValueError, match=message):
        fitted(digits.data[:50], RelativeError(blur=1, image_shape=(5, 5)))


def test_scores_of_rows_without_a_norm_are_finite(digits):
    assert np.isfinite(fitted(digits.data[:50]).score_samples(np.zeros((1, 64)))).all()
    assert np.isfinite(fitted(np.zeros((10, 4))).score_samples(np.zeros((1, 4)))).all()
