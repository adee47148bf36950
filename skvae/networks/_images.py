"""Shapes of images and conversion from rows and to rows, for all networks of images.

Rows hold images flattened as (height, width, colours); torch uses (colours, height, width).
"""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from skvae._parts import Network

# Of changed images, at most. A digit of MNIST moves by two pixels.
_SHIFT = 14  # the height and width divided by the shift
_TURN = math.radians(15)
_SLANT = 0.2
_GROWTH = 0.15  # logarithm of the scale


def shape_of_inputs(network: Any, n_features: int) -> tuple[int, int, int]:
    """Return (height, width, colours) of the rows that a network encodes.

    Raises
    ------
    InvalidParameterError
        If a parameter of the network is out of range.
    ValueError
        If the rows are not images of its `image_shape`.
    """
    network.validate()
    check_counts(network, "channels")
    return shape_of_rows(network, n_features)


def shape_of_rows(spec: Any, n_features: int) -> tuple[int, int, int]:
    """Return (height, width, colours) of rows for any object with an `image_shape`.

    Raises
    ------
    ValueError
        If the rows are not images of that shape.
    """
    height, width, colours = _image_shape(spec, n_features)
    if height * width * colours != n_features:
        raise ValueError(
            f"'image_shape' of {_name(spec)} is {spec.image_shape!r}, that is "
            f"{height * width * colours} values, but X has {n_features} features."
        )
    return height, width, colours


def shape_of_outputs(network: Any, n_outputs: int, n_features: int) -> tuple[int, int, int, int]:
    """Return (height, width, colours, planes) of the images that a network decodes.

    Each parameter of the likelihood has one plane per colour.

    Raises
    ------
    InvalidParameterError
        If a parameter of the network is out of range.
    ValueError
        If `n_outputs` is not a multiple of the size of an image.
    """
    height, width, colours = shape_of_inputs(network, n_features)
    n_planes, rest = divmod(n_outputs, height * width)
    if rest or n_planes % colours:
        raise ValueError(
            f"{_name(network)} decodes images of shape {(height, width, colours)}, but the "
            f"likelihood needs {n_outputs} outputs, which is not a multiple of "
            f"{height * width * colours}. Choose network='mlp', or a likelihood with equally many "
            "outputs for every feature."
        )
    return height, width, colours, n_planes


def halvings(height: int, width: int, n_stages: int) -> list[tuple[int, int]]:
    """Return (height, width) before and after every stage of the encoder."""
    sizes = [(height, width)]
    for _ in range(n_stages):
        height, width = math.ceil(height / 2), math.ceil(width / 2)
        sizes.append((height, width))
    return sizes


def _image_shape(spec: Any, n_values: int) -> tuple[int, int, int]:
    """Return (height, width, colours); if `image_shape` is None, infer a greyscale square."""
    if spec.image_shape is not None:
        check_counts(spec, "image_shape", lengths=(2, 3))
        height, width, *colours = (int(size) for size in spec.image_shape)
        return height, width, colours[0] if colours else 1
    side = math.isqrt(n_values)
    if side * side == n_values:
        return side, side, 1
    raise ValueError(
        f"{_name(spec)} assumes square greyscale images, but {n_values} is not the square of a "
        f"whole number. Pass {_name(spec)}(image_shape=(height, width)) or (height, width, "
        "colours)."
    )


def check_counts(network: Any, name: str, lengths: tuple[int, ...] | None = None) -> None:
    """Raise an error unless a parameter holds positive integers, as many as one of `lengths`."""
    values = getattr(network, name)
    expected = "one or more" if lengths is None else " or ".join(map(str, lengths))
    right_length = len(values) >= 1 if lengths is None else len(values) in lengths
    if not right_length or not all(isinstance(v, Integral) and int(v) >= 1 for v in values):
        raise ValueError(
            f"'{name}' of {_name(network)} must be {expected} positive integers, got {values!r}."
        )


def _name(network: Any) -> str:
    return type(network).__name__


