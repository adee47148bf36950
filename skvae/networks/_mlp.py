"""The multilayer perceptron, for tables and for small images seen as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._validation import Interval, StrOptions
from skvae.networks._layers import ACTIVATIONS, activated, initialized


class MLP(BaseEstimator):
    """Fully connected encoder and decoder.

    The decoder mirrors the encoder: with ``hidden_layer_sizes=(512, 256)`` the rows pass 512 and
    then 256 units on their way to the latent space, 256 and then 512 on their way back.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(512, 256)
        Units of the encoder's hidden layers, from the data to the latent space. Empty for a linear
        network, whose VAE is probabilistic PCA or factor analysis.
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
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "skip_connections": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(512, 256),
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
            Numbers per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps (n_samples, n_features) to (n_samples, n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        return self._stack(n_features, self._hidden_sizes(), n_outputs)

    def build_decoder(self, n_components: int, n_outputs: int) -> nn.Module:
        """Build a fresh decoder.

        Parameters
        ----------
        n_components : int
            Latent dimensions.
        n_outputs : int
            Numbers per row that parametrise p(x|z).

        Returns
        -------
        decoder : torch.nn.Module
            Maps (..., n_components) to (..., n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        hidden_sizes = self._hidden_sizes()[::-1]
        if self.skip_connections:
            return self._skip_stack(n_components, hidden_sizes, n_outputs)
        return self._stack(n_components, hidden_sizes, n_outputs)

    def _hidden_sizes(self) -> Sequence[int]:
        self._validate_params()
        sizes = self.hidden_layer_sizes
        sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
        if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
            raise ValueError(
                f"'hidden_layer_sizes' of MLP must be integers of at least 1, got "
                f"{self.hidden_layer_sizes!r}."
            )
        return [int(size) for size in sizes]

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
