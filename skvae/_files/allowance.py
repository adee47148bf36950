"""The bound on what a file may ask to be built, by what it holds; it knows no part.

A file of a few kilobytes can name a network of a billion layers. Whatever is built inside the
block of an :class:`Allowance` stops at the first layer or tensor that the file cannot fill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _hooks
from torch.overrides import TorchFunctionMode

from skvae._files.fields import brief

_MODULES_PER_TENSOR = 4  # layers without weights, such as activations, and containers
_BUFFERS_PER_TENSOR = 2  # some follow from the others, and are not in the file
_SPARE = 64  # modules, buffers and parameters in any file
_SPARE_VALUES = 2**14
_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full)
_DRAWS = (nn.init.kaiming_uniform_, nn.init.uniform_, Tensor.uniform_, Tensor.normal_)


class Allowance(TorchFunctionMode):
    """Bounds the modules and tensors that are built inside a block, in this thread.

    Parameters
    ----------
    tensors : collection of Tensor
        The tensors of a file. So many parameters may be registered, with as many values in all,
        and some modules and buffers for each; no other tensor may be much larger than all of them.

    Raises
    ------
    ValueError
        In the block, as soon as more is built.
    """

    def __init__(self, tensors: Collection[Tensor]):
        super().__init__()
        self._n_tensors = len(tensors)
        self._n_values = sum(tensor.numel() for tensor in tensors)
        self._handles: list[Any] = []

    def __enter__(self) -> Any:
        n_tensors, n_values = self._n_tensors, self._n_values
        limits = {
            _hooks.register_module_module_registration_hook: _MODULES_PER_TENSOR * n_tensors,
            _hooks.register_module_buffer_registration_hook: _BUFFERS_PER_TENSOR * n_tensors,
            _hooks.register_module_parameter_registration_hook: n_tensors,
        }
        self._handles = [
            register(_limit(most + _SPARE, _BUFFERS_PER_TENSOR * n_values + _SPARE_VALUES))
            for register, most in limits.items()
        ]
        return super().__enter__()

    def __exit__(self, *exc_info: Any) -> None:
        super().__exit__(*exc_info)
        for handle in self._handles:
            handle.remove()

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWS:
            weights = kwargs["tensor"] if "tensor" in kwargs else args[0]
            if weights.is_meta:  # it has no values, and a third of the time would go into them
                return weights
        if func in _FACTORIES:  # before memory is taken
            self._check(func(*args, **{**kwargs, "device": "meta"}))
        result = func(*args, **kwargs)
        self._check(result)
        return result

    def _check(self, result: Any) -> None:
        if isinstance(result, Tensor) and result.numel() > 2 * self._n_values + _SPARE_VALUES:
            raise ValueError(
                f"its parameters need a tensor of shape {brief(tuple(result.shape))}, but it holds "
                f"{self._n_values} values"
            )


def _limit(most: int, most_values: int) -> Callable[[nn.Module, str, Any], None]:
    """Return a hook that refuses more registrations, or larger ones, than so many in all."""
    known: dict[tuple[int, str], int] = {}  # a name that is registered again counts once
    n_values, thread = 0, threading.get_ident()

    def hook(module: nn.Module, name: str, registered: Any) -> None:
        nonlocal n_values
        if threading.get_ident() != thread:  # a fit beside this
            return
        size = registered.numel() if isinstance(registered, Tensor) else 0
        n_values += size - known.get((id(module), name), 0)
        known[id(module), name] = size
        if len(known) > most or n_values > most_values:
            raise ValueError("its parameters need more modules or weights than it holds")

    return hook
