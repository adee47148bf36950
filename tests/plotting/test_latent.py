"""The map of the latent space."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA

from skvae import VAETransformer
from skvae.networks import MLP
from skvae.plotting import LatentSpaceDisplay


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def test_draws_posterior_means_class_by_class(digits):
    X, y = digits.data[:200], digits.target[:200]
    vae = VAETransformer(2, network=MLP((16,)), max_epochs=2, random_state=0).fit(X)
    display = LatentSpaceDisplay.from_estimator(vae, X, y)
    assert len(display.scatters_) == 10
    np.testing.assert_allclose(display.scatters_[3].get_offsets(), vae.transform(X)[y == 3])
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == list(
        "0123456789"
    )


def test_more_dimensions_are_projected_and_the_axes_say_so():
    Z = np.random.default_rng(0).normal(size=(50, 5))
    display = LatentSpaceDisplay(Z).plot()
    np.testing.assert_allclose(display.points_, PCA(2, random_state=0).fit_transform(Z))
    assert "of 5 dimensions" in display.ax_.get_xlabel()
    assert len(display.scatters_) == 1


def test_one_dimension_is_a_line():
    Z = np.linspace(-1, 1, 7)[:, None]
    display = LatentSpaceDisplay(Z).plot()
    np.testing.assert_array_equal(display.points_, np.column_stack([Z, np.zeros(7)]))


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LatentSpaceDisplay(np.zeros((3, 2)), y=[0, 1]).plot()
