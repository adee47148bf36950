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

_SHIFT = 14  # of the height and width of an image, so that a digit of MNIST moves by two pixels


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
        """Return images shifted at random, by at most a fourteenth of their height and width.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
            Images in the units of X.
        generator : torch.Generator or None, default=None
            Source of the draws.

        Returns
        -------
        shifted : Tensor of shape (n_samples, n_features)
            Pixels at the border are repeated.
        """
        height, width, colours = shape_of_rows(self, x.shape[1])
        rows, columns = (_shifted(size, x, generator) for size in (height, width))
        images = x.unflatten(1, (height, width, colours))
        first = torch.arange(len(x), device=x.device)[:, None, None]
        return images[first, rows[:, :, None], columns[:, None, :]].flatten(1)

    def _encoder(self, n_features: int, n_planes: int, n_outputs: int) -> nn.Module:
        """Build an encoder of rows of so many images side by side."""
        raise NotImplementedError


def _shifted(size: int, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return the indices of pixels along one side of shifted images, (n_images, size)."""
    most = round(size / _SHIFT)
    shifts = torch.randint(
        -most, most + 1, (len(x), 1), generator=generator, device=x.device, dtype=torch.int64
    )
    return (torch.arange(size, device=x.device) + shifts).clamp(0, size - 1)


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
