"""The optimisers that have a short name, without the compiler torch loads, and their safeguard."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TypeVar

import torch

Class = TypeVar("Class", bound=type[torch.optim.Optimizer])

# Healthy fits stay below 2e7, and that with noise fixed at a thousandth of the range; of others
# none went above 4e3. Beyond, the squares that Adam sums would leave the range of float32.
LARGEST_GRADIENT = 1e8
_SHIELDED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _unshielded(cls: Class) -> Class:
    """Take methods out of the wrapping that shields them from ``torch.compile``.

    The first call of a shielded method imports the compiler, some 800 modules in more than a
    second, only to say that it is to keep off.
    """
    for name in _SHIELDED:
        setattr(cls, name, inspect.unwrap(getattr(cls, name)))
    cls.step = torch.no_grad()(inspect.unwrap(cls.step))
    return cls


@_unshielded
class AdamW(torch.optim.AdamW):
    """Adam with decoupled weight decay."""


@_unshielded
class SGD(torch.optim.SGD):
    """Stochastic gradient descent."""


LIGHT = (AdamW, SGD)


def light(optimizer: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """Return the class that does the same without the compiler; any other class as it is."""
    return next((cls for cls in LIGHT if cls.__base__ is optimizer), optimizer)


@torch.no_grad()
def clip_gradients(parameters: Iterable[torch.nn.Parameter], largest=LARGEST_GRADIENT) -> None:
    """Scale the gradients down to a norm, all by one factor (Pascanu et al., 2013, algorithm 1)."""
    gradients = [weights.grad for weights in parameters if weights.grad is not None]
    if not gradients:
        return
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    # to look costs a GPU a wait, and a processor less than to multiply by one
    if norm.device.type != "cpu" or norm > largest:
        torch._foreach_mul_(gradients, (largest / norm).clamp(max=1.0))
