"""The optimisers that have a short name, without the compiler that torch would load with them."""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

Class = TypeVar("Class", bound=type[torch.optim.Optimizer])

_SHIELDED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _unshielded(cls: Class) -> Class:
    """Remove the decorators that shield methods from ``torch.compile``.

    The first call of a shielded method imports the compiler, some 800 modules, which takes about a
    second: a fifth or more of the first small fit in a process (benchmarks/README.md).
    """
    for name in _SHIELDED:
        setattr(cls, name, inspect.unwrap(getattr(cls, name)))
    setattr(cls, "step", torch.no_grad()(inspect.unwrap(cls.step)))  # noqa: B010 - for mypy
    return cls


@_unshielded
class AdamW(torch.optim.AdamW):
    """Adam with decoupled weight decay."""


@_unshielded
class SGD(torch.optim.SGD):
    """Stochastic gradient descent."""
