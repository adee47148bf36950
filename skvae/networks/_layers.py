"""What networks share: activations by name, and weights initialised for them."""

from __future__ import annotations

import math

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def initialized(layer: Layer, activation: str | None) -> Layer:
    """Initialise a layer for the activation that follows it; ``None`` is a linear output.

    Glorot & Bengio (2010) for tanh and for linear outputs; elsewhere He et al. (2015), which makes
    up for the half of the signal's power that a rectifier loses. Biases start at zero. (The default
    of torch keeps a sixth of the power at every layer.)
    """
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    if activation in (None, "tanh"):
        nn.init.xavier_uniform_(layer.weight)
    else:
        bound = math.sqrt(6 / _inputs_per_output(layer))  # He et al., equation 10, as a uniform
        nn.init.uniform_(layer.weight, -bound, bound)
    return layer


def _inputs_per_output(layer: Layer) -> float:
    if isinstance(layer, nn.Linear):
        return layer.in_features
    n_inputs = layer.in_channels * math.prod(layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):  # its stride spreads the inputs out
        return n_inputs / math.prod(layer.stride)
    return n_inputs


def activated(layer: Layer, activation: str, dropout: float) -> list[nn.Module]:
    """Return the layer, its activation and, where asked for, dropout, ready for a stack."""
    layers = [initialized(layer, activation), ACTIVATIONS[activation]()]
    return [*layers, nn.Dropout(dropout)] if dropout else layers
