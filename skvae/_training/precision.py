"""What a module trains as: its layers in bfloat16, while it keeps its own weights in float32."""

from __future__ import annotations

import copy

import torch
from torch import nn

from skvae._model.module import VAEModule
from skvae._training.strided import in_products

_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class WorkingCopy:
    """Follows a module with the weights of its layers in a lower precision.

    Autocast alone casts every weight and every gradient at each step, one by one on their way. Here
    the casts are one pass before the step and one after it (Micikevicius et al., 2018, section 3.1:
    a master copy of the weights in float32). All that is no weight of a layer is shared with the
    module, and where nothing is to be lowered the copy is the module itself.

    Parameters
    ----------
    module : torch.nn.Module
    dtype : torch.dtype or None
        Precision of the layers; None for that of the module.

    Attributes
    ----------
    module : torch.nn.Module
        To compute with, under autocast.
    """

    def __init__(self, module: VAEModule, dtype: torch.dtype | None):
        self.module = module
        self._masters: list[nn.Parameter] = []
        self._lowered: list[nn.Parameter] = []
        self._gradients: list[torch.Tensor] = []
        if dtype is not None:
            self._lower(module, dtype)

    def _lower(self, module: VAEModule, dtype: torch.dtype) -> None:
        lowered = {weights: _lowered(weights, dtype) for weights in _weights_of_layers(module)}
        self._masters, self._lowered = list(lowered), list(lowered.values())
        self._gradients = [torch.zeros_like(master) for master in lowered]
        shared = [*module.parameters(), *module.buffers()]
        shared += [p for p in module.modules() if lowered.keys().isdisjoint(p.parameters())]
        memo = {id(one): one for one in shared}
        memo |= {id(master): low for master, low in lowered.items()}
        self.module = copy.deepcopy(module, memo)
        if next(iter(lowered), torch.empty(0)).device.type == "cpu":
            _put_in_products(self.module, dtype)

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights of the module, which a step or a callback has changed."""
        if not self._masters:
            return
        torch._foreach_copy_(self._lowered, self._masters)
        for weights, lowered in zip(self._masters, self._lowered, strict=True):
            lowered.requires_grad_(weights.requires_grad)

    @torch.no_grad()
    def return_gradients(self) -> None:
        """Hand the gradients of a backward pass to the module."""
        parts = zip(self._masters, self._lowered, self._gradients, strict=True)
        reached = [part for part in parts if part[1].grad is not None]
        if not reached:
            return
        torch._foreach_copy_([kept for _, _, kept in reached], [low.grad for _, low, _ in reached])
        for weights, lowered, gradient in reached:
            weights.grad, lowered.grad = gradient, None


def _weights_of_layers(module: VAEModule) -> list[nn.Parameter]:
    """Return the trained weights of layers that autocast computes in a lower precision, alone.

    Densities stay as they are: no layer of a likelihood or a learned prior is lowered.
    """
    lowered: dict[nn.Parameter, None] = {}
    others = {*module.likelihood.parameters(), *module.prior.parameters()}
    for part in module.modules():
        weights = [w for w in part.parameters(recurse=False) if w.dtype == torch.float32]
        if isinstance(part, _LAYERS):
            lowered.update(dict.fromkeys(weights))
        else:
            others.update(weights)
    return [weights for weights in lowered if weights not in others]


def _put_in_products(module: nn.Module, dtype: torch.dtype) -> None:
    """Give the convolutions that were lowered, and so lie in copied parts, their substitutes."""
    for part in list(module.modules()):
        for name, child in part.named_children():
            if getattr(child, "weight", None) is not None and child.weight.dtype == dtype:
                setattr(part, name, in_products(child))


def _lowered(weights: nn.Parameter, dtype: torch.dtype) -> nn.Parameter:
    """Return a copy in another precision, with the channels of a convolution last."""
    layout = torch.channels_last if weights.ndim == 4 else torch.preserve_format
    data = weights.detach().to(dtype, memory_format=layout)
    return nn.Parameter(data, requires_grad=weights.requires_grad)
