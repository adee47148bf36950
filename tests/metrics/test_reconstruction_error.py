"""Reconstruction errors against scikit-learn's metrics."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss, mean_absolute_error, root_mean_squared_error

from skvae import VAETransformer
from skvae.metrics import reconstruction_error
from skvae.networks import MLP

METRICS = ["rmse", "mae", "cross_entropy"]


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.integers(2, size=(30, 5)), rng.uniform(size=(30, 5))


def test_rmse_and_mae_agree_with_scikit_learn_over_all_values(pair):
    X, R = pair
    flat = X.ravel(), R.ravel()
    assert reconstruction_error(X, R) == pytest.approx(root_mean_squared_error(*flat))
    assert reconstruction_error(X, R, metric="mae") == pytest.approx(mean_absolute_error(*flat))


def test_cross_entropy_of_binary_rows_is_the_sum_of_log_losses(pair):
    X, R = pair
    expected = sum(log_loss(X[:, j], R[:, j]) for j in range(5))
    assert reconstruction_error(X, R, metric="cross_entropy") == pytest.approx(expected)


def test_cross_entropy_of_grey_levels_is_least_at_the_original(pair):
    grey = pair[1]
    least = reconstruction_error(grey, grey, metric="cross_entropy")
    entropy = -(grey * np.log(grey) + (1 - grey) * np.log1p(-grey)).sum(1).mean()
    assert least == pytest.approx(entropy)
    off = np.clip(grey + 0.01, 0, 1)
    assert reconstruction_error(grey, off, metric="cross_entropy") > least


def test_certain_and_wrong_values_cost_the_clipped_logarithm():
    X, R = np.array([[1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 1.0]])
    expected = -2 * np.log(1e-7) + 1e-7
    for dtype in (np.float64, np.float32):
        error = reconstruction_error(X, R.astype(dtype), metric="cross_entropy")
        assert error == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_errors_per_sample_are_those_of_single_rows(pair, metric):
    X, R = pair
    rows = reconstruction_error(X, R, metric=metric, per_sample=True)
    alone = [reconstruction_error(X[[i]], R[[i]], metric=metric) for i in range(30)]
    np.testing.assert_allclose(rows, alone)
    power = 2 if metric == "rmse" else 1
    whole = reconstruction_error(X, R, metric=metric)
    assert type(whole) is float
    assert whole**power == pytest.approx(np.mean(rows**power))


def test_the_error_of_pca_is_the_unexplained_variance(digits):
    X = digits.data
    pca = PCA(8).fit(X)
    error = reconstruction_error(X, pca.inverse_transform(pca.transform(X)))
    left = np.trace(np.cov(X.T)) * (1 - pca.explained_variance_ratio_.sum())
    assert error**2 == pytest.approx(left / 64 * (len(X) - 1) / len(X))


def test_differences_of_bytes_do_not_wrap_around():
    X, R = np.array([[0, 255]], dtype=np.uint8), np.array([[255, 0]], dtype=np.uint8)
    assert reconstruction_error(X, R) == 255


def test_reconstructions_of_a_bernoulli_likelihood_are_accepted(digits):
    X = digits.data[:100] / 16
    vae = VAETransformer(
        2, likelihood="bernoulli", network=MLP(hidden_layer_sizes=(8,)), max_epochs=2
    ).fit(X)
    error = reconstruction_error(X, vae.reconstruct(X), metric="cross_entropy")
    assert error < reconstruction_error(X, np.full_like(X, 0.5), metric="cross_entropy")


@pytest.mark.parametrize(
    ("X", "R", "metric", "message"),
    [
        ([[0.0, 1.0]], [[0.0]], "mae", r"X has shape \(1, 2\) and X_reconstructed \(1, 1\)"),
        ([[0.0]], [[np.nan]], "rmse", "Input X_reconstructed contains NaN"),
        ([[np.inf]], [[0.0]], "rmse", "Input X contains infinity"),
        ([[0.0]], [[0.0]], "mse", r"'metric' must be one of \['cross_entropy', 'mae', 'rmse'\]"),
        ([[0.0, 16.0]], [[0.0, 1.0]], "cross_entropy", "but X ranges from 0 to 16. Pass"),
        ([[0.0, 1.0]], [[-0.1, 1.1]], "cross_entropy", r"X_reconstructed ranges.* np.clip\("),
    ],
)
def test_invalid_input_raises(X, R, metric, message):
    with pytest.raises(ValueError, match=message):
        reconstruction_error(X, R, metric=metric)
