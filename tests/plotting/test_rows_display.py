"""Rules that the displays share: images or tables, names of features, layout and docstrings."""

import re
from decimal import Decimal

import hypothesis
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from skvae import VAETransformer, plotting
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.plotting import (
    AnomalyScoreDisplay,
    ExplanationDisplay,
    InterpolationDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    ReconstructionDisplay,
    SampleDisplay,
    TableQualityDisplay,
    TrainingCurveDisplay,
)
from tests._rows.frames import frames

X = np.random.default_rng(0).normal(size=(4, 5))
WITH_PANELS = [
    AnomalyScoreDisplay(np.arange(4.0), 1.0, X=X, X_reconstructed=X / 2),
    ExplanationDisplay(X, X),
    InterpolationDisplay(X, X, np.stack([X, X], axis=1)),
    ManifoldDisplay(X, [0, 1]),
    ReconstructionDisplay(X, X / 2),
    TrainingCurveDisplay({"train_loss": [2.0, 1.0], "train_kl": [0.0, 1.0]}),
]
ON_AXES = [LatentSpaceDisplay(X[:, :2]), SampleDisplay(X)]


def _is_image(X, **settings):
    return SampleDisplay(X, **settings).plot().image_ is not None


def _names(display):
    return [label.get_text() for label in display.plot().ax_.get_yticklabels()]


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_tables_are_drawn_as_tables(load):
    assert not _is_image(load().data)


def test_digits_are_images_even_one_by_one(digits):
    _, ax = plt.subplots()
    shapes = {
        SampleDisplay(row[None]).plot(ax).image_.get_array().shape for row in digits.data[:100]
    }
    assert shapes == {(8, 8)}
    assert _is_image(digits.data[:1024])


def test_mnist_digits_are_images(mnist):
    shown = SampleDisplay(mnist.test.data[:4]).plot().image_.get_array()
    assert shown.shape == (2 * 29 - 1, 2 * 29 - 1)


def test_a_square_number_of_features_in_different_units_is_a_table():
    X = np.random.default_rng(0).lognormal(size=(50, 36)) * np.logspace(0, 4, 36)
    assert not _is_image(X)
    assert _is_image(X / X.max(axis=0))


def test_the_scale_of_the_likelihood_decides_the_kind_of_an_estimator():
    smooth = np.random.default_rng(0).uniform(size=(40, 36))
    uneven = smooth * np.logspace(0, 4, 36)
    for X, likelihood, kind in [
        (smooth, Gaussian(scaling="global"), "image"),
        (smooth, "bernoulli", "image"),
        (uneven, "gaussian", "table"),
        (smooth[:, :30], Gaussian(scaling="global"), "table"),
    ]:
        network = MLP(hidden_layer_sizes=(4,))
        vae = VAETransformer(2, network=network, likelihood=likelihood, max_epochs=1).fit(X)
        for settings, expected in [({}, kind), ({"kind": "table"}, "table")]:
            assert SampleDisplay.from_estimator(vae, n_samples=2, **settings).kind == expected
    by_shape = SampleDisplay.from_estimator(vae, n_samples=2, image_shape=(5, 6))
    assert by_shape.kind == "image"


def test_fewer_than_36_features_are_images_only_on_request():
    X = np.random.default_rng(0).uniform(size=(1, 25))
    assert not _is_image(X)
    assert SampleDisplay(X, kind="image").plot().image_.get_array().shape == (5, 5)


def test_a_shape_makes_images_unless_the_kind_is_table(digits):
    display = SampleDisplay(digits.data[:1], image_shape=(4, 16)).plot()
    assert display.image_.get_array().shape == (4, 16)
    assert not _is_image(digits.data[:1], image_shape=(4, 16), kind="table")


@pytest.mark.parametrize("shape", [(3, 3), (10,), (1, 10, 1), (-2, -5)])
def test_a_shape_that_does_not_fit_raises(shape):
    with pytest.raises(ValueError, match=r"10 features.*of shape \(.*Pass image_shape=\(height"):
        SampleDisplay(np.ones((2, 10)), image_shape=shape).plot()


def test_an_unknown_kind_raises():
    with pytest.raises(ValueError, match="'auto', 'image' or 'table', got 'photo'"):
        SampleDisplay(X, kind="photo").plot()


def test_images_fill_lines_with_gaps_of_the_background():
    rows = np.arange(3 * 6, dtype=float).reshape(3, 6)
    canvas = SampleDisplay(rows, image_shape=(2, 3)).plot().image_.get_array()
    assert canvas.shape == (5, 7)
    np.testing.assert_allclose(canvas[:2, 4:], rows[1].reshape(2, 3) / 17)
    np.testing.assert_allclose(canvas[3:, :3], rows[2].reshape(2, 3) / 17)
    assert not canvas[2].any()
    assert not canvas[:, 3].any()


def test_colour_images_keep_their_colours_and_have_white_gaps():
    rows = np.arange(2 * 18, dtype=float).reshape(2, 18)
    canvas = SampleDisplay(rows, image_shape=(2, 3, 3)).plot().image_.get_array()
    np.testing.assert_allclose(canvas[:, :3], rows[0].reshape(2, 3, 3) / 35)
    assert (canvas[:, 3] == 1).all()


def test_images_of_a_single_value_are_background():
    display = SampleDisplay(np.full((2, 4), 7.0), kind="image").plot()
    assert not display.image_.get_array().any()


def test_too_many_images_raise():
    with pytest.raises(ValueError, match=r"1025 images are too many.*1024.*Pass fewer rows"):
        SampleDisplay(np.ones((1025, 4)), kind="image").plot()


