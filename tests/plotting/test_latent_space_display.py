"""The map of the latent space, and the styles and labels of classes."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.manifold import TSNE

from skvae.plotting import LatentSpaceDisplay


@pytest.fixture(scope="module")
def plane():
    return np.random.default_rng(0).normal(size=(90, 2))


def test_posterior_means_are_projected_by_pca_and_the_axes_say_so(of_table, iris):
    display = LatentSpaceDisplay.from_estimator(of_table, iris.data)
    Z = of_table.posterior(iris.data)[0]
    projection = PCA(2, random_state=0).fit(Z)
    (scatter,) = display.scatters_
    np.testing.assert_allclose(scatter.get_offsets(), projection.transform(Z), atol=1e-6)
    share = projection.explained_variance_ratio_[0]
    assert display.ax_.get_xlabel() == f"principal component 1 ({share:.0%} of variance)"
    assert "3 dimensions projected by PCA" in display.ax_.get_title()


def test_two_dimensions_are_drawn_class_by_class(plane):
    y = np.array(["no", "yes", "maybe"] * 30)
    display = LatentSpaceDisplay(plane, y).plot()
    assert len(display.scatters_) == 3
    np.testing.assert_array_equal(display.scatters_[2].get_offsets(), plane[y == "yes"])
    legend = display.ax_.get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["maybe", "no", "yes"]
    assert display.labels_ == []


def test_many_classes_with_short_names_are_written_on_the_map(plane):
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))[np.arange(90) % 26]
    display = LatentSpaceDisplay(plane, letters).plot()
    assert [label.get_text() for label in display.labels_] == sorted(set(letters))
    assert len(display.ax_.get_legend().get_texts()) == 26
    long_names = [f"class {letter}" for letter in letters]
    assert LatentSpaceDisplay(plane, long_names).plot().labels_ == []


@pytest.mark.parametrize(("values", "name"), [(np.linspace(0, 1, 90), "width"), (range(90), None)])
def test_numbers_have_a_colour_bar_with_their_name(plane, values, name):
    pd = pytest.importorskip("pandas")
    display = LatentSpaceDisplay(plane, pd.Series(values, name=name)).plot()
    np.testing.assert_array_equal(display.scatters_[0].get_array(), values)
    assert display.colorbar_.ax.get_ylabel() == (name or "y")
    assert display.ax_.get_legend() is None


def test_one_dimension_without_labels_is_a_histogram(plane):
    display = LatentSpaceDisplay(plane[:, :1]).plot()
    assert sum(bar.get_height() for bar in display.histogram_) == 90
    assert display.scatters_ == []


def test_one_dimension_has_a_strip_for_each_class(plane):
    y = np.arange(90) % 3
    display = LatentSpaceDisplay(plane[:, :1], y).plot()
    np.testing.assert_array_equal(display.points_[:, 0], plane[:, 0])
    np.testing.assert_array_equal(display.points_[:, 1].round(), y)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["0", "1", "2"]


def test_one_dimension_is_drawn_against_numbers(plane):
    display = LatentSpaceDisplay(plane[:, :1], plane[:, 1]).plot()
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), plane)
    assert display.colorbar_ is None


def test_keywords_are_passed_to_the_scatter(of_table, iris):
    display = LatentSpaceDisplay.from_estimator(
        of_table, iris.data, iris.target, scatter_kwargs={"s": 50, "alpha": 0.1}
    )
    assert [scatter.get_alpha() for scatter in display.scatters_] == [0.1] * 3
    assert display.scatters_[0].get_sizes().tolist() == [50]


def _looks(n_classes):
    y = np.array([f"class {i}" for i in range(n_classes)])
    scatters = LatentSpaceDisplay(np.zeros((n_classes, 2)), y).plot().scatters_
    colours = [tuple(scatter.get_facecolor()[0]) for scatter in scatters]
    markers = [scatter.get_paths()[0].vertices.tobytes() for scatter in scatters]
    return colours, markers


@pytest.mark.parametrize("n_classes", [2, 7, 8, 26, 50])
def test_no_two_classes_look_alike(n_classes):
    colours, markers = _looks(n_classes)
    assert len(set(zip(colours, markers, strict=True))) == n_classes


def test_ten_classes_differ_by_colour_alone():
    colours, markers = _looks(10)
    assert len(set(colours)) == 10
    assert len(set(markers)) == 1


def test_labels_are_at_the_medians_if_there_is_room():
    corners = np.array([[i, j] for i in range(3) for j in range(3)], dtype=float)
    points = np.r_[corners, corners + 0.1, corners + np.array([0.1, 0.4])]
    labels = LatentSpaceDisplay(points, np.tile(np.arange(9), 3)).plot().labels_
    assert [label.get_text() for label in labels] == list("012345678")
    places = [label.get_position() for label in labels]
    np.testing.assert_allclose(places, corners + 0.1, atol=1e-4)


def test_labels_of_coinciding_classes_move_apart():
    points = np.r_[np.zeros((26, 2)), [[-1, -1], [1, 1]]]
    labels = LatentSpaceDisplay(points, np.arange(28)).plot().labels_
    places = np.array([label.get_position() for label in labels]) / 2  # of an extent of two
    distances = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(28)
    assert distances.min() > 0.06


def test_invalid_input_raises(plane):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentSpaceDisplay(plane, y=[0, 1]).plot()
    with pytest.raises(ValueError, match="'y' has 90 classes, but no more than 50"):
        LatentSpaceDisplay(plane, y=[f"class {i}" for i in range(90)]).plot()

    with pytest.raises(ValueError, match="minimum of 2 is required by the projection"):
        LatentSpaceDisplay(np.ones((1, 5))).plot()


def test_classes_are_in_the_order_of_their_categories_and_gaps_are_last(plane):
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    sizes = pd.Series(["L", "S", None] * 30, name="size").astype(
        pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    )
    display = LatentSpaceDisplay(plane, sizes).plot()
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["S", "L", "missing"]
    assert legend.get_title().get_text() == "size"
    np.testing.assert_array_equal(display.scatters_[0].get_offsets(), plane[1::3])
    np.testing.assert_array_equal(display.scatters_[2].get_offsets(), plane[2::3])


@pytest.mark.parametrize("as_series", [True, False])
def test_dates_have_a_colour_bar(plane, as_series):
    dates = np.datetime64("2026-01-01") + np.arange(90)
    if as_series:
        dates = pytest.importorskip("pandas", reason="pandas is optional").Series(dates)
    display = LatentSpaceDisplay(plane, dates).plot()
    np.testing.assert_array_equal(np.diff(display.scatters_[0].get_array()), 1)
    display.figure_.canvas.draw()
    texts = [label.get_text() for label in display.colorbar_.ax.get_yticklabels()]
    assert all(text.startswith("2026-") for text in texts)
    assert LatentSpaceDisplay(plane[:, :1], dates).plot().colorbar_ is None


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_labels_may_be_a_column_of_any_library(plane, library):
    module = pytest.importorskip(library, reason=f"{library} is optional")
    make = module.Series if library == "polars" else lambda cells: module.chunked_array([cells])
    display = LatentSpaceDisplay(plane, make(["a", None, "b"] * 30)).plot()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["a", "b", "missing"]


def test_whole_numbers_with_gaps_are_classes(plane):
    y = np.array([3.0, np.nan, 10.0] * 30)
    display = LatentSpaceDisplay(plane, y).plot()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["3", "10", "missing"]


def test_tsne_replaces_the_principal_components(of_table, iris):
    display = LatentSpaceDisplay.from_estimator(of_table, iris.data, projection="tsne")
    Z = of_table.posterior(iris.data)[0]
    expected = TSNE(random_state=0).fit_transform(Z)
    np.testing.assert_allclose(display.points_, expected, rtol=1e-4)
    assert display.ax_.get_title() == "Latent space\n3 dimensions by t-SNE"
    assert display.ax_.get_xlabel() == ""


def test_few_rows_and_any_transformer_are_projected(plane):
    Z = np.c_[plane, plane[:, 0] ** 2]
    assert LatentSpaceDisplay(Z[:5], projection="tsne").plot().points_.shape == (5, 2)
    display = LatentSpaceDisplay(Z, projection=FactorAnalysis(2)).plot()
    np.testing.assert_allclose(display.points_, FactorAnalysis(2).fit_transform(Z))
    assert display.ax_.get_title() == "Latent space\n3 dimensions by FactorAnalysis"


def test_umap_is_used_where_it_is_installed(plane, monkeypatch):
    class UMAP(PCA):
        pass

    Z = np.c_[plane, plane]
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=lambda **kw: UMAP(2, **kw)))
    title = LatentSpaceDisplay(Z, projection="umap").plot().ax_.get_title()
    assert title == "Latent space\n4 dimensions by UMAP"
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"needs the package umap-learn.* projection='tsne'"):
        LatentSpaceDisplay(Z, projection="umap").plot()


@pytest.mark.parametrize(
    ("projection", "message"),
    [
        ("isomap", "'projection' must be 'pca', 'tsne', 'umap' or an object .* got 'isomap'"),
        (None, "got None"),
        (PCA(3), r"gave an array of shape \(90, 3\) for 90 rows; expected \(90, 2\)"),
    ],
)
def test_invalid_projections_raise(plane, projection, message):
    with pytest.raises(ValueError, match=message):
        LatentSpaceDisplay(np.c_[plane, plane], projection=projection).plot()
