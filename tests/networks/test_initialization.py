"""Initial weights keep the power of the signal."""

import math

import pytest
import torch
from torch import nn

from skvae.networks._mlp import _POWER_KEPT, ACTIVATIONS, activated, initialized

SIZE = 400


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_signals_neither_die_nor_explode_through_ten_layers(activation):
    torch.manual_seed(0)
    layers = [
        layer for _ in range(10) for layer in activated(nn.Linear(SIZE, SIZE), activation, 0.0)
    ]
    x = torch.randn(200, SIZE)
    power = nn.Sequential(*layers)(x).square().mean().item()
    assert 0.05 < power < 20  # torch's own default ends below 1e-4 for relu


@pytest.mark.parametrize("activation", _POWER_KEPT)
def test_power_after_an_activation_is_the_integral(activation):
    u = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-u.square() / 2) / math.sqrt(2 * math.pi)
    kept = torch.trapezoid(ACTIVATIONS[activation]()(u).square() * density, u)
    assert _POWER_KEPT[activation] == pytest.approx(kept.item(), rel=1e-4)


def test_signals_die_with_the_default_of_torch():
    torch.manual_seed(0)
    layers = [layer for _ in range(10) for layer in (nn.Linear(SIZE, SIZE), nn.ReLU())]
    assert nn.Sequential(*layers)(torch.randn(200, SIZE)).square().mean() < 0.01


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
    ],
    ids=["conv", "transposed"],
)
def test_convolutions_keep_the_power_before_the_activation(layer):
    torch.manual_seed(0)
    x = torch.randn(20, layer.in_channels, 16, 16).relu()
    outputs = initialized(layer, "relu")(x)[..., 2:-2, 2:-2]  # padding aside
    # He et al.: the variance before an activation is twice the power that comes in
    assert outputs.var().item() == pytest.approx(2 * x.square().mean().item(), rel=0.2)


def test_biases_start_at_zero_and_output_weights_at_0_3_of_glorot():
    layer = initialized(nn.Linear(300, 100), None)
    assert not layer.bias.any()
    assert layer.weight.var().item() == pytest.approx(0.3**2 * 2 / 400, rel=0.05)


def test_dropout_of_zero_adds_no_layer():
    assert [type(part) for part in activated(nn.Linear(2, 2), "tanh", 0.0)] == [nn.Linear, nn.Tanh]
    assert activated(nn.Linear(2, 2), "tanh", 0.5)[-1].p == 0.5
