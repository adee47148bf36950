"""The Fréchet distance against closed forms and SciPy's matrix square root."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.stats import ortho_group
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from skvae.metrics import frechet_distance

AS_GIVEN = FunctionTransformer()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def cloud(rng, mean, covariance, n_samples=50):
    """Rows with exactly this mean and covariance."""
    rows = rng.normal(size=(n_samples, len(mean)))
    rows -= rows.mean(0)
    rows @= np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows.T)))).T
    eigenvalues, axes = np.linalg.eigh(covariance)
    return mean + rows @ (axes * np.sqrt(eigenvalues.clip(0))).T


def random_covariance(rng, size):
    factor = rng.normal(size=(size, size))
    return factor @ factor.T


def test_diagonal_covariances_compare_standard_deviations(rng):
    std_x, std_y = np.array([1.0, 2.0, 3.0]), np.array([4.0, 2.0, 1.0])
    X = cloud(rng, np.zeros(3), np.diag(std_x**2))
    Y = cloud(rng, np.array([1.0, -2.0, 0.5]), np.diag(std_y**2))
    expected = (1 + 4 + 0.25) + (9 + 0 + 4)
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(expected, rel=1e-9)


def test_commuting_covariances_compare_along_their_axes(rng):
    axes = ortho_group.rvs(4, random_state=0)
    eigenvalues_x, eigenvalues_y = np.array([1.0, 4, 9, 16]), np.array([25.0, 1, 0, 4])
    X = cloud(rng, np.zeros(4), axes * eigenvalues_x @ axes.T)
    Y = cloud(rng, np.zeros(4), axes * eigenvalues_y @ axes.T)
    expected = np.square(np.sqrt(eigenvalues_x) - np.sqrt(eigenvalues_y)).sum()
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(expected, rel=1e-6)


def test_rotated_ellipses_agree_with_the_closed_form(rng):
    # trace of the root of a 2 x 2 matrix from its trace and determinant
    s, t, angle = 3.0, 0.5, 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    S_x = np.diag([s**2, t**2])
    S_y = turn @ S_x @ turn.T
    trace_of_root = np.sqrt(np.trace(S_x @ S_y) + 2 * s**2 * t**2)
    expected = 2 * (s**2 + t**2) - 2 * trace_of_root
    X, Y = (cloud(rng, np.zeros(2), S) for S in (S_x, S_y))
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_features", [1, 2, 7])
def test_any_covariances_agree_with_the_matrix_square_root(rng, n_features):
    S_x, S_y = (random_covariance(rng, n_features) for _ in range(2))
    X, Y = (cloud(rng, np.zeros(n_features), S) for S in (S_x, S_y))
    expected = np.trace(S_x + S_y - 2 * sqrtm(S_x @ S_y).real)
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(expected, rel=1e-8)


def test_a_translation_by_a_vector_gives_its_squared_length(rng):
    X = rng.normal(size=(100, 3)) @ rng.normal(size=(3, 3))
    shift = np.array([3.0, 4.0, -12.0])
    assert frechet_distance(X, X + shift, features=AS_GIVEN) == pytest.approx(169)


def test_many_samples_give_the_distance_of_their_distributions(rng):
    X = rng.normal(size=(100_000, 2))
    Y = 1 + 3 * rng.normal(size=(100_000, 2))
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(2 + 2 * 4, rel=0.02)


def test_equal_sets_have_distance_zero_in_any_order_of_rows(rng):
    for _ in range(20):  # rounding is as likely to give negative numbers as positive
        X = 1e3 + rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
        assert 0 <= frechet_distance(X, rng.permutation(X)) < 1e-9


def test_the_distance_is_symmetric_and_never_negative(rng):
    for scale in (1e-6, 1.0, 1e6):
        X, Y = rng.normal(size=(2, 40, 5)) * scale
        distance = frechet_distance(X, Y, features=AS_GIVEN)
        assert distance >= 0
        assert frechet_distance(Y, X, features=AS_GIVEN) == pytest.approx(distance)


def test_singular_covariances_are_exact(rng):
    line = rng.normal(size=(100, 1))
    X, Y = line * [1.0, 1.0, 0.0], line * [2.0, 2.0, 0.0]
    expected = 2 * (
        line.var(ddof=1) + line.mean() ** 2
    )  # half of the deviation of Y, and the shift
    assert frechet_distance(X, Y, features=AS_GIVEN) == pytest.approx(expected)
    point = np.zeros((5, 3))  # at distance of the whole variance of X
    assert frechet_distance(X, point, features=AS_GIVEN) == pytest.approx(expected)


def test_too_few_rows_warn_and_give_the_distance_of_their_moments(rng):
    X, Y = rng.normal(size=(4, 9)), rng.normal(size=(30, 9))
    with pytest.warns(UserWarning, match="X has 4 rows for 9 features.*features=PCA"):
        distance = frechet_distance(X, Y, features=AS_GIVEN)
    S_x, S_y = np.cov(X.T), np.cov(Y.T)
    root_y = sqrtm(S_y).real
    eigenvalues = np.linalg.eigvalsh(root_y @ S_x @ root_y)  # S_x S_y has no stable root
    expected = np.square(X.mean(0) - Y.mean(0)).sum() + np.trace(S_x + S_y)
    expected -= 2 * np.sqrt(eigenvalues.clip(0)).sum()
    assert distance == pytest.approx(expected, abs=1e-6)
    with pytest.warns(UserWarning, match="Y has 9 rows for 9 features"):
        frechet_distance(Y, Y[:9])


def test_one_row_more_than_features_does_not_warn(rng):
    frechet_distance(rng.normal(size=(10, 9)), rng.normal(size=(10, 9)))  # warnings are errors


def test_columns_of_tables_are_scaled_by_deviations_of_the_reference():
    X, y = load_wine(return_X_y=True)
    X, Y = X[y != 1], X[y == 1]
    scaler = StandardScaler().fit(X)
    assert frechet_distance(X, Y) == pytest.approx(frechet_distance(X, Y, features=scaler))
    units = 10.0 ** np.arange(X.shape[1])
    assert frechet_distance(units * X, units * Y) == pytest.approx(frechet_distance(X, Y))


def test_pixels_of_images_are_scaled_by_one_number(digits):
    X, Y = digits.data[:900], digits.data[900:]
    as_given = frechet_distance(X, Y, features=AS_GIVEN)
    assert frechet_distance(X, Y) == pytest.approx(as_given / 8**2)  # half of the range 0..16
    assert frechet_distance(X / 16, Y / 16) == pytest.approx(frechet_distance(X, Y))


def test_bad_samples_are_farther_away_than_real_rows(digits, rng):
    order = rng.permutation(1797)
    X, Y, y = digits.data[order[:900]], digits.data[order[900:]], digits.target[order[900:]]
    pca = PCA(4).fit(X)
    blurred = pca.inverse_transform(pca.transform(Y))
    one_class = Y[y == 3]
    noisy = Y + 2 * rng.normal(size=Y.shape)
    real = frechet_distance(X, Y)
    worse = [frechet_distance(X, Z) for Z in (blurred, one_class, noisy)]
    assert min(worse) > 3 * real


def test_features_are_outputs_of_a_transformer_classifier_or_function():
    X, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(150)
    A, B = X[order[:70]], X[order[70:]]
    pca, classifier = PCA(2).fit(X), LogisticRegression(max_iter=1000).fit(X, y)
    for features, function in (
        (pca, pca.transform),
        (classifier, classifier.predict_proba),
        (np.sqrt, np.sqrt),
    ):
        expected = frechet_distance(function(A), function(B), features=AS_GIVEN)
        assert expected > 0
        assert frechet_distance(A, B, features=features) == pytest.approx(expected)


def test_data_frames_are_passed_to_the_features_with_their_names():
    X = load_iris(as_frame=True).data
    scaler = StandardScaler().set_output(transform="pandas").fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert frechet_distance(X[::2], X[1::2], features=scaler) < 0.1
    assert isinstance(X, pd.DataFrame)


def test_float32_rows_are_accumulated_in_float64(rng):
    X, Y = (1e4 + rng.normal(size=(2, 500, 3))).astype(np.float32)
    expected = frechet_distance(X.astype(np.float64) - 1e4, Y.astype(np.float64) - 1e4)
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-3)


ROWS = np.random.default_rng(0).normal(size=(20, 3))
BAD = {
    "nan": ([[np.nan, 1, 2]] * 5, None, "Input X contains NaN"),
    "widths": (ROWS[:, :2], None, "X has 2 features, but Y has 3. Pass rows with the same columns"),
    "one row": (ROWS[:1], None, r"1 sample\(s\).* minimum of 2"),
    "no features": (ROWS, "inception", "'features' must be a fitted transformer.*'inception'"),
    "no probabilities": (ROWS, LinearSVC(), "'features' must be .* got LinearSVC"),
    "not 2-D": (ROWS, lambda rows: rows[:, 0], "Expected 2D array, got 1D array"),
    "unfitted": (ROWS, StandardScaler(), "not fitted yet"),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_input_raises(case):
    X, features, message = BAD[case]
    error = NotFittedError if case == "unfitted" else ValueError
    with pytest.raises(error, match=message):
        frechet_distance(X, ROWS, features=features)
