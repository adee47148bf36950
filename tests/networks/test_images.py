"""Shapes and conversions that all networks for images share."""

import numpy as np
import pytest
import torch

from skvae import VAETransformer
from skvae.likelihoods import Categorical, DiscretizedLogistic, Gaussian
from skvae.networks import Conv, ResNet
from skvae.networks._images import (
    ImagesToRows,
    RowsToImages,
    halvings,
    shape_of_inputs,
    shape_of_outputs,
)


def test_rows_and_images_are_converted_into_each_other():
    X = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    images = RowsToImages(4, 5, 3)(torch.from_numpy(X.reshape(2, -1)))
    np.testing.assert_array_equal(images, X.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(ImagesToRows(3)(images), X.reshape(2, -1))


def test_planes_are_flattened_parameter_by_parameter():
    planes = np.random.default_rng(0).normal(size=(2, 6, 4, 5))
    rows = ImagesToRows(3)(torch.from_numpy(planes))
    expected = [planes[:, :3], planes[:, 3:]]
    expected = [part.transpose(0, 2, 3, 1).reshape(2, -1) for part in expected]
    np.testing.assert_array_equal(rows, np.hstack(expected))


def test_halves_are_rounded_up():
    assert halvings(28, 5, 3) == [(28, 5), (14, 3), (7, 2), (4, 1)]


@pytest.mark.parametrize("network_class", [Conv, ResNet])
def test_shapes_of_inputs_and_outputs(network_class):
    assert shape_of_inputs(network_class(), 81) == (9, 9, 1)
    assert shape_of_outputs(network_class(), 162, 81) == (9, 9, 1, 2)
    assert shape_of_inputs(network_class(image_shape=(4, 5)), 20) == (4, 5, 1)
    assert shape_of_outputs(network_class(image_shape=(4, 5, 3)), 180, 60) == (4, 5, 3, 9)


@pytest.mark.parametrize("network_class", [Conv, ResNet])
@pytest.mark.parametrize("n_planes", [1, 2, 9, 16, 17])
def test_the_number_of_planes_follows_from_the_width_of_the_rows(network_class, n_planes):
    n_outputs = n_planes * 64
    assert shape_of_outputs(network_class(), n_outputs, 64) == (8, 8, 1, n_planes)
    decoder = network_class(channels=(4,)).build_decoder(2, n_outputs, n_features=64)
    assert decoder(torch.zeros(3, 2)).shape == (3, n_outputs)


def test_outputs_for_some_of_the_features_raise():
    message = r"Conv decodes images of shape \(8, 8, 1\).*70 outputs.*not a multiple of 64.*Choose"
    with pytest.raises(ValueError, match=message):
        shape_of_outputs(Conv(), 70, n_features=64)


PLANES_OF_MEANS = [  # a likelihood, and the planes of its means or of its level 5
    (Categorical(n_categories=16, ordered=False), 5),
    (Categorical(n_categories=17, ordered=False), 5),
    (DiscretizedLogistic(n_levels=17, n_mixtures=3), slice(0, 3)),
    (Gaussian(noise="per_sample"), slice(0, 1)),
]


@pytest.mark.parametrize("network_class", [Conv, ResNet])
@pytest.mark.parametrize(("likelihood", "planes"), PLANES_OF_MEANS)
def test_a_pixel_of_a_plane_is_the_same_pixel_of_the_mean(
    network_class, likelihood, planes, digits
):
    """One pixel of the planes is raised; the mean changes at that pixel only."""
    X = np.minimum(digits.data[:100], 15)
    vae = VAETransformer(2, network=network_class(channels=(4,)), likelihood=likelihood)
    module = vae.set_params(max_epochs=1, random_state=0).fit(X).module_
    n_planes = module.likelihood.n_outputs // 64
    maps = torch.zeros(1, n_planes, 8, 8)
    maps[0, planes, 2, 6] = 50.0
    flat = torch.zeros(1, n_planes, 8, 8)
    means = [module.likelihood.mean(ImagesToRows(1)(images)).detach() for images in (maps, flat)]
    (moved,) = (means[0] != means[1]).nonzero(as_tuple=True)[1:]
    assert moved.tolist() == [2 * 8 + 6]
    if isinstance(likelihood, Categorical):
        assert means[0][0, moved] == 5


@pytest.mark.parametrize("network_class", [Conv, ResNet])
def test_16_levels_are_16_planes_and_not_a_larger_square(network_class, digits):
    # 16 planes of 8 x 8 are as many outputs as one of 32 x 32
    X = np.minimum(digits.data[:60], 15)
    settings = {"likelihood": Categorical(n_categories=16), "max_epochs": 1, "random_state": 0}
    networks = [network_class(image_shape=shape, channels=(4,)) for shape in (None, (8, 8))]
    inferred, given = (
        VAETransformer(2, network=network, **settings).fit(X) for network in networks
    )
    np.testing.assert_array_equal(inferred.score_samples(X), given.score_samples(X))
