"""The displays that show rows as images."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae import VAETransformer
from skvae.networks import MLP
from skvae.plotting import ReconstructionDisplay, SampleDisplay


@pytest.fixture(scope="module")
def vae(digits):
    return VAETransformer(4, network=MLP((16,)), max_epochs=2, random_state=0).fit(digits.data)


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_reconstructions_show_each_original_over_its_reconstruction(vae, digits):
    X = digits.data[:5]
    display = ReconstructionDisplay.from_estimator(vae, X)
    mosaic = np.asarray(display.image_.get_array())
    both = np.concatenate([X, vae.reconstruct(X)])
    shown = (both - both.min()) / (both.max() - both.min())
    np.testing.assert_allclose(mosaic[:8, 9:17], shown[1].reshape(8, 8))
    np.testing.assert_allclose(mosaic[9:, 9:17], shown[6].reshape(8, 8))
    assert "reconstructions" in display.ax_.get_title()


def test_samples_are_the_estimators_own(vae):
    display = SampleDisplay.from_estimator(vae, n_samples=7, random_state=3)
    np.testing.assert_array_equal(display.samples, vae.sample(7, random_state=3))
    assert display.image_.get_array().shape == (3 * 9 - 1, 3 * 9 - 1)


def test_draws_on_the_axes_given(vae):
    _, ax = plt.subplots()
    display = SampleDisplay.from_estimator(vae, n_samples=2, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_colour_images_keep_their_colours():
    row = np.arange(2 * 3 * 3, dtype=float)[None]
    display = SampleDisplay(row, image_shape=(2, 3, 3)).plot()
    np.testing.assert_allclose(display.image_.get_array(), row.reshape(2, 3, 3) / 17)


def test_rows_that_are_no_images_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"10 features.*shape \(3, 3\).*Pass image_shape"):
        SampleDisplay(np.ones((2, 10))).plot()