def test_names_come_from_the_user_or_the_frame_or_the_position():
    frame = pd.DataFrame(np.ones((2, 2)), columns=["a", "b"])
    assert _names(SampleDisplay(frame)) == ["a", "b"]
    assert _names(SampleDisplay(frame, feature_names=["c", "d"])) == ["c", "d"]
    assert _names(SampleDisplay(frame.to_numpy())) == ["x0", "x1"]


def test_features_are_chosen_by_index_or_name_and_the_title_counts_them():
    display = SampleDisplay(X, features=["c", 0], feature_names=list("abcde"))
    assert _names(display) == ["c", "a"]
    assert display.ax_.get_title() == "4 samples\n(2 of 5 features)"


@pytest.mark.parametrize("feature", ["f", 5, -1])
def test_an_unknown_feature_raises(feature):
    with pytest.raises(ValueError, match=f"{feature!r} in 'features' is not one of the 5 .* 'a'"):
        SampleDisplay(X, features=[feature], feature_names=list("abcde")).plot()


def test_a_wrong_number_of_names_raises():
    with pytest.raises(ValueError, match="3 names for rows of 5 features"):
        SampleDisplay(X, feature_names=list("abc")).plot()


@pytest.mark.parametrize(("n_features", "n_at_foot"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3)])
def test_each_feature_has_a_panel_and_only_the_lowest_are_labelled(n_features, n_at_foot):
    names = [f"feature {i}" for i in range(n_features)]
    display = ManifoldDisplay(np.ones((4, n_features)), [0, 1], feature_names=names).plot()
    assert [panel.get_title() for panel in display.axes_] == names
    assert len(display.figure_.axes) == 2 * n_features + 1  # with the colour bars and the frame
    assert [panel.get_xlabel() for panel in display.axes_].count("dimension 0") == n_at_foot


@pytest.mark.parametrize(
    "display", WITH_PANELS + ON_AXES, ids=lambda display: type(display).__name__
)
def test_displays_stay_in_the_place_of_the_axes_given(display):
    figure, (left, right) = plt.subplots(1, 2)
    place = right.get_position()
    assert display.plot(right) is display
    assert display.ax_ is right
    assert display.figure_ is figure
    drawn = [panel for panel in figure.axes if panel is not left]
    assert all(panel.get_position().x0 >= place.x0 - 1e-9 for panel in drawn)
    assert left.get_position().x1 < place.x0


@pytest.mark.parametrize("display", WITH_PANELS, ids=lambda display: type(display).__name__)
def test_panels_in_free_axes_raise(display):
    with pytest.raises(ValueError, match=r"not part of a grid.*plt.subplots"):
        display.plot(plt.figure().add_axes((0, 0, 1, 1)))


@pytest.mark.parametrize(
    "display", WITH_PANELS + ON_AXES, ids=lambda display: type(display).__name__
)
def test_figures_have_one_width(display):
    assert display.plot().figure_.get_size_inches()[0] == 4.8


def test_titles_of_the_frame_and_of_panels_do_not_overlap():
    display = ReconstructionDisplay(X, X).plot()
    display.figure_.canvas.draw()
    panel_title = display.axes_[0].title.get_window_extent()
    assert display.ax_.title.get_window_extent().y0 >= panel_title.y1


@pytest.mark.parametrize("name", plotting.__all__)
def test_docstrings_are_filled_in_and_fit_100_columns(name):
    display = getattr(plotting, name)
    methods = [getattr(display, name) for name in dir(display) if not name.startswith("_")]
    for documented in [display, *methods]:
        assert not re.search(r"^ *\{\w+\}$", documented.__doc__, re.MULTILINE)
        assert max(map(len, documented.__doc__.splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Glyph:UserWarning", "ignore:Matplotlib currently does not")
@hypothesis.given(frames())
@hypothesis.settings(max_examples=60, deadline=None)
def test_any_table_is_drawn(frame):
    scores = np.arange(float(len(frame)))
    displays = [
        SampleDisplay(frame, frame),
        AnomalyScoreDisplay(scores, 1.0, X=frame, X_reconstructed=frame),
    ]
    if len(frame) > 1:
        displays.append(ReconstructionDisplay(frame, frame))
    if len(frame) < 10:
        displays.append(ExplanationDisplay(np.ones(frame.shape), frame))
    for display in displays:
        display.plot().figure_.canvas.draw()
    plt.close("all")


@pytest.mark.parametrize("column", [[0.0, -6.6e200, 0.0, 1e3], [Decimal("0.00"), Decimal("1.50")]])
def test_far_values_and_decimals_are_drawn(column):
    pl = pytest.importorskip("polars")
    for frame in (pd.DataFrame({"a": column}), pl.DataFrame({"a": column})):
        SampleDisplay(frame, frame).plot().figure_.canvas.draw()
    plt.close("all")


def test_rows_without_any_value_are_a_table():
    display = SampleDisplay(np.full((2, 36), np.nan)).plot()
    assert display.image_ is None


def test_dollars_are_no_mathematics():
    frame = pd.DataFrame({"$x_$": ["$1 to $5", "$_^$", "$5"] * 2, "a$": [1.0, 2, 3, 4, 5, 6]})
    for display in (
        TableQualityDisplay.from_tables(frame, frame),
        SampleDisplay(frame, features=["$x_$"]).plot(),
        ReconstructionDisplay(frame, frame).plot(),
        LatentSpaceDisplay(np.arange(12.0).reshape(6, 2), frame["$x_$"]).plot(),
    ):
        display.figure_.canvas.draw()  # "$_^$" is invalid as mathematics
