"""New rows, as images and as distributions."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skvae import VAETransformer
from skvae.plotting import SampleDisplay


def test_image_samples_are_the_estimators_own(of_images):
    display = SampleDisplay.from_estimator(of_images, n_samples=7, random_state=3)
    np.testing.assert_array_equal(display.samples, of_images.sample(7, random_state=3))
    assert display.image_.get_array().shape == (3 * 9 - 1, 3 * 9 - 1)
    assert display.histograms_ == []


def test_images_are_64_without_noise_and_may_have_it(of_images):
    display = SampleDisplay.from_estimator(of_images, random_state=0)
    np.testing.assert_array_equal(display.samples, of_images.sample(64, random_state=0))
    noisy = SampleDisplay.from_estimator(of_images, n_samples=4, noise=True, random_state=0)
    np.testing.assert_array_equal(noisy.samples, of_images.sample(4, random_state=0, noise=True))


def test_table_samples_are_many_and_drawn_with_noise(of_table, iris):
    display = SampleDisplay.from_estimator(of_table, iris.data, random_state=0)
    np.testing.assert_array_equal(
        display.samples, of_table.sample(1000, random_state=0, noise=True)
    )
    assert len(display.histograms_) == 2 * 4
    assert display.image_ is None
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(iris.data.columns)
    assert display.ax_.get_title() == "Data (above) and samples (below)"


def test_data_and_samples_are_measured_in_standard_deviations_of_the_data():
    rng = np.random.default_rng(0)
    X = rng.normal(10, 2, size=(1000, 1))
    display = SampleDisplay(np.full((5, 1), X.mean() + X.std() * 2.1), X).plot()
    data = display.histograms_[1].get_data()
    share = data.values - data.baseline
    (bar,) = np.flatnonzero(share)
    assert data.edges[bar] <= 2.1 < data.edges[bar + 1]


def test_a_table_without_data_or_names_shows_the_samples_alone(of_table):
    display = SampleDisplay(of_table.sample(50, random_state=0)).plot()
    assert len(display.histograms_) == 4
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["x0", "x1", "x2", "x3"]
    assert display.ax_.get_title() == "50 samples"


def test_digits_can_be_shown_as_a_table(of_images, digits):
    display = SampleDisplay.from_estimator(of_images, digits.data, kind="table", features=[20, 21])
    assert len(display.histograms_) == 4
    assert "2 of 64 features" in display.ax_.get_title()


@pytest.mark.parametrize(
    ("fit_density", "source"),
    [(None, "the prior"), (GaussianMixture(2, random_state=0), "the fitted density")],
)
def test_the_title_says_what_was_drawn_from(digits, iris, fit_density, source):
    vae = VAETransformer(2, fit_density=fit_density, max_epochs=1, random_state=0)
    of_images = SampleDisplay.from_estimator(vae.fit(digits.data[:50]), n_samples=4)
    assert of_images.ax_.get_title() == f"4 samples from {source}"
    of_table = SampleDisplay.from_estimator(vae.fit(iris.data), n_samples=5)
    assert of_table.ax_.get_title() == f"5 samples from {source}"


def test_images_of_unknown_source_are_samples_and_no_more(digits):
    assert SampleDisplay(digits.data[:4]).plot().ax_.get_title() == "4 samples"


def test_draws_on_the_axes_given(of_images):
    _, ax = plt.subplots()
    display = SampleDisplay.from_estimator(of_images, n_samples=2, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure


def test_bad_input_is_refused(of_images, of_table, iris):
    with pytest.raises(ValueError, match="'X' has 3 features, the samples have 4"):
        SampleDisplay.from_estimator(of_table, iris.data.iloc[:, :3])
    with pytest.raises(ValueError, match=r"64 features.*of shape \(8, 9\)"):
        SampleDisplay.from_estimator(of_images, image_shape=(8, 9))
    with pytest.raises(NotFittedError):
        SampleDisplay.from_estimator(VAETransformer())
