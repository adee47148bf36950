"""The parts that pictures of tables are made of."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skvae.plotting._table_panels import (
    draw_distributions,
    draw_feature_maps,
    feature_panels,
    label_outer,
    standardize,
)


@pytest.fixture
def ax():
    return plt.subplots(layout="constrained")[1]


def test_standardised_columns_are_those_of_the_scaler():
    X = np.random.default_rng(0).normal(3, 2, size=(20, 4))
    other = X + 1
    np.testing.assert_allclose(standardize(other, like=X), StandardScaler().fit(X).transform(other))


def test_a_constant_column_stands_at_zero():
    assert not standardize(np.full((3, 1), 5.0), like=np.full((3, 1), 5.0)).any()


def test_maps_have_features_downwards_and_share_one_scale(ax):
    Z = np.arange(6.0).reshape(3, 2)
    panels, images = draw_feature_maps(ax, {"one": Z, "two": -Z}, ["a", "b"], "unit", limit=2)
    np.testing.assert_array_equal(images[1].get_array(), -Z.T)
    assert [image.get_clim() for image in images] == [(-2, 2), (-2, 2)]
    assert [panel.get_title() for panel in panels] == ["one", "two"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["a", "b"]


@pytest.mark.parametrize(("n_features", "n_at_foot"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3)])
def test_panels_are_one_for_each_feature_labelled_at_the_foot_of_their_columns(
    ax, n_features, n_at_foot
):
    names = [f"feature {i}" for i in range(n_features)]
    panels = feature_panels(ax, names)
    label_outer(panels, "across", "upwards")
    assert [panel.get_title() for panel in panels] == names
    assert len(ax.figure.axes) == n_features + 1  # with the frame
    assert [panel.get_xlabel() for panel in panels].count("across") == n_at_foot


def test_distributions_are_shares_of_the_rows_back_to_back(ax):
    rng = np.random.default_rng(0)
    tables = {"data": rng.normal(size=(500, 2)), "samples": 9 + rng.normal(size=(100, 2))}
    data, samples, *_ = draw_distributions(ax, tables, ["a", "b"])
    heights = -(data.get_data().values - data.get_data().baseline)
    counts, _ = np.histogram(tables["data"][:, 0], data.get_data().edges)
    np.testing.assert_allclose(heights / heights.sum(), counts / 500)
    below = samples.get_data().values - samples.get_data().baseline
    assert below[-1] == pytest.approx(0.45)  # all that lie beyond the end, and the tallest bar
    assert not below[:-1].any()
