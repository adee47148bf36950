"""The histogram of anomaly scores, and rows of its two ends."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from skvae.plotting import AnomalyScoreDisplay


@pytest.fixture(scope="module")
def of_digits(digits):
    return VAEAnomalyDetector(4, network=MLP((16,)), max_epochs=2, random_state=0).fit(
        digits.data[:200]
    )


@pytest.fixture(scope="module")
def of_iris(iris):
    return VAEAnomalyDetector(2, network=MLP((16,)), max_epochs=2, random_state=0).fit(iris.data)


def _counts(bars):
    return sum(bar.get_height() for bar in bars)


def test_every_row_is_counted_in_its_group(of_digits, digits):
    y = np.where(np.arange(200) < 30, -1, 1)
    display = AnomalyScoreDisplay.from_estimator(of_digits, digits.data[:200], y)
    assert [_counts(bars) for bars in display.histograms_] == [170, 30]
    assert display.line_.get_xdata()[0] == of_digits.offset_
    assert display.ax_.get_xlabel().startswith("residual neighbors (higher is more normal)")


def test_quantities_of_the_model_are_in_nats(of_digits, digits):
    scores = of_digits.score_samples(digits.data[:200])
    display = AnomalyScoreDisplay(scores, 0.0, score_name="log_likelihood").plot()
    assert display.ax_.get_xlabel().startswith("log likelihood (nats; higher is more normal)")


def test_the_least_and_the_most_normal_images_stand_below(of_digits, digits):
    X = digits.data[:200]
    display = AnomalyScoreDisplay.from_estimator(of_digits, X, n_examples=3)
    order = np.argsort(of_digits.score_samples(X))
    np.testing.assert_array_equal(display.least_normal_, order[:3])
    np.testing.assert_array_equal(display.most_normal_, order[:-4:-1])
    least, most = (np.asarray(image.get_array()) for image in display.images_)
    np.testing.assert_allclose(least[:, :8], X[order[0]].reshape(8, 8) / X[order[:3]].max())
    np.testing.assert_allclose(most[:, :8], X[order[-1]].reshape(8, 8) / X[order[-3:]].max())
    assert [panel.get_title() for panel in display.example_axes_] == [
        "least normal rows",
        "most normal rows",
    ]


def test_rows_of_a_table_are_shown_by_their_most_deviant_features(of_iris, iris):
    X = iris.data.copy()
    X.iloc[7, 3] = 40.0  # a petal as wide as a hand
    display = AnomalyScoreDisplay.from_estimator(of_iris, X, n_examples=1)
    errors = X.to_numpy() - of_iris.reconstruct(X)
    expected = errors / errors.std(axis=0)
    names = [label.get_text() for label in display.example_axes_[0].get_yticklabels()]
    columns = [X.columns.get_loc(name) for name in names]
    np.testing.assert_allclose(
        display.images_[0].get_array()[:, 0], expected[7, columns], rtol=1e-4
    )
    assert (np.diff(np.abs(expected[7, columns])) <= 0).all()
    assert names[0] == "petal width (cm)"


def test_scores_of_another_detector_have_no_unit_and_no_examples(iris):
    forest = IsolationForest(random_state=0).fit(iris.data)
    display = AnomalyScoreDisplay.from_predictions(
        forest.score_samples(iris.data), forest.offset_, score_name="isolation"
    )
    assert "nats" not in display.ax_.get_xlabel()
    assert display.example_axes_ == []
    assert _counts(display.histograms_[0]) == 150


def test_histogram_and_examples_share_the_place_of_the_axes_given(of_iris, iris):
    figure, axes = plt.subplots(1, 2)
    display = AnomalyScoreDisplay.from_estimator(of_iris, iris.data, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert all(panel.get_position().x0 > 0.5 for panel in display.example_axes_)


def test_bad_input_is_refused(of_iris, iris):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnomalyScoreDisplay([0.0, 1.0], 0.5, y=[1]).plot()
    with pytest.raises(ValueError, match=r"'y' must hold -1 .* got the values \[0, 1\]"):
        AnomalyScoreDisplay([0.0, 1.0], 0.5, y=[1, 0]).plot()
    with pytest.raises(ValueError, match="pass 'X_reconstructed' too"):
        AnomalyScoreDisplay(np.arange(150.0), 0.5, X=iris.data).plot()
    with pytest.raises(ValueError, match="VAETransformer is no VAEAnomalyDetector"):
        AnomalyScoreDisplay.from_estimator(VAETransformer(), iris.data)
    with pytest.raises(ValueError, match="'n_examples' must be an integer of at least 1"):
        AnomalyScoreDisplay.from_estimator(of_iris, iris.data, n_examples=0)
    with pytest.raises(NotFittedError):
        AnomalyScoreDisplay.from_estimator(VAEAnomalyDetector(), iris.data)
