"""3x3 convolutions of stride 2 as matrix products, for training in bfloat16 on a processor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

_GEOMETRY = {
    "kernel_size": (3, 3),
    "stride": (2, 2),
    "padding": (1, 1),
    "dilation": (1, 1),
    "groups": 1,
    "padding_mode": "zeros",
}


def in_products(layer: nn.Module) -> nn.Module:
    """Return what computes the same with the same weights in less time, or the layer itself.

    Every pixel of the smaller images has nine taps in the larger ones (Dumoulin & Visin, 2016,
    section 4.1). With the taps as rows, a transposed convolution and both gradients of a plain one
    are matrix products, which the libraries that multiply in bfloat16 do best.
    """
    if type(layer) not in _SUBSTITUTES or layer.bias is None:
        return layer
    if any(getattr(layer, name) != value for name, value in _GEOMETRY.items()):
        return layer
    if layer.output_padding not in ((0, 0), (1, 1)):  # a plain convolution has none
        return layer
    return _SUBSTITUTES[type(layer)](layer)


class _Products(nn.Module):
    """Base of the substitutes.

    The memory of the taps, the largest of all, is kept from step to step: freed and asked for
    again, it would be cleared by the system each time.
    """

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d):
        super().__init__()
        self.layer = layer
        self._taps: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}

    def taps(self, x: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Return room for the taps of smaller images, twice, zero where no pixel lies."""
        shape = (len(x), height, width, 3, 3, self.layer.weight.shape[1])
        if shape not in self._taps:
            self._taps[shape] = x.new_zeros(shape), x.new_zeros(shape)
        return self._taps[shape]


class _Halving(_Products):
    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if height % 2 or width % 2 or not x.requires_grad:
            return self.layer(x)
        x = x.to(self.layer.weight.dtype)  # of rows that are learned, as pseudo-inputs are
        taps = self.taps(x, height // 2, width // 2)
        halved: Tensor = _Halve.apply(x, self.layer.weight, self.layer.bias, *taps)
        return halved


class _Doubling(_Products):
    def forward(self, x: Tensor) -> Tensor:
        if self.layer.output_padding == (0, 0):
            return self.layer(x)
        taps = self.taps(x, *x.shape[2:])
        doubled: Tensor = _Double.apply(x, self.layer.weight, self.layer.bias, *taps)
        return doubled


_SUBSTITUTES: dict[type, type] = {nn.Conv2d: _Halving, nn.ConvTranspose2d: _Doubling}


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *taps: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.taps = taps
        return conv2d(x, weight, bias, stride=2, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        products, taps = ctx.taps
        pixels, kernel = _pixels(gradient), _kernel(weight)
        torch.mm(pixels, kernel, out=_rows(products))
        _gather(x.permute(0, 2, 3, 1), taps)
        to_weight = (pixels.t() @ _rows(taps)).view(len(weight), 3, 3, -1)
        to_x = _scatter(products).permute(0, 3, 1, 2)
        return to_x, to_weight.permute(0, 3, 1, 2), pixels.sum(0), None, None


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *taps: Tensor) -> Tensor:
        pixels, kernel = _pixels(x), _kernel(weight)
        ctx.save_for_backward(pixels, kernel)
        products, ctx.taps = taps
        torch.mm(pixels, kernel, out=_rows(products))
        return (_scatter(products).add_(bias)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        pixels, kernel = ctx.saved_tensors
        images = gradient.permute(0, 2, 3, 1)
        _gather(images, ctx.taps)
        taps = _rows(ctx.taps)
        to_x = (taps @ kernel.t()).view(*ctx.taps.shape[:3], -1)
        to_weight = (pixels.t() @ taps).view(len(kernel), 3, 3, -1)
        to_bias = images.sum((0, 1, 2))
        return to_x.permute(0, 3, 1, 2), to_weight.permute(0, 3, 1, 2), to_bias, None, None


def _pixels(images: Tensor) -> Tensor:
    """Return images (n, c, height, width) as rows of pixels, (n * height * width, c)."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def _kernel(weight: Tensor) -> Tensor:
    """Return what multiplies the pixels of the smaller images, (c_small, 9 * c_large)."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _rows(taps: Tensor) -> Tensor:
    return taps.view(taps[..., 0, 0, 0].numel(), -1)


def _scatter(taps: Tensor) -> Tensor:
    """Add the taps (n, height, width, 3, 3, c) up to images (n, 2 * height, 2 * width, c).

    Along an axis, taps 1 and 2 of a pixel write to its own even and odd place, and tap 0 to the odd
    place of the pixel before.
    """
    n_rows, height, width, _, _, n_channels = taps.shape
    images = taps.new_empty(n_rows, height, 2, width, 2, n_channels)
    images[:, :, 0, :, 0] = taps[:, :, :, 1, 1]
    right, below, corner = images[:, :, 0, :, 1], images[:, :, 1, :, 0], images[:, :, 1, :, 1]
    right.copy_(taps[:, :, :, 1, 2])
    right[:, :, :-1] += taps[:, :, 1:, 1, 0]
    below.copy_(taps[:, :, :, 2, 1])
    below[:, :-1] += taps[:, 1:, :, 0, 1]
    corner.copy_(taps[:, :, :, 2, 2])
    corner[:, :, :-1] += taps[:, :, 1:, 2, 0]
    corner[:, :-1] += taps[:, 1:, :, 0, 2]
    corner[:, :-1, :-1] += taps[:, 1:, 1:, 0, 0]
    return images.view(n_rows, 2 * height, 2 * width, n_channels)


def _gather(images: Tensor, taps: Tensor) -> None:
    """Read from the images what each tap writes there; taps beyond their edges stay zero."""
    n_rows, height, width, _, _, n_channels = taps.shape
    images = images.reshape(n_rows, height, 2, width, 2, n_channels)
    taps[:, :, :, 1, 1] = images[:, :, 0, :, 0]
    right, below, corner = images[:, :, 0, :, 1], images[:, :, 1, :, 0], images[:, :, 1, :, 1]
    taps[:, :, :, 1, 2] = right
    taps[:, :, 1:, 1, 0] = right[:, :, :-1]
    taps[:, :, :, 2, 1] = below
    taps[:, 1:, :, 0, 1] = below[:, :-1]
    taps[:, :, :, 2, 2] = corner
    taps[:, :, 1:, 2, 0] = corner[:, :, :-1]
    taps[:, 1:, :, 0, 2] = corner[:, :-1]
    taps[:, 1:, 1:, 0, 0] = corner[:, :-1, :-1]
