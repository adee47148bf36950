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

# E[f(u)^2] for u ~ N(0, 1): the share of a signal's power after the activation
_POWER_KEPT = {"relu": 0.5, "leaky_relu": 0.50005, "elu": 0.64495, "gelu": 0.42522, "silu": 0.35578}

# The last layers start small, so that untrained outputs are near the mean row and the prior. On
# MNIST this gains two nats after three epochs.
_OUTPUT_GAIN = 0.3

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


_NARROW_ROWS = 32
_RESIDUAL_SIZES = (64, 64, 64, 64)
_BRANCH_GAIN = 0.3  # what residual branches add to the power of the signal must not pile up


class MLP(Network):
    """Fully connected encoder and decoder.

    The decoder mirrors the encoder: with ``hidden_layer_sizes=(512, 256)`` the encoder has hidden
    layers of 512 and 256 units, the decoder of 256 and 512 [1]_.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or sequence of int, default="auto"
        Number of units of the encoder's hidden layers, from the data to the latent space. An empty
        sequence gives a linear network, whose VAE is probabilistic PCA or factor analysis. "auto"
        chooses two layers by the number of features; the rule is stated under Notes.
    activation : {"relu", "tanh", "elu", "gelu", "silu", "leaky_relu"}, default="relu"
        Activation after every hidden layer; it also sets the scale of the initial weights [2]_.
    dropout : float, default=0.0
        Share of the hidden units set to zero at each training step, in [0, 1).
    skip_connections : bool, default=False
        Whether the latent vector is an input of every layer of the decoder, in addition to the
        outputs of the previous layer [3]_, so that fewer latent dimensions collapse onto the prior.
    residual : bool, default=False
        Whether the outputs of every hidden layer but the first are added to its inputs [4]_, and a
        linear map of the network's inputs to its outputs, in encoder and decoder. Deep networks
        then train as fast as shallow ones. All hidden layers must have the same width.
    linear_decoder : bool, default=False
        Whether the decoder is a linear map, as in factor analysis, whatever the hidden layers of
        the encoder.

    See Also
    --------
    skvae.networks.Conv : For images.

    Notes
    -----
    "auto" gives the hidden layers (256, 128) units for rows of at most 32 features, and (512, 256)
    for wider rows. In a comparison on 24 tables of outliers and 7 of likelihoods this was as good
    as (512, 256) throughout, at 0.55 of the time for narrow rows; narrower layers lost likelihood
    and saved little more (benchmarks/README.md). With `residual`, "auto" gives four hidden layers
    of 64 units.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix C.
    .. [2] He et al. (2015), "Delving Deep into Rectifiers", equation 10 (the initial weights).
    .. [3] Dieng et al. (2019), "Avoiding Latent Variable Collapse with Generative Skip Models",
       section 3.
    .. [4] He et al. (2016), "Identity Mappings in Deep Residual Networks".

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
        "residual": ["boolean"],
        "linear_decoder": ["boolean"],
    }

    def __init__(
        self,
        *,
        hidden_layer_sizes="auto",
        activation="relu",
        dropout=0.0,
        skip_connections=False,
        residual=False,
        linear_decoder=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.skip_connections = skip_connections
        self.residual = residual
        self.linear_decoder = linear_decoder

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

    def build_gap_encoder(self, n_features: int, n_indicators: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder whose first layer also receives the indicators of gaps.

        Parameters
        ----------
        n_features : int
            Width of the rows, which determines the hidden layers under "auto".
        n_indicators : int
            Number of indicators.
        n_outputs : int
            Number of values per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps (n_samples, n_features + n_indicators) to (n_samples, n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        return self._stack(n_features + n_indicators, self._hidden_sizes(n_features), n_outputs)

    def build_decoder(self, n_components: int, n_outputs: int, n_features: int) -> nn.Module:
        """Build a fresh decoder.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        n_outputs : int
            Number of values per row that parametrise p(x|z).
        n_features : int
            Width of the rows, which determines the hidden layers under "auto".

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
        if self.linear_decoder:
            return initialized(nn.Linear(n_components, n_outputs), None)
        if self.skip_connections:
            return self._skip_stack(n_components, hidden_sizes, n_outputs)
        return self._stack(n_components, hidden_sizes, n_outputs)

    def validate(self) -> None:
        super().validate()
        sizes = self.hidden_layer_sizes
        widths = [] if isinstance(sizes, str | Integral) else sizes
        if not all(isinstance(size, Integral) and int(size) >= 1 for size in widths):
            raise ValueError(
                "'hidden_layer_sizes' of MLP must be 'auto' or integers of at least 1, got "
                f"{sizes!r}."
            )
        if self.residual and len(set(widths)) > 1:
            raise ValueError(
                "'hidden_layer_sizes' of MLP must be equal integers if 'residual' is True, got "
                f"{sizes!r}."
            )
        if self.residual and self.skip_connections:
            raise ValueError(
                "'residual' and 'skip_connections' of MLP are both True. Choose one of them."
            )

    def _hidden_sizes(self, n_features: int) -> Sequence[int]:
        self.validate()
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str) and self.residual:
            return _RESIDUAL_SIZES
        if isinstance(sizes, str):
            return [256, 128] if n_features <= _NARROW_ROWS else [512, 256]
        return [int(size) for size in ([sizes] if isinstance(sizes, Integral) else sizes)]

    def _stack(self, n_inputs: int, hidden_sizes: Sequence[int], n_outputs: int) -> nn.Module:
        if self.residual:
            return self._residual_stack(n_inputs, hidden_sizes, n_outputs)
        layers: list[nn.Module] = []
        for before, after in pairwise([n_inputs, *hidden_sizes]):
            layers += activated(nn.Linear(before, after), self.activation, self.dropout)
        n_last = hidden_sizes[-1] if hidden_sizes else n_inputs
        return nn.Sequential(*layers, initialized(nn.Linear(n_last, n_outputs), None))

    def _residual_stack(
        self, n_inputs: int, hidden_sizes: Sequence[int], n_outputs: int
    ) -> nn.Module:
        linear = [nn.Linear(before, after) for before, after in pairwise([n_inputs, *hidden_sizes])]
        layers = [
            nn.Sequential(*activated(layer, self.activation, self.dropout)) for layer in linear
        ]
        with torch.no_grad():
            for branch in linear[1:]:
                branch.weight *= _BRANCH_GAIN
        n_last = hidden_sizes[-1] if hidden_sizes else n_inputs
        last, direct = (initialized(nn.Linear(n, n_outputs), None) for n in (n_last, n_inputs))
        return _ResidualStack(layers, last, direct)

    def _skip_stack(self, n_inputs: int, hidden_sizes: Sequence[int], n_outputs: int) -> nn.Module:
        n_seen = [n_inputs, *(size + n_inputs for size in hidden_sizes)]
        layers: list[nn.Module] = [
            nn.Sequential(*activated(nn.Linear(before, after), self.activation, self.dropout))
            for before, after in zip(n_seen[:-1], hidden_sizes, strict=True)
        ]
        return _SkipStack([*layers, initialized(nn.Linear(n_seen[-1], n_outputs), None)])


