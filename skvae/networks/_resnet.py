"""The residual convolutional network, for images given as flattened rows."""

from __future__ import annotations

import math
from itertools import pairwise
from numbers import Integral, Real

from torch import Tensor, nn

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
from skvae.networks._mlp import ACTIVATIONS, activated, initialized


class ResNet(ImageNetwork):
    """Residual encoder and decoder for images.

    Every stage halves the height and the width (rounded up) by a 3x3 convolution of stride 2,
    followed by residual blocks [1]_. A block adds to its inputs the result of group normalisation
    [2]_, activation and a 3x3 convolution, applied twice. A dense layer leads to the latent space.
    The decoder mirrors the encoder; it doubles height and width by repeating each pixel, followed
    by a convolution. Every block of the decoder also depends directly on the latent vector, by a
    scale and a shift of each channel [3]_ [4]_.

    Parameters
    ----------
    image_shape : tuple of (height, width) or (height, width, colours), default=None
        Shape of the images whose flattened values, in this order, are the rows of X. None assumes
        square greyscale images.
    channels : sequence of int, default=(32, 64)
        Number of feature maps of each stage, from the image to the latent space.
    blocks_per_stage : int, default=1
        Number of residual blocks per stage, in the encoder and in the decoder.
    n_groups : int, default=8
        Largest number of groups of channels that are normalised together, image by image. A stage
        uses the largest number up to this that divides its channels into groups of at least two.
    hidden_units : int or None, default=256
        Units of the dense layer between convolutions and latent space; None omits this layer.
    activation : {"relu", "tanh", "elu", "gelu", "silu", "leaky_relu"}, default="silu"
        Activation after every normalisation and the dense layer.
    dropout : float, default=0.0
        Share of the units set to zero at each training step, in [0, 1), after the dense layer and
        before the second convolution of each block.

    See Also
    --------
    skvae.networks.Conv : Plain convolutions, several times faster.
    skvae.networks.MLP : For tables.

    References
    ----------
    .. [1] He et al. (2016), "Identity Mappings in Deep Residual Networks", figure 1b.
    .. [2] Wu & He (2018), "Group Normalization".
    .. [3] Perez et al. (2018), "FiLM: Visual Reasoning with a General Conditioning Layer",
       equation 2.
    .. [4] Dieng et al. (2019), "Avoiding Latent Variable Collapse with Generative Skip Models".

    Examples
    --------
    >>> import torch
    >>> from skvae.networks import ResNet
    >>> network = ResNet(image_shape=(9, 14), channels=(8, 16))
    >>> network.build_encoder(n_features=126, n_outputs=4)(torch.zeros(3, 126)).shape
    torch.Size([3, 4])
    >>> network.build_decoder(2, n_outputs=126, n_features=126)(torch.zeros(3, 2)).shape
    torch.Size([3, 126])
    """

    _parameter_constraints: dict = {
        "image_shape": ["array-like", None],
        "channels": ["array-like"],
        "blocks_per_stage": [Interval(Integral, 1, None, closed="left")],
        "n_groups": [Interval(Integral, 1, None, closed="left")],
        "hidden_units": [Interval(Integral, 1, None, closed="left"), None],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        image_shape=None,
        channels=(32, 64),
        blocks_per_stage=1,
        n_groups=8,
        hidden_units=256,
        activation="silu",
        dropout=0.0,
    ):
        self.image_shape = image_shape
        self.channels = channels
        self.blocks_per_stage = blocks_per_stage
        self.n_groups = n_groups
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
        *sizes, smallest = halvings(height, width, len(self.channels))
        n_maps = [*self.channels[::-1], n_planes]
        start = self._start(n_components, (n_maps[0], *smallest))
        following = [*[self.activation] * (len(sizes) - 1), None]  # the last leads to the outputs
        stages = [
            _Stage(self._blocks(before, n_components), self._grow(before, after, size, follows))
            for (before, after), size, follows in zip(
                pairwise(n_maps), sizes[::-1], following, strict=True
            )
        ]
        return AnyLeadingShape(_Decoder(start, stages, ImagesToRows(colours)))

    def _encoder(self, n_features: int, n_planes: int, n_outputs: int) -> nn.Module:
        height, width, colours = shape_of_inputs(self, n_features)
        smallest = halvings(height, width, len(self.channels))[-1]
        layers: list[nn.Module] = [RowsToImages(height, width, colours, n_planes)]
        for before, after in pairwise([n_planes * colours, *self.channels]):
            halve = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers += [initialized(halve, self.activation), *self._blocks(after, None)]
        layers += [*self._normalized(self.channels[-1]), nn.Flatten()]
        n_last = self.channels[-1] * math.prod(smallest)
        if self.hidden_units is not None:
            layers += activated(nn.Linear(n_last, self.hidden_units), self.activation, self.dropout)
            n_last = self.hidden_units
        return nn.Sequential(*layers, initialized(nn.Linear(n_last, n_outputs), None))

    def _start(self, n_components: int, shape: tuple[int, ...]) -> nn.Sequential:
        """Return the layers from the latent vector to the smallest maps."""
        layers: list[nn.Module] = []
        if self.hidden_units is not None:
            dense = nn.Linear(n_components, self.hidden_units)
            layers += activated(dense, self.activation, self.dropout)
        to_maps = nn.Linear(self.hidden_units or n_components, math.prod(shape))
        return nn.Sequential(*layers, initialized(to_maps, self.activation), nn.Unflatten(1, shape))

    def _grow(
        self, before: int, after: int, size: tuple[int, int], follows: str | None
    ) -> nn.Module:
        """Return the layers that enlarge the maps to `size`."""
        convolve = initialized(nn.Conv2d(before, after, 3, padding=1), follows)
        return nn.Sequential(*self._normalized(before), nn.Upsample(size), convolve)

    def _blocks(self, n_channels: int, n_components: int | None) -> list[_Block]:
        return [self._block(n_channels, n_components) for _ in range(self.blocks_per_stage)]

    def _block(self, n_channels: int, n_components: int | None) -> _Block:
        first, second = (nn.Conv2d(n_channels, n_channels, 3, padding=1) for _ in range(2))
        norm, activation = self._normalized(n_channels)
        dropout = [nn.Dropout(self.dropout)] if self.dropout else []
        return _Block(
            nn.Sequential(*self._normalized(n_channels), initialized(first, self.activation), norm),
            None if n_components is None else _Modulation(n_components, n_channels),
            # starts small, so that the block starts near the identity
            nn.Sequential(activation, *dropout, initialized(second, None)),
        )

    def _normalized(self, n_channels: int) -> list[nn.Module]:
        """Return the normalisation and the activation that precede a convolution."""
        sizes = range(1, min(self.n_groups, max(1, n_channels // 2)) + 1)
        n_groups = max(size for size in sizes if n_channels % size == 0)
        return [nn.GroupNorm(n_groups, n_channels), ACTIVATIONS[self.activation]()]


class _Modulation(nn.Module):
    """A scale and a shift of every channel, linear in the latent vector."""

    def __init__(self, n_components: int, n_channels: int):
        super().__init__()
        self.linear = initialized(nn.Linear(n_components, 2 * n_channels), None)

    def forward(self, maps: Tensor, z: Tensor) -> Tensor:
        scale, shift = self.linear(z)[..., None, None].chunk(2, dim=1)  # (n, n_channels, 1, 1)
        return maps * (1 + scale) + shift


class _Block(nn.Module):
    """A residual block: two convolutions, modulated in between by the latent vector."""

    def __init__(self, first: nn.Module, modulation: _Modulation | None, second: nn.Module):
        super().__init__()
        self.first = first
        self.modulation = modulation
        self.second = second

    def forward(self, maps: Tensor, z: Tensor | None = None) -> Tensor:
        hidden = self.first(maps)
        if self.modulation is not None:
            hidden = self.modulation(hidden, z)
        return maps + self.second(hidden)


class _Stage(nn.Module):
    """Blocks that depend on the latent vector, followed by the layers that enlarge the maps."""

    def __init__(self, blocks: list[_Block], grow: nn.Module):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.grow = grow

    def forward(self, maps: Tensor, z: Tensor) -> Tensor:
        for block in self.blocks:
            maps = block(maps, z)
        return self.grow(maps)


class _Decoder(nn.Module):
    def __init__(self, start: nn.Module, stages: list[_Stage], end: nn.Module):
        super().__init__()
        self.start = start
        self.stages = nn.ModuleList(stages)
        self.end = end

    def forward(self, z: Tensor) -> Tensor:
        maps = self.start(z)
        for stage in self.stages:
            maps = stage(maps, z)
        return self.end(maps)
