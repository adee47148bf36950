"""Convolutions as matrix products, against those of torch."""

import pytest
import torch
from torch import nn

from skvae._training.precision import WorkingCopy
from skvae._training.strided import in_products


def halving(n_inputs=5, n_outputs=4, **changes):
    return nn.Conv2d(n_inputs, n_outputs, 3, **({"stride": 2, "padding": 1} | changes))


def doubling(n_inputs=5, n_outputs=4, **changes):
    changes = {"stride": 2, "padding": 1, "output_padding": 1} | changes
    return nn.ConvTranspose2d(n_inputs, n_outputs, 3, **changes)


@pytest.mark.parametrize("layer", [halving(), doubling(), doubling(3, 1), halving(1, 3)])
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (8, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_the_layer(layer, size, layout):
    torch.manual_seed(0)
    layer = layer.double()
    fast = in_products(layer)
    for n_rows in (3, 2, 3):  # the memory of the taps is used again
        x = torch.randn(n_rows, layer.in_channels, *size, dtype=torch.float64)
        x = x.to(memory_format=layout).requires_grad_()
        expected, found = layer(x), fast(x)
        torch.testing.assert_close(found, expected)
        upstream = torch.randn_like(expected)
        inputs = [x, layer.weight, layer.bias]
        torch.testing.assert_close(
            torch.autograd.grad(found, inputs, upstream),
            torch.autograd.grad(expected, inputs, upstream),
        )


@pytest.mark.parametrize("make", [halving, doubling])
def test_the_substitute_has_the_weights_of_the_layer(make):
    layer = make()
    fast = in_products(layer)
    assert fast is not layer
    assert {id(w) for w in fast.parameters()} == {id(w) for w in layer.parameters()}


@pytest.mark.parametrize(
    ("layer", "size"),
    [(halving(), (5, 4)), (halving(), (4, 5)), (doubling(output_padding=0), (3, 3))],
)
def test_odd_sizes_are_left_to_the_layer(layer, size):
    x = torch.randn(2, 5, *size, requires_grad=True)
    assert torch.equal(in_products(layer)(x), layer(x))


def test_images_that_want_no_gradient_are_left_to_the_layer():
    layer, x = halving(), torch.randn(2, 5, 4, 4)
    assert "_Halve" not in type(in_products(layer)(x).grad_fn).__name__


class Marked(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(3, 3),
        halving(stride=1),
        halving(padding=0),
        halving(padding_mode="circular"),
        halving(bias=False),
        halving(4, 4, groups=2),
        doubling(dilation=2),
        doubling(output_padding=(1, 0)),
        nn.Conv2d(1, 1, 5, stride=2, padding=1),
        Marked(1, 1, 3, stride=2, padding=1),
    ],
)
def test_other_layers_stay(layer):
    assert in_products(layer) is layer


@pytest.mark.parametrize("learned", [False, True])
def test_a_copy_in_bfloat16_trains_by_products(learned):
    """Its gradients differ from those of float32 by no more than those of torch's bfloat16 do."""
    torch.manual_seed(0)
    module = nn.Sequential(halving(2, 8), nn.ReLU(), halving(8, 8), nn.ReLU(), doubling(8, 3))
    x = torch.randn(16, 2, 8, 8).requires_grad_(learned)  # as pseudo-inputs do
    parameters = [*module.parameters(), x] if learned else [*module.parameters()]

    def gradients(module_, lowered):
        for weights in parameters:
            weights.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
            module_(x).float().square().mean().backward()

    def found():
        return torch.cat([weights.grad.flatten() for weights in parameters])

    gradients(module, lowered=False)
    exact = found()
    gradients(module, lowered=True)
    expected = (found() - exact).norm() / exact.norm()
    copy = WorkingCopy(module, torch.bfloat16)
    gradients(copy.module, lowered=True)
    copy.return_gradients()
    assert type(module[0]) is nn.Conv2d
    assert type(copy.module[0]) is not nn.Conv2d
    assert 0 < (found() - exact).norm() / exact.norm() < 1.5 * expected