class _SkipStack(nn.Module):
    """Layers whose inputs, after the first, are the previous outputs concatenated with z.

    This is equivalent to adding a linear map of z to the outputs of each layer.
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


class _ResidualStack(nn.Module):
    """Hidden layers whose outputs are added to their inputs, beside a linear map."""

    def __init__(self, layers: Sequence[nn.Module], last: nn.Module, direct: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.last = last
        self.direct = direct

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for position, layer in enumerate(self.layers):
            h = layer(h) if position == 0 else h + layer(h)
        return self.last(h) + self.direct(x)


def initialized(layer: Layer, activation: str | None) -> Layer:
    """Initialise a layer for the activation that follows it, or None for a linear output.

    Weights follow Glorot & Bengio (2010) for tanh and linear outputs. For other activations they
    follow the argument of He et al. (2015): they compensate for the power that the activation
    removes, which is half of it for a rectifier. Biases are zero. (With torch's default, a sixth of
    the power remains after every layer.)
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
    if isinstance(layer, nn.ConvTranspose2d):  # an output depends on a share of the kernel
        return n_inputs / math.prod(layer.stride)
    return n_inputs


def activated(layer: Layer, activation: str, dropout: float) -> list[nn.Module]:
    """Return the layer, its activation and, if it is not zero, dropout."""
    layers = [initialized(layer, activation), ACTIVATIONS[activation]()]
    return [*layers, nn.Dropout(dropout)] if dropout else layers
