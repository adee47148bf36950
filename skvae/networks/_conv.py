"""The convolutional network, for images given as flattened rows."""

from __future__ import annotations

import math
from numbers import Integral, Real

from torch import nn

from skvae._validation import Interval, StrOptions
from skvae.networks._images import (
    AnyLeadingShape,
    ImageNetwork,
    ImagesToRows,
    RowsToImages,
    halvings,
    shape_of_inputs,
    shape_of_outputs,
)
from skvae.networks._mlp import ACTIVATIONS, Layer, activated, initialized


class Conv(ImageNetwork):
    """Convolutional encoder and decoder for images.

    Every stage halves the height and the width (rounded up) by a 3x3 convolution of stride 2; a
    dense layer leads to the latent space. The decoder mirrors the encoder with transposed
    convolutions.

    Parameters
    ----------
    image_shape : tuple of (height, width) or (height, width, colours), default=None
        Shape of the images whose flattened values, in this order, are the rows of X. None assumes
        square greyscale images.
    channels : sequence of int, default=(32, 64)
        Number of feature maps of each stage, from the image to the latent space.
    hidden_units : int or None, default=256
        Units of the dense layer between convolutions and latent space; None omits this layer.
    activation : {"relu", "tanh", "elu", "gelu", "silu", "leaky_relu"}, default="relu"
        Activation after every convolution and the dense layer.
    dropout : float, default=0.0
        Share of the units set to zero at each training step, in [0, 1).

    See Also
    --------
    skvae.networks.MLP : For tables.
    skvae.networks.ResNet : Deeper, with residual connections.

    References
    ----------
    .. [1] Dumoulin & Visin (2016), "A guide to convolution arithmetic for deep learning",
       relationship 14 (sizes of transposed convolutions).

    Examples
    --------
    >>> import torch
    >>> from skvae.networks import Conv
    >>> network = Conv(image_shape=(9, 14), channels=(8, 16))
    >>> network.build_encoder(n_features=126, n_outputs=4)(torch.zeros(3, 126)).shape
    torch.Size([3, 4])
    >>> network.build_decoder(2, n_outputs=126, n_features=126)(torch.zeros(3, 2)).shape
    torch.Size([3, 126])
    """

    _parameter_constraints: dict = {
        "image_shape": ["array-like", None],
        "channels": ["array-like"],
        "hidden_units": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        image_shape=None,
        channels=(32, 64),
        hidden_units=256,
        activation="relu",
        dropout=0.0,
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.hidden_units = hidden_units
        self.activation = activation
        self.dropout = dropout

    def build_decoder(self, n_components: int, n_outputs: int, n_features: int) -> nn.Module:
        """Build a fresh decoder.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        n_outputs : int
            Number of values per row that parametrise p(x|z), a multiple of `n_features`.
        n_features : int
            Width of the rows: height times width times colours.

        Returns
        -------
        decoder : torch.nn.Module
            Maps (..., n_components) to (..., n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If the rows are not images of shape `image_shape`, or `n_outputs` is not a multiple of
            `n_features`.
        """
        height, width, colours, n_planes = shape_of_outputs(self, n_outputs, n_features)
        stages = halvings(height, width, len(self.channels))
        n_flat = self.channels[-1] * math.prod(stages[-1])
        layers: list[nn.Module] = []
        if self.hidden_units is not None:
            layers += self._activated(nn.Linear(n_components, self.hidden_units))
        layers += self._activated(nn.Linear(self.hidden_units or n_components, n_flat))
        layers.append(nn.Unflatten(1, (self.channels[-1], *stages[-1])))
        n_maps = [*self.channels[::-1][1:], n_planes]
        for stage, (before, after) in enumerate(zip(self.channels[::-1], n_maps, strict=True)):
            # sizes 2n - 1 and 2n are both halved to n, so an odd size needs less output padding
            odd = [size % 2 for size in stages[-2 - stage]]
            grow = nn.ConvTranspose2d(
                before, after, 3, stride=2, padding=1, output_padding=(1 - odd[0], 1 - odd[1])
            )
            last = stage == len(self.channels) - 1
            layers += [initialized(grow, None)] if last else self._activated(grow)
        return AnyLeadingShape(nn.Sequential(*layers, ImagesToRows(colours)))

    def _encoder(self, n_features: int, n_planes: int, n_outputs: int) -> nn.Module:
        height, width, colours = shape_of_inputs(self, n_features)
        stages = halvings(height, width, len(self.channels))
        layers: list[nn.Module] = [RowsToImages(height, width, colours, n_planes)]
        n_maps = n_planes * colours
        for n_channels in self.channels:
            layers += self._activated(nn.Conv2d(n_maps, n_channels, 3, stride=2, padding=1))
            n_maps = n_channels
        n_flat = n_maps * math.prod(stages[-1])
        layers.append(nn.Flatten())
        if self.hidden_units is not None:
            layers += self._activated(nn.Linear(n_flat, self.hidden_units))
        n_last = self.hidden_units or n_flat
        return nn.Sequential(*layers, initialized(nn.Linear(n_last, n_outputs), None))

    def _activated(self, layer: Layer) -> list[nn.Module]:
        return activated(layer, self.activation, self.dropout)
