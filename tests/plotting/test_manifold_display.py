"""The decoded plane of the latent space."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.exceptions import NotFittedError

from skvae import VAETransformer
from skvae.networks import MLP
from skvae.plotting import ManifoldDisplay

QUANTILES = norm.ppf([0.125, 0.375, 0.625, 0.875])  # of four points, evenly spaced in probability


def test_tiles_are_decoded_quantiles_of_the_prior(of_images, decoder):
    display = ManifoldDisplay.from_estimator(of_images, components=(0, 2), n_points=4)
    np.testing.assert_allclose(display.grid, QUANTILES)
    lowest, highest = display.X_decoded.min(), display.X_decoded.max()
    mosaic = np.asarray(display.image_.get_array())
    for across, upwards in [(0, 0), (3, 0), (1, 2)]:
        x = decoder(of_images, np.array([[QUANTILES[across], 0.0, QUANTILES[upwards]]]))
        top, left = (3 - upwards) * 9, across * 9  # upwards on the page is up
        tile = mosaic[top : top + 8, left : left + 8]
        expected = (x.reshape(8, 8) - lowest) / (highest - lowest)
        np.testing.assert_allclose(tile, expected, rtol=1e-4, atol=1e-4)
    assert display.ax_.get_xlabel() == "latent dimension 0"
    assert display.ax_.get_ylabel() == "latent dimension 2"


def test_ticks_are_at_their_latent_values(of_images):
    display = ManifoldDisplay.from_estimator(of_images, n_points=15)
    ticks = {label.get_text(): label.get_position() for label in display.ax_.get_xticklabels()}
    assert ticks["0"][0] == pytest.approx(7 * 9 + 3.5)  # the middle of the middle image
    n_left = 15 * norm.cdf(-1) - 0.5  # images to the left of the centre of one at -1
    assert ticks["−1"][0] == pytest.approx(n_left * 9 + 3.5, abs=0.2)
    heights = {label.get_text(): label.get_position()[1] for label in display.ax_.get_yticklabels()}
    assert heights["1"] < heights["0"] < heights["−1"]  # pixels are counted downwards


def test_the_plane_passes_through_z(of_images, decoder):
    z = [0.5, -1.0, 2.0]
    display = ManifoldDisplay.from_estimator(of_images, n_points=1, z=z)
    np.testing.assert_allclose(
        display.X_decoded, decoder(of_images, np.array([[0.0, 0.0, 2.0]])), rtol=1e-4, atol=1e-4
    )


def test_a_table_has_a_map_of_each_feature_in_its_units(of_table, iris, decoder):
    display = ManifoldDisplay.from_estimator(of_table, n_points=4)
    assert [panel.get_title() for panel in display.axes_] == list(iris.data.columns)
    x = decoder(of_table, np.array([[QUANTILES[3], QUANTILES[1], 0.0]]))
    drawn = [mesh.get_array().reshape(4, 4)[1, 3] for mesh in display.meshes_]
    np.testing.assert_allclose(drawn, x[0], rtol=1e-4)
    assert display.image_ is None


def test_only_nine_features_are_shown_and_the_title_says_so(of_images):
    display = ManifoldDisplay.from_estimator(of_images, n_points=2, kind="table")
    assert len(display.meshes_) == 9
    assert "9 of 64 features" in display.ax_.get_title()


@pytest.mark.parametrize("components", [(0, 0), (0, 3), (0,), (-1, 0)])
def test_components_that_span_no_plane_raise(of_images, components):
    with pytest.raises(ValueError, match="two different latent dimensions from 0 to 2"):
        ManifoldDisplay.from_estimator(of_images, components=components)


def test_invalid_input_raises(of_images):
    with pytest.raises(ValueError, match=r"'z' has shape \(2,\); expected \(3,\)"):
        ManifoldDisplay.from_estimator(of_images, z=[0, 0])
    with pytest.raises(ValueError, match="'n_points' must be an integer of at least 1, got 0"):
        ManifoldDisplay.from_estimator(of_images, n_points=0)
    with pytest.raises(ValueError, match="3 rows for a grid of 2 points; expected 2 times 2"):
        ManifoldDisplay(np.ones((3, 4)), [0, 1]).plot()
    with pytest.raises(NotFittedError):
        ManifoldDisplay.from_estimator(VAETransformer())
    network = MLP(hidden_layer_sizes=(4,))
    line = VAETransformer(1, network=network, max_epochs=1).fit(np.eye(9))
    with pytest.raises(ValueError, match="A model of one dimension has no plane"):
        ManifoldDisplay.from_estimator(line)


def test_maps_of_levels_show_the_most_probable_one(of_customers):
    display = ManifoldDisplay.from_estimator(of_customers, n_points=4)
    plan, *_ = display.meshes_
    names = [label.get_text() for label in plan.colorbar.ax.get_yticklabels()]
    drawn = [names[int(code)] for code in plan.get_array().ravel()]
    assert drawn == display.X_decoded["plan"].tolist()
    assert len(set(drawn)) + 1 == plan.norm.N  # a colour for each
    dates = display.meshes_[3].get_array().ravel()
    days = (display.X_decoded["since"] - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    np.testing.assert_allclose(dates, days)


def test_more_than_ten_levels_share_a_colour():
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    codes = np.minimum(np.arange(36), 20)
    frame = pd.DataFrame({"code": [f"{code:02}" for code in codes]})
    [mesh] = ManifoldDisplay(frame, np.arange(6)).plot().meshes_
    labels = [label.get_text() for label in mesh.colorbar.ax.get_yticklabels()]
    assert labels == [*(f"{code:02}" for code in range(8)), "20", "others"]
    assert (mesh.get_array().ravel() == 9).sum() == 12
