"""The multilayer perceptron, and the initialisation of layers that all networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from skvae._parts import Network
from skvae._validation import Interval, StrOptions

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


class MLP(Network):
    """Fully connected encoder and decoder.

    The decoder mirrors the encoder: with ``hidden_layer_sizes=(512, 256)`` the rows pass 512 and
    then 256 units on their way to the latent space, 256 and then 512 on their way back.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Units of the encoder's hidden layers, from the data to the latent space. Empty for a linear
        network, whose VAE is probabilistic PCA or factor analysis. "auto" fits two layers to the
        number of features; the rule is stated under Notes.
    activation : {"relu", "tanh", "elu", "gelu", "silu", "leaky_relu"}, default="relu"
        What follows every hidden layer.
    dropout : float, default=0.0
        Share of the hidden units silenced at each training step, in [0, 1).
    skip_connections : bool, default=False
        Whether the latent vector enters every layer of the decoder, beside what the layer before
        makes of it [3]_, so that fewer latent dimensions collapse onto the prior.

    See Also
    --------
    skvae.networks.Conv : For images.

    Notes
    -----
    "auto" gives the first hidden layer the smallest power of two that is at least four times the
    number of features, but no less than 64 and no more than 512, and the second layer half of that.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix C.
    .. [2] He et al. (2015), "Delving Deep into Rectifiers", equation 10 (the initial weights).
    .. [3] Dieng et al. (2019), "Avoiding Latent Variable Collapse with Generative Skip Models",
       section 3.

    Examples
    --------
    >>> from skvae.networks import MLP
    >>> MLP(hidden_layer_sizes=(8,)).build_encoder(n_features=4, n_outputs=2)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            StrOptions({"auto"}),
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "skip_connections": ["boolean"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes="auto",
        activation="relu",
        dropout=0.0,
        skip_connections=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.skip_connections = skip_connections

    def build_encoder(self, n_features: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder.

        Parameters
        ----------
        n_features : int
            Width of the rows.
        n_outputs : int
            Number of values per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps (n_samples, n_features) to (n_samples, n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        return self._stack(n_features, self._hidden_sizes(n_features), n_outputs)

    def build_decoder(self, n_components: int, n_outputs: int, n_features: int) -> nn.Module:
        """Build a fresh decoder.

        Parameters
        ----------
        n_components : int
            Latent dimensions.
        n_outputs : int
            Number of values per row that parametrise p(x|z).
        n_features : int
            Width of the rows, which decides the widths under "auto".

        Returns
        -------
        decoder : torch.nn.Module
            Maps (..., n_components) to (..., n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        hidden_sizes = self._hidden_sizes(n_features)[::-1]
        if self.skip_connections:
            return self._skip_stack(n_components, hidden_sizes, n_outputs)
        return self._stack(n_components, hidden_sizes, n_outputs)

    def validate(self) -> None:
        super().validate()
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str | Integral):
            return
        if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
            raise ValueError(
                "'hidden_layer_sizes' of MLP must be 'auto' or integers of at least 1, got "
                f"{sizes!r}."
            )

    def _hidden_sizes(self, n_features: int) -> Sequence[int]:
        self.validate()
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            return automatic_sizes(n_features)
        return [int(size) for size in ([sizes] if isinstance(sizes, Integral) else sizes)]

    def _stack(self, n_inputs: int, hidden_sizes: Sequence[int], n_outputs: int) -> nn.Module:
        layers: list[nn.Module] = []
        for before, after in pairwise([n_inputs, *hidden_sizes]):
            layers += activated(nn.Linear(before, after), self.activation, self.dropout)
        n_last = hidden_sizes[-1] if hidden_sizes else n_inputs
        return nn.Sequential(*layers, initialized(nn.Linear(n_last, n_outputs), None))

    def _skip_stack(self, n_inputs: int, hidden_sizes: Sequence[int], n_outputs: int) -> nn.Module:
        n_seen = [n_inputs, *(size + n_inputs for size in hidden_sizes)]
        layers: list[nn.Module] = [
            nn.Sequential(*activated(nn.Linear(before, after), self.activation, self.dropout))
            for before, after in zip(n_seen[:-1], hidden_sizes, strict=True)
        ]
        return _SkipStack([*layers, initialized(nn.Linear(n_seen[-1], n_outputs), None)])


def automatic_sizes(n_features: int) -> list[int]:
    """Return two widths: a power of two of at least four per feature within 64 and 512, and half.

    Examples
    --------
    >>> automatic_sizes(4), automatic_sizes(30), automatic_sizes(784)
    ([64, 32], [128, 64], [512, 256])
    """
    width = min(512, max(64, 2 ** math.ceil(math.log2(4 * n_features))))
    return [width, width // 2]


class _SkipStack(nn.Module):
    """Layers of which all but the first see what came in, beside what the one before makes of it.

    To append z to the inputs of a layer is to add a linear map of z to its outputs.
    """

    def __init__(self, layers: Sequence[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, z: Tensor) -> Tensor:
        first, *others = self.layers
        h = first(z)
        for layer in others:
            h = layer(torch.cat([h, z], dim=-1))
        return h


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
