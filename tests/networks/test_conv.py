"""The convolutional network."""

import math

import pytest
import torch
from torch import nn

from skvae.networks import Conv


@pytest.mark.parametrize("image_shape", [(8, 8), (9, 9), (14, 14), (28, 28), (9, 14), (5, 7, 3)])
@pytest.mark.parametrize("channels", [(4,), (4, 6), (4, 6, 8)])
@pytest.mark.parametrize("hidden_units", [None, 10])
def test_outputs_have_the_right_size_for_odd_and_even_images(image_shape, channels, hidden_units):
    network = Conv(image_shape=image_shape, channels=channels, hidden_units=hidden_units)
    n_features = math.prod(image_shape)
    x, z = torch.randn(3, n_features), torch.randn(3, 2)
    assert network.build_encoder(n_features, 4)(x).shape == (3, 4)
    for n_outputs in (n_features, 2 * n_features):
        assert network.build_decoder(2, n_outputs, n_features)(z).shape == (3, n_outputs)


@pytest.mark.parametrize("side", [1, 8, 9, 28])
def test_square_greyscale_images_are_inferred(side):
    network = Conv(channels=(4,), hidden_units=8)
    assert network.build_encoder(side**2, 2)(torch.randn(3, side**2)).shape == (3, 2)
    for n_outputs in (side**2, 2 * side**2):
        decoder = network.build_decoder(2, n_outputs, side**2)
        assert decoder(torch.randn(3, 2)).shape == (3, n_outputs)


def _touched_pixels(image_shape, row, column, colour):
    """Outputs that depend on one unit of the last feature map: a patch of 3 x 3 pixels."""
    height, width, colours = image_shape
    decoder = Conv(image_shape=image_shape, channels=(1,), hidden_units=None).build_decoder(
        2, height * width * colours, height * width * colours
    )
    grow, to_rows = decoder.body[-2:]
    with torch.no_grad():
        nn.init.zeros_(grow.weight)
        grow.weight[0, colour] = 1.0
    maps = torch.zeros(1, 1, math.ceil(height / 2), math.ceil(width / 2))
    maps[0, 0, row, column] = 1.0
    return to_rows(grow(maps)).reshape(height, width, colours)


def test_outputs_have_the_order_of_the_rows():
    """The order is (height, width, colour), as NumPy flattens images."""
    touched = _touched_pixels((6, 8, 3), row=1, column=2, colour=1)
    expected = torch.zeros(6, 8, 3)
    expected[1:4, 3:6, 1] = 1.0  # the 3 x 3 patch around pixel (2, 4)
    torch.testing.assert_close(touched.detach(), expected)


def test_inputs_are_read_in_the_order_of_the_rows():
    encoder = Conv(image_shape=(6, 8, 3), channels=(1,), hidden_units=None).build_encoder(
        6 * 8 * 3, 2
    )
    to_images, convolution = encoder[:2]
    x = torch.zeros(1, 6 * 8 * 3, requires_grad=True)
    convolution(to_images(x))[0, 0, 1, 2].backward()
    touched = x.grad.reshape(6, 8, 3).abs().sum(-1) > 0
    expected = torch.zeros(6, 8, dtype=bool)
    expected[1:4, 3:6] = True
    assert torch.equal(touched, expected)


def test_outputs_are_grouped_by_parameter():
    decoder = Conv(image_shape=(4, 4), channels=(1,), hidden_units=None).build_decoder(2, 32, 16)
    grow, to_rows = decoder.body[-2:]
    with torch.no_grad():
        nn.init.zeros_(grow.weight)
        grow.bias[:] = torch.tensor([3.0, 5.0])
    outputs = to_rows(grow(torch.zeros(1, 1, 2, 2)))[0]
    assert outputs[:16].eq(3).all()
    assert outputs[16:].eq(5).all()


def test_decodes_any_leading_shape():
    decoder = Conv(channels=(4,), hidden_units=8).build_decoder(2, 64, 64).eval()
    z = torch.randn(4, 6, 2)
    torch.testing.assert_close(decoder(z)[1], decoder(z[1]))


def test_activation_and_dropout():
    network = Conv(channels=(4,), hidden_units=8, activation="elu", dropout=0.2)
    kinds = [type(layer) for layer in network.build_encoder(64, 2)]
    assert kinds.count(nn.ELU) == kinds.count(nn.Dropout) == 2


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Conv(), "63 is not the square of a whole number. Pass Conv"),
        (
            Conv(image_shape=(8, 8)),
            r"'image_shape' of Conv is \(8, 8\), that is 64 values, but X has 63",
        ),
        (Conv(image_shape=(63,)), "'image_shape' of Conv must be 2 or 3 positive integers"),
        (Conv(image_shape=(7, -9)), "'image_shape' of Conv must be 2 or 3 positive integers"),
        (
            Conv(image_shape=(7, 9), channels=()),
            "'channels' of Conv must be one or more positive integers",
        ),
        (
            Conv(image_shape=(7, 9), channels=(4, 0)),
            "'channels' of Conv must be one or more positive",
        ),
        (Conv(image_shape=(7, 9), hidden_units=0), "'hidden_units' parameter of Conv"),
    ],
)
def test_invalid_parameters_raise(network, message):
    with pytest.raises(ValueError, match=message):
        network.build_encoder(63, 2)


def test_outputs_that_do_not_form_images_raise():
    with pytest.raises(ValueError, match=r"65 outputs, which is not a multiple of 64"):
        Conv(image_shape=(8, 8)).build_decoder(2, 65, 64)
