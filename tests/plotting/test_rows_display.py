"""Which rows are images, and what features are called."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from skvae import VAETransformer
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.plotting._rows_display import (
    checked_pair,
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_tables_are_tables(load):
    assert image_shape_of(load().data, "auto", None) is None


def test_digits_are_images_even_one_by_one(digits):
    assert image_shape_of(digits.data, "auto", None) == (8, 8)
    assert {image_shape_of(digits.data[[i]], "auto", None) for i in range(100)} == {(8, 8)}


def test_mnist_images_are_images(mnist):
    assert image_shape_of(mnist.test.data[:4], "auto", None) == (28, 28)


def test_a_square_number_of_columns_in_units_of_their_own_is_a_table():
    X = np.random.default_rng(0).lognormal(size=(50, 36)) * np.logspace(0, 4, 36)
    assert image_shape_of(X, "auto", None) is None
    assert image_shape_of(X / X.max(axis=0), "auto", None) == (6, 6)


def test_the_scale_of_the_likelihood_settles_what_an_estimator_was_fitted_to():
    smooth = np.random.default_rng(0).uniform(size=(40, 36))
    uneven = smooth * np.logspace(0, 4, 36)
    for X, likelihood, kind in [
        (smooth, Gaussian(scaling="global"), "image"),
        (smooth, "bernoulli", "image"),
        (uneven, "gaussian", "table"),
        (smooth[:, :30], Gaussian(scaling="global"), "table"),
    ]:
        vae = VAETransformer(
            2, network=MLP((4,)), likelihood=likelihood, max_epochs=1, random_state=0
        )
        vae.fit(X)
        assert settled_kind(vae, "auto", None) == kind
        assert settled_kind(vae, "auto", (2, 18)) == "image"
        assert settled_kind(vae, "table", None) == "table"


def test_few_pixels_are_a_table_unless_asked_for():
    X = np.random.default_rng(0).uniform(size=(50, 25))
    assert image_shape_of(X, "auto", None) is None
    assert image_shape_of(X, "image", None) == (5, 5)


def test_a_shape_makes_images_and_kind_overrules_it(digits):
    assert image_shape_of(digits.data, "auto", (4, 16)) == (4, 16)
    assert image_shape_of(np.ones((1, 12)), "auto", (2, 2, 3)) == (2, 2, 3)
    assert image_shape_of(digits.data, "table", None) is None


@pytest.mark.parametrize("shape", [(3, 3), (10,), (1, 10, 1), (-2, -5)])
def test_a_shape_that_does_not_fit_is_refused_with_the_remedy(shape):
    with pytest.raises(ValueError, match=r"10 features.*of shape \(.*Pass image_shape=\(height"):
        image_shape_of(np.ones((2, 10)), "auto", shape)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'auto', 'image' or 'table', got 'photo'"):
        image_shape_of(np.ones((2, 4)), "photo", None)


def test_names_come_from_the_user_the_frame_the_estimator_or_the_position():
    frame = pd.DataFrame(np.ones((2, 2)), columns=["a", "b"])
    assert choose_features(frame, None, None, 9).names == ["a", "b"]
    assert choose_features(frame, None, ["c", "d"], 9).names == ["c", "d"]
    assert choose_features(frame.to_numpy(), None, None, 9).names == ["x0", "x1"]
    assert feature_names_of(np.ones((2, 2))) is None


def test_features_are_chosen_by_index_or_name_and_the_note_says_how_many():
    X = np.ones((2, 4))
    chosen = choose_features(X, ["c", 0], list("abcd"), 9)
    assert (chosen.columns.tolist(), chosen.names) == ([2, 0], ["c", "a"])
    assert chosen.note == " (2 of 4 features)"
    assert choose_features(X, None, None, 3).columns.tolist() == [0, 1, 2]
    assert choose_features(X, None, None, 4).note == ""


@pytest.mark.parametrize("feature", ["e", 4, -1])
def test_a_feature_that_is_not_there_is_refused(feature):
    with pytest.raises(ValueError, match=f"{feature!r} in 'features' is none of the 4 .* 'a'"):
        choose_features(np.ones((2, 4)), [feature], list("abcd"), 9)


def test_names_of_another_number_are_refused():
    with pytest.raises(ValueError, match="3 names for rows of 4 features"):
        choose_features(np.ones((2, 4)), None, list("abc"), 9)


def test_tables_of_different_shapes_make_no_pair():
    with pytest.raises(ValueError, match=r"'A' has shape \(2, 4\) and 'B' \(3, 4\)"):
        checked_pair(np.ones((2, 4)), np.ones((3, 4)), ("A", "B"))