class ImageNetwork(Network):
    """Base of the networks of images, whose encoders see gaps as further colours."""

    def build_encoder(self, n_features: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder.

        Parameters
        ----------
        n_features : int
            Width of the rows: height times width times colours.
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
        ValueError
            If the rows are not images of shape `image_shape`.
        """
        return self._encoder(n_features, 1, n_outputs)

    def build_gap_encoder(self, n_features: int, n_indicators: int, n_outputs: int) -> nn.Module:
        """Build a fresh encoder in which the indicators of gaps are further colours of the images.

        Parameters
        ----------
        n_features : int
            Width of the rows: height times width times colours.
        n_indicators : int
            The same.
        n_outputs : int
            Number of values per row that parametrise q(z|x).

        Returns
        -------
        encoder : torch.nn.Module
            Maps (n_samples, 2 * n_features) to (n_samples, n_outputs).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If the rows are not images of shape `image_shape`.
        """
        return self._encoder(n_features, 2, n_outputs)

    def augment(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return images shifted, turned, slanted and scaled a little, at random.

        By at most a fourteenth of their height and width, 15 degrees, a slope of 0.2, and a factor
        of 1.16.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Images in the units of X, in which NaN is a missing value.
        generator : torch.Generator or None, default=None
            Source of the draws.

        Returns
        -------
        changed : Tensor of shape (n_samples, n_features)
            Pixels are interpolated, and repeated at the border. One is missing if most of what it
            is made of is.
        """
        height, width, colours = shape_of_rows(self, x.shape[1])
        images = RowsToImages(height, width, colours)(x)
        grid = nn.functional.affine_grid(
            _small_changes(len(x), height / width, generator, x.device).to(x),
            list(images.shape),
            align_corners=False,
        )
        observed = ~images.isnan()
        values, weights = (
            nn.functional.grid_sample(part, grid, padding_mode="border", align_corners=False)
            for part in (torch.where(observed, images, 0.0), observed.to(x))
        )
        changed = torch.where(weights > 0.5, values / weights, torch.nan)
        return ImagesToRows(colours)(changed)

    def _encoder(self, n_features: int, n_planes: int, n_outputs: int) -> nn.Module:
        """Build an encoder of rows of so many images side by side."""
        raise NotImplementedError


def _small_changes(
    n_images: int, ratio: float, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Draw linear maps of images of a ratio of height to width, (n_images, 2, 3).

    They map places in the new image to those in the old one, both in [-1, 1].
    """
    draws = 2 * torch.rand(n_images, 6, generator=generator, device=device) - 1
    turn, slant, *growth = (draws[:, :4] * draws.new_tensor([_TURN, _SLANT, _GROWTH, _GROWTH])).T
    cos, sin = turn.cos(), turn.sin()
    across, down = (one.exp() for one in growth)
    shift = draws[:, 4:] * 2 / _SHIFT
    first = torch.stack([cos * across, (cos * slant - sin) * down * ratio, shift[:, 0]], 1)
    second = torch.stack([sin * across / ratio, (sin * slant + cos) * down, shift[:, 1]], 1)
    return torch.stack([first, second], 1)


class RowsToImages(nn.Module):
    """Unflatten rows, images side by side, to images, (n, planes * colours, height, width)."""

    def __init__(self, height: int, width: int, colours: int, n_planes: int = 1):
        super().__init__()
        self.shape = (n_planes, height, width, colours)

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, self.shape).movedim(-1, -3).flatten(-4, -3)


class ImagesToRows(nn.Module):
    """Flatten planes to rows: parameter after parameter, each as (height, width, colours)."""

    def __init__(self, colours: int):
        super().__init__()
        self.colours = colours

    def forward(self, images: Tensor) -> Tensor:  # (n, planes, height, width)
        planes = images.unflatten(1, (-1, self.colours))  # (n, parameters, colours, h, w)
        return planes.movedim(2, -1).flatten(1)


class AnyLeadingShape(nn.Module):
    """Apply a module of flat rows to inputs with any number of leading dimensions."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, z: Tensor) -> Tensor:
        outputs = self.body(z.reshape(-1, z.shape[-1]))
        return outputs.reshape(*z.shape[:-1], -1)
