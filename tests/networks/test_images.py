"""What networks for images share; `test_conv.py` and `test_resnet.py` hold the rest."""

import numpy as np
import pytest
import torch

from skvae.networks import Conv, ResNet
from skvae.networks._images import (
    ImagesToRows,
    RowsToImages,
    halvings,
    shape_of_inputs,
    shape_of_outputs,
)


def test_rows_become_images_and_images_rows():
    X = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    images = RowsToImages(4, 5, 3)(torch.from_numpy(X.reshape(2, -1)))
    np.testing.assert_array_equal(images, X.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(ImagesToRows(3)(images), X.reshape(2, -1))


def test_planes_of_two_parameters_follow_each_other():
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
    assert shape_of_outputs(network_class(), 162) == (9, 9, 1, 2)
    assert shape_of_inputs(network_class((4, 5)), 20) == (4, 5, 1)
    assert shape_of_outputs(network_class((4, 5, 3)), 180) == (4, 5, 3, 9)
