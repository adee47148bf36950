"""The histogram of anomaly scores, and the rows at its two ends."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.plotting import AnomalyScoreDisplay, LatentSpaceDisplay


def _count(bars):
    return sum(bar.get_height() for bar in bars)


def test_each_row_is_counted_in_its_group(detector_of_images, images):
    y = np.where(np.arange(200) < 30, -1, 1)
    display = AnomalyScoreDisplay.from_estimator(detector_of_images, images, y)
    assert [_count(bars) for bars in display.histograms_] == [170, 30]
    assert display.line_.get_xdata()[0] == detector_of_images.offset_
    assert display.ax_.get_xlabel().startswith("novelty rarity (higher is more normal)")


def test_bounds_on_the_likelihood_are_in_nats():
    display = AnomalyScoreDisplay([0.0, 1.0], 0.5, score_name="log_likelihood").plot()
    assert display.ax_.get_xlabel().startswith("log likelihood (nats; higher is more normal)")


def test_scores_of_another_detector_have_no_unit_and_no_examples(iris):
    forest = IsolationForest(n_estimators=10, random_state=0).fit(iris.data)
    display = AnomalyScoreDisplay.from_predictions(
        forest.score_samples(iris.data), forest.offset_, score_name="isolation"
    )
    assert "nats" not in display.ax_.get_xlabel()
    assert display.example_axes_ == []
    assert _count(display.histograms_[0]) == 150


def test_first_bar_includes_a_long_tail_and_the_label_says_so():
    scores = [-1e6, -1e5, *np.linspace(-1, 1, 98)]
    display = AnomalyScoreDisplay(scores, threshold=-0.8).plot()
    (bars,) = display.histograms_
    assert _count(bars) == 100
    assert bars[0].get_x() == pytest.approx(-0.8 - 4 * 1.8)
    assert bars[0].get_height() == 2
    assert "the first bar holds all rows below −7.78" in display.ax_.get_xlabel()


def test_histogram_without_a_long_tail_begins_at_the_lowest_score():
    display = AnomalyScoreDisplay(np.linspace(-3, 1, 50), threshold=-0.8).plot()
    assert display.histograms_[0][0].get_x() == -3
    assert "first bar" not in display.ax_.get_xlabel()


@pytest.mark.parametrize("threshold", [-5.0, 0.0, 5.0])
def test_threshold_is_always_within_the_histogram(threshold):
    display = AnomalyScoreDisplay([0.0, 0.0], threshold).plot()
    (bars,) = display.histograms_
    assert display.line_.get_xdata()[0] == threshold
    assert bars[0].get_x() <= threshold <= bars[-1].get_x() + bars[-1].get_width()
    assert _count(bars) == 2


def test_least_and_most_normal_images_are_drawn_in_order(detector_of_images, images):
    display = AnomalyScoreDisplay.from_estimator(detector_of_images, images, n_examples=3)
    order = np.argsort(detector_of_images.score_samples(images))
    np.testing.assert_array_equal(display.least_normal_, order[:3])
    np.testing.assert_array_equal(display.most_normal_, order[:-4:-1])
    least, most = (np.asarray(image.get_array()) for image in display.images_)
    for drawn, rows in ((least, order[:3]), (most, order[:-4:-1])):
        expected = images[rows[0]].reshape(8, 8) / images[rows].max()
        np.testing.assert_allclose(drawn[:, :8], expected)
    titles = [panel.get_title() for panel in display.example_axes_]
    assert titles == ["least normal rows", "most normal rows"]


def test_rows_of_a_table_show_the_features_that_deviate_most(detector_of_table, iris):
    X = iris.data.copy()
    X.iloc[7, 3] = 40.0  # an extreme petal width
    display = AnomalyScoreDisplay.from_estimator(detector_of_table, X, n_examples=1)
    errors = X.to_numpy() - detector_of_table.reconstruct(X).to_numpy()
    expected = (errors / errors.std(axis=0))[7]
    names = [label.get_text() for label in display.example_axes_[0].get_yticklabels()]
    columns = [X.columns.get_loc(name) for name in names]
    np.testing.assert_allclose(display.images_[0].get_array()[:, 0], expected[columns], rtol=1e-4)
    assert (np.diff(np.abs(expected[columns])) <= 0).all()  # whatever their sign
    assert names[0] == "petal width (cm)"


def test_a_constant_error_is_not_divided_by_its_spread():
    X = np.array([[1.0, 5], [-1, 5], [3, 5], [-3, 5]])
    display = AnomalyScoreDisplay(
        np.arange(4.0), 1.0, X=X, X_reconstructed=np.zeros((4, 2)), features=[0, 1]
    ).plot()
    expected = X / [np.sqrt(5), 1]
    np.testing.assert_allclose(display.images_[0].get_array(), expected.T)


def test_invalid_input_raises(detector_of_table, iris):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnomalyScoreDisplay([0.0, 1.0], 0.5, y=[1]).plot()
    with pytest.raises(ValueError, match=r"'y' must hold -1 .* got the values \[0, 1\]"):
        AnomalyScoreDisplay([0.0, 1.0], 0.5, y=[1, 0]).plot()
    with pytest.raises(ValueError, match="pass 'X_reconstructed' too"):
        AnomalyScoreDisplay(np.arange(150.0), 0.5, X=iris.data).plot()
    with pytest.raises(ValueError, match="VAETransformer is not a VAEAnomalyDetector"):
        AnomalyScoreDisplay.from_estimator(VAETransformer(), iris.data)
    with pytest.raises(ValueError, match="'n_examples' must be an integer of at least 1"):
        AnomalyScoreDisplay.from_estimator(detector_of_table, iris.data, n_examples=0)
    with pytest.raises(NotFittedError):
        AnomalyScoreDisplay.from_estimator(VAEAnomalyDetector(), iris.data)


def test_a_row_with_an_impossible_value_is_shown_with_its_deviation(iris):
    counts = np.rint(10 * np.asarray(iris.data))
    detector = VAEAnomalyDetector(2, likelihood="poisson", max_epochs=1, random_state=0).fit(counts)
    expected = AnomalyScoreDisplay.from_estimator(detector, counts).X_reconstructed
    np.testing.assert_array_equal(expected, detector.reconstruct(counts))
    counts[3, 2] = -80.0
    display = AnomalyScoreDisplay.from_estimator(detector, counts)
    assert display.least_normal_[0] == 3
    assert "the first bar holds all rows below" in display.ax_.get_xlabel()
    assert display.X_reconstructed.shape == counts.shape


def test_another_level_than_the_reconstruction_is_a_deviation(of_customers, customers):
    display = AnomalyScoreDisplay.from_estimator(
        of_customers, customers, n_examples=3, features=["plan", "age"]
    )
    reconstructed = of_customers.reconstruct(customers)
    differs = customers["plan"].to_numpy() != reconstructed["plan"].to_numpy()
    drawn = display.images_[0].get_array()
    np.testing.assert_allclose(drawn[0], differs[display.least_normal_] / differs.std())
    assert display.images_[0].norm.vmax == 4


def test_examples_of_a_table_have_their_labels(of_customers, customers):
    display = AnomalyScoreDisplay.from_estimator(of_customers, customers, n_examples=3)
    order = np.argsort(of_customers.score_samples(customers), kind="stable")
    least, most = (
        [label.get_text() for label in panel.get_xticklabels()] for panel in display.example_axes_
    )
    assert least == customers.index[order[:3]].tolist()
    assert most == customers.index[order[:-4:-1]].tolist()


def test_unseen_levels_and_impossible_numbers_are_drawn(of_customers, customers):
    odd = customers.copy()
    odd.loc["c103", "plan"] = "deluxe"
    odd.loc["c104", "age"] = -5
    display = AnomalyScoreDisplay.from_estimator(of_customers, odd, n_examples=2)
    assert 4 in display.least_normal_


def test_many_examples_have_no_labels(of_customers, customers):
    display = AnomalyScoreDisplay.from_estimator(of_customers, customers, n_examples=17)
    assert display.example_axes_[0].get_xticklabels() == []


@pytest.mark.parametrize(("n_outliers", "scale"), [(0, "linear"), (2, "log"), (30, "linear")])
def test_rows_are_counted_on_a_log_axis_if_outliers_are_few(n_outliers, scale):
    scores = np.r_[np.linspace(0, 1, 300) ** 4, np.linspace(-1, -0.9, n_outliers)]
    y = np.r_[np.ones(300), -np.ones(n_outliers)]
    labelled = AnomalyScoreDisplay(scores, -0.5, y).plot()
    unlabelled = AnomalyScoreDisplay(scores, -0.5).plot()
    for display in (labelled, unlabelled):
        assert display.ax_.get_yscale() == scale
        assert ("logarithmic" in display.ax_.get_ylabel()) == (scale == "log")


def test_inliers_and_outliers_have_the_colours_of_the_latent_map():
    y = np.repeat([1, -1], 10)
    histogram = AnomalyScoreDisplay(np.arange(20.0), 5.0, y).plot()
    latent = LatentSpaceDisplay(np.random.default_rng(0).normal(size=(20, 2)), y).plot()
    inliers, outliers = (to_hex(bars[0].get_facecolor()) for bars in histogram.histograms_)
    by_label = {each.get_label(): to_hex(each.get_facecolor()[0]) for each in latent.scatters_}
    assert by_label == {"1": inliers, "-1": outliers}
