"""The option to compile: encoder, decoder and likelihood of a module through ``torch.compile``."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from skvae._model.module import VAEModule


def compiled(module: VAEModule, batch_size: int) -> VAEModule:
    """Return a module on the same weights that computes batches of that size by compiled code.

    Batches of another size, as the last one of an epoch, run as they did before: code is compiled
    once, for one shape, and never again.
    """
    fast = copy.copy(module)
    fast._modules = dict(module._modules)
    fast.likelihood = copy.copy(module.likelihood)
    fast.encode = _for_batches(module.encode, batch_size)
    fast.decode = _for_batches(module.decode, batch_size)
    fast.likelihood.log_prob = _for_batches(module.likelihood.log_prob, batch_size)
    return fast


def _for_batches(function: Callable[..., Any], batch_size: int) -> Callable[..., Any]:
    with warnings.catch_warnings():
        # the compiler of torch 2.13 imports what torch 2.13 deprecates (2026-11-21)
        warnings.simplefilter("ignore", DeprecationWarning)
        fast = torch.compile(function, dynamic=False)

    def call(x: Tensor, *rest: Tensor) -> Any:
        if len(x) != batch_size:
            return function(x, *rest)
        try:
            return fast(x, *rest)
        except Exception as exc:
            if type(exc).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise RuntimeError(
                    f"compile=True, but torch could not compile the model: {exc} Install a C++ "
                    "compiler that torch finds, or set compile=False."
                ) from exc
            raise

    return call
