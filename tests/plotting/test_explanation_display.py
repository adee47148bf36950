"""Contributions as bars of a table and as maps of images."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.plotting import ExplanationDisplay


def test_bars_are_the_contributions_in_descending_order(detector_of_table, iris):
    rows = iris.data.iloc[[0, 120]].copy()
    rows.iloc[0, 3] = 40.0  # an extreme petal width
    display = ExplanationDisplay.from_estimator(detector_of_table, rows)
    explained = detector_of_table.explain(rows)
    for row, (bars, panel) in enumerate(zip(display.bars_, display.axes_, strict=True)):
        expected = explained[explained["row"] == row]
        np.testing.assert_allclose([bar.get_width() for bar in bars], expected["contribution"])
        texts = expected["feature"] + " " + expected["value"] + " (expected " + expected["expected"]
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert labels == (texts + ")").tolist()
        assert panel.yaxis_inverted()
    first = display.axes_[0].get_yticklabels()[0].get_text()
    assert first.startswith("petal width (cm) 40 (expected ")
    assert display.axes_[-1].get_xlabel() == "lowers the score by (nats)"
    assert display.maps_ == []


@pytest.mark.parametrize(("n_rows", "n_bars"), [(1, 10), (2, 7), (3, 5), (9, 2)])
def test_the_more_rows_are_explained_the_fewer_features_are_shown(n_rows, n_bars):
    display = ExplanationDisplay(np.ones((n_rows, 12)), np.ones((n_rows, 12))).plot()
    assert [len(bars) for bars in display.bars_] == [n_bars] * n_rows
    assert display.figure_.get_figheight() <= 9


def test_chosen_features_are_shown_in_the_order_given(detector_of_table, iris):
    features = ["petal width (cm)", 0]
    display = ExplanationDisplay.from_estimator(detector_of_table, iris.data[:1], features=features)
    explained = detector_of_table.explain(iris.data[:1]).set_index("feature")["contribution"]
    expected = explained[["petal width (cm)", "sepal length (cm)"]]
    np.testing.assert_allclose([bar.get_width() for bar in display.bars_[0]], expected)


def test_images_are_drawn_above_maps_of_their_pixels(detector_of_images, images):
    X = images[:3]
    display = ExplanationDisplay.from_estimator(detector_of_images, X)
    contributions = detector_of_images.explain(X)
    assert display.axes_.shape == (2, 3)
    limit = np.abs(contributions).max()
    for shown, image, drawn, row in zip(
        display.images_, X, display.maps_, contributions, strict=True
    ):
        np.testing.assert_allclose(shown.get_array(), image.reshape(8, 8) / image.max())
        np.testing.assert_allclose(drawn.get_array(), row.reshape(8, 8))
        assert drawn.get_clim() == (-limit, limit)
    score = detector_of_images.score_samples(X)[1]
    assert display.axes_[0, 1].get_title() == f"score {score:.3g}".replace("-", "−")
    assert display.bars_ == []


def test_contributions_of_the_colours_of_a_pixel_are_summed():
    rng = np.random.default_rng(0)
    contributions, X = rng.normal(size=(2, 48)), rng.uniform(size=(2, 48))
    display = ExplanationDisplay(contributions, X, kind="image", image_shape=(4, 4, 3)).plot()
    expected = contributions[0].reshape(4, 4, 3).sum(2)
    np.testing.assert_allclose(display.maps_[0].get_array(), expected)
    assert [panel.get_title() for panel in display.axes_[0]] == ["row 0", "row 1"]
    assert display.axes_[0, 0].images[0].get_array().shape == (4, 4, 3)


def test_label_of_a_score_without_a_unit_has_none(detector_of_images, images):
    detector = clone(detector_of_images).set_params(anomaly_score="residual_neighbors").fit(images)
    display = ExplanationDisplay.from_estimator(detector, images[:1], kind="table")
    assert display.axes_[0].get_xlabel() == "lowers the score by"


def test_invalid_input_raises(detector_of_table, detector_of_images, iris, images):
    with pytest.raises(ValueError, match="VAETransformer does not explain scores"):
        ExplanationDisplay.from_estimator(VAETransformer(), iris.data)
    with pytest.raises(NotFittedError):
        ExplanationDisplay.from_estimator(VAEAnomalyDetector(), iris.data[:1])
    with pytest.raises(ValueError, match="150 rows are too many .* explains 9"):
        ExplanationDisplay.from_estimator(detector_of_table, iris.data)
    with pytest.raises(ValueError, match="13 rows are too many .* explains 12"):
        ExplanationDisplay.from_estimator(detector_of_images, images[:13])
    with pytest.raises(ValueError, match="'contributions' has shape"):
        ExplanationDisplay(np.zeros((1, 3)), iris.data[:1]).plot()


def test_rows_are_named_and_cells_have_facts(of_customers, customers):
    rows = customers.iloc[[3, 8]].copy()
    rows.iloc[0, 6] = 792.4444444
    display = ExplanationDisplay.from_estimator(of_customers, rows)
    scores = of_customers.score_samples(rows)
    for panel, name, score in zip(display.axes_, rows.index, scores, strict=True):
        assert panel.get_title(loc="right") == f"row {name}, score {score:.3g}".replace("-", "−")
    explained = of_customers.explain(rows).set_index(["row", "feature"])
    bill = explained.loc[(0, "bill")]
    labels = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert f"bill 792.44 (expected {bill['expected']})" in labels


def test_rows_without_an_index_are_numbered(of_customers, customers):
    polars = pytest.importorskip("polars", reason="polars is optional")
    frame = polars.from_pandas(customers[:2])
    contributions = of_customers.explain(customers[:2])
    display = ExplanationDisplay(contributions, frame).plot()
    assert [panel.get_title(loc="right") for panel in display.axes_] == ["row 0", "row 1"]


def test_a_missing_value_is_called_missing(of_customers, customers):
    explained = of_customers.explain(customers[:1])
    explained.loc[0, "value"] = None
    display = ExplanationDisplay(explained, customers[:1]).plot()
    first = display.axes_[0].get_yticklabels()[0].get_text()
    assert first.startswith(f"{explained.loc[0, 'feature']} missing (expected ")


def test_one_feature_of_one_row_has_room():
    ExplanationDisplay(np.ones((1, 1)), np.ones((1, 1))).plot().figure_.canvas.draw()
