"""The optimisers that have a short name: those of torch, without the compiler it loads for them."""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Class = TypeVar("Class", bound=type[torch.optim.Optimizer])

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
