import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from skvae.plotting import ExplanationDisplay


@pytest.fixture(scope="module")
def of_digits(digits):
    return VAEAnomalyDetector(4, network=MLP((16,)), max_epochs=2, random_state=0).fit(
        digits.data[:200]
    )


@pytest.fixture(scope="module")
def of_iris(iris):
    detector = VAEAnomalyDetector(
        2, network=MLP((16,)), max_epochs=2, random_state=0, anomaly_score="log_likelihood"
    )
    return detector.fit(iris.data)


def test_bars_are_the_contributions_of_a_row_the_greatest_on_top(of_iris, iris):
    rows = iris.data.iloc[[0, 120]].copy()
    rows.iloc[0, 3] = 40.0  # a petal as wide as a hand
    display = ExplanationDisplay.from_estimator(of_iris, rows)
    contributions = of_iris.explain(rows)
    for bars, panel, row in zip(display.bars_, display.axes_, contributions, strict=True):
        order = np.argsort(-row)
        np.testing.assert_allclose([bar.get_width() for bar in bars], row[order])
        names = [label.get_text() for label in panel.get_yticklabels()]
        assert names == iris.data.columns[order].tolist()
        assert panel.yaxis_inverted()
    assert display.axes_[0].get_yticklabels()[0].get_text() == "petal width (cm)"
    assert display.axes_[-1].get_xlabel() == "lowers the score by (nats)"
    assert display.maps_ == []


def test_the_features_asked_for_are_shown_in_their_order(of_iris, iris):
    features = ["petal width (cm)", 0]
    display = ExplanationDisplay.from_estimator(of_iris, iris.data[:1], features=features)
    expected = of_iris.explain(iris.data[:1])[0, [3, 0]]
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_[0]], expected)


def test_images_stand_above_maps_of_their_pixels(of_digits, digits):
    X = digits.data[:3]
    display = ExplanationDisplay.from_estimator(of_digits, X)
    contributions = of_digits.explain(X)
    assert display.axes_.shape == (2, 3)
    for shown, image, found, row in zip(
        display.images_, X, display.maps_, contributions, strict=True
    ):
        np.testing.assert_allclose(shown.get_array(), image.reshape(8, 8) / image.max())
        np.testing.assert_allclose(found.get_array(), row.reshape(8, 8))
        assert found.get_clim() == (-np.abs(contributions).max(), np.abs(contributions).max())
    assert display.axes_[0, 1].get_title() == f"score {of_digits.score_samples(X)[1]:.3g}".replace(
        "-", "−"
    )
    assert display.bars_ == []


def test_the_colours_of_a_pixel_are_one_in_the_map():
    rng = np.random.default_rng(0)
    contributions, X = rng.normal(size=(2, 48)), rng.uniform(size=(2, 48))
    display = ExplanationDisplay(contributions, X, kind="image", image_shape=(4, 4, 3)).plot()
    expected = contributions[0].reshape(4, 4, 3).sum(2)
    np.testing.assert_allclose(display.maps_[0].get_array(), expected)
    assert [panel.get_title() for panel in display.axes_[0]] == ["row 0", "row 1"]
    assert display.axes_[0, 0].images[0].get_array().shape == (4, 4, 3)


def test_a_score_without_a_unit_names_none(iris):
    detector = VAEAnomalyDetector(
        2, network=MLP((8,)), max_epochs=2, random_state=0, anomaly_score="combined"
    ).fit(iris.data)
    display = ExplanationDisplay.from_estimator(detector, iris.data[:1])
    assert display.axes_[0].get_xlabel() == "lowers the score by"


def test_the_panels_take_the_place_of_the_axes_given(of_iris, iris):
    figure, axes = plt.subplots(1, 2)
    display = ExplanationDisplay.from_estimator(of_iris, iris.data[:2], ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert all(panel.get_position().x0 > 0.5 for panel in display.axes_)


def test_bad_input_is_refused(of_iris, of_digits, iris, digits):
    with pytest.raises(ValueError, match="VAETransformer explains no scores"):
        ExplanationDisplay.from_estimator(VAETransformer(), iris.data)
    with pytest.raises(NotFittedError):
        ExplanationDisplay.from_estimator(VAEAnomalyDetector(), iris.data[:1])
    with pytest.raises(ValueError, match="150 rows are too many .* explains 9"):
        ExplanationDisplay.from_estimator(of_iris, iris.data)
    with pytest.raises(ValueError, match="13 rows are too many .* explains 12"):
        ExplanationDisplay.from_estimator(of_digits, digits.data[:13])
    with pytest.raises(ValueError, match="'contributions' has shape"):
        ExplanationDisplay(np.zeros((1, 3)), iris.data[:1]).plot()
