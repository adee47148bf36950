"""Rows beside their reconstructions."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer
from skvae.plotting import ReconstructionDisplay


def test_each_image_is_drawn_above_its_reconstruction(of_images, images):
    X = images[:5]
    display = ReconstructionDisplay.from_estimator(of_images, X)
    mosaic = np.asarray(display.image_.get_array())
    both = np.concatenate([X, of_images.reconstruct(X)])
    shown = (both - both.min()) / (both.max() - both.min())
    np.testing.assert_allclose(mosaic[:8, 9:17], shown[1].reshape(8, 8))
    np.testing.assert_allclose(mosaic[9:, 9:17], shown[6].reshape(8, 8))
    assert "reconstructions" in display.ax_.get_title()


def test_many_images_wrap_into_pairs_of_lines(images):
    X = images[:17]
    display = ReconstructionDisplay.from_predictions(X, X / 2)
    mosaic = np.asarray(display.image_.get_array())
    assert mosaic.shape == (4 * 9 - 1, 9 * 9 - 1)
    np.testing.assert_allclose(mosaic[18:26, 9:17], X[10].reshape(8, 8) / 16)
    np.testing.assert_allclose(mosaic[27:, 9:17], X[10].reshape(8, 8) / 32)
    assert not mosaic[18:, 72:].any()


def test_a_table_is_drawn_in_standard_deviations_of_its_features(of_table, iris):
    display = ReconstructionDisplay.from_estimator(of_table, iris.data)
    X = iris.data.to_numpy()
    X_reconstructed = of_table.reconstruct(iris.data).to_numpy()
    scaler = StandardScaler().fit(X)
    expected = np.stack([scaler.transform(X), scaler.transform(X_reconstructed)], axis=1)
    drawn = np.stack([np.asarray(image.get_array()).T for image in display.images_], axis=1)
    in_order = [np.lexsort(rows[:, 0].T) for rows in (expected, drawn)]
    np.testing.assert_allclose(drawn[in_order[1]], expected[in_order[0]], rtol=1e-5, atol=1e-5)
    names = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert names == list(iris.data.columns)
    titles = [panel.get_title() for panel in display.axes_]
    assert titles == ["originals", "reconstructions"]
    assert [image.get_clim() for image in display.images_] == [(-2, 2), (-2, 2)]


def test_explained_variance_is_written_beside_each_feature(iris):
    X = iris.data.to_numpy()
    X_reconstructed = X + np.random.default_rng(0).normal(size=X.shape) * [0.1, 0.3, 1, 3]
    display = ReconstructionDisplay.from_predictions(X, X_reconstructed)
    (right,) = display.axes_[-1].child_axes
    written = [label.get_text() for label in right.get_yticklabels()]
    expected = 1 - np.square(X - X_reconstructed).mean(axis=0) / X.var(axis=0)
    assert written == [f"{share:.2f}" for share in expected]


def test_a_constant_feature_has_no_explained_variance():
    X = np.c_[np.arange(5.0), np.ones(5)]
    (right,) = ReconstructionDisplay(X, X).plot().axes_[-1].child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["1.00", "–"]


def test_rows_are_in_the_order_of_their_first_principal_component():
    first = np.random.default_rng(0).permutation(20.0 * np.arange(20))
    X = np.c_[first, first, first % 3]
    drawn = ReconstructionDisplay(X, X).plot().image_.get_array()[0]
    assert (np.diff(drawn) > 0).all() or (np.diff(drawn) < 0).all()


def test_identical_rows_are_drawn_as_zeros():
    display = ReconstructionDisplay(np.ones((3, 4)), np.ones((3, 4))).plot()
    assert not display.image_.get_array().any()


def test_only_30_features_are_shown_and_the_title_says_so():
    X = np.random.default_rng(0).normal(size=(10, 40))
    display = ReconstructionDisplay(X, X).plot()
    assert display.image_.get_array().shape == (30, 10)
    assert "30 of 40 features" in display.ax_.get_title()


def test_invalid_input_raises(of_images, images):
    with pytest.raises(ValueError, match=r"One row of a table.*Pass more rows"):
        ReconstructionDisplay(np.ones((1, 4)), np.ones((1, 4))).plot()
    with pytest.raises(ValueError, match=r"'X' has shape \(3, 4\) and 'X_reconstructed' \(2, 4\)"):
        ReconstructionDisplay(np.ones((3, 4)), np.ones((2, 4))).plot()
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(VAETransformer(), images)
    with pytest.raises(ValueError, match="expecting 64 features"):
        ReconstructionDisplay.from_estimator(of_images, images[:, :60])


def test_a_column_of_names_has_a_line_for_each_level(of_customers, customers):
    display = ReconstructionDisplay.from_estimator(of_customers, customers)
    names = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    plans = ["plan: basic", "plan: family", "plan: premium"]
    others = ["size: L", "uses_app: True", "since", "wait", "age", "bill"]
    assert names == plans + others
    reconstructed = of_customers.reconstruct(customers)
    is_basic = customers["plan"].to_numpy() == "basic"
    drawn, drawn_reconstructed = (image.get_array()[0] for image in display.images_)
    np.testing.assert_allclose(
        np.sort(drawn), np.sort((is_basic - is_basic.mean()) / is_basic.std())
    )
    expected = (reconstructed["plan"].to_numpy() == "basic") - is_basic.mean()
    np.testing.assert_allclose(np.sort(drawn_reconstructed), np.sort(expected / is_basic.std()))
    (right,) = display.axes_[-1].child_axes
    ages = np.square(customers["age"].to_numpy() - reconstructed["age"].to_numpy())
    share = 1 - ages.mean() / customers["age"].var(ddof=0)
    assert right.get_yticklabels()[7].get_text() == f"{share:.2f}"


def test_only_frequent_levels_have_lines_and_60_of_them_in_all():
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    codes = np.r_[np.repeat(np.arange(9), 3), np.arange(9, 20)]
    frame = pd.DataFrame({f"f{i}": [f"{code:02}" for code in codes] for i in range(10)})
    display = ReconstructionDisplay(frame, frame, features=["f1"]).plot()
    names = [label.get_text() for label in display.axes_[0].get_yticklabels()]
    assert names == [f"f1: {code:02}" for code in range(8)]
    assert ReconstructionDisplay(frame, frame).plot().image_.get_array().shape == (60, len(frame))


def test_missing_values_are_left_white(customers):
    gaps = customers.astype({"age": float})
    gaps.iloc[0, [0, 3, 5]] = None
    full = customers.astype({"age": float})
    display = ReconstructionDisplay(gaps, full).plot()
    assert np.ma.masked_invalid(display.image_.get_array()).mask.sum(axis=1).tolist() == (
        [1, 1, 1, 0, 0, 1, 0, 1, 0]
    )
    (right,) = display.axes_[-1].child_axes
    assert {label.get_text() for label in right.get_yticklabels()} == {"1.00"}


def test_a_table_of_names_is_no_image(of_customers, customers):
    for settings in ({"kind": "image"}, {"image_shape": (7, 1)}):
        with pytest.raises(ValueError, match="have text, .* and cannot be shown as images"):
            ReconstructionDisplay(customers, customers, **settings).plot()
