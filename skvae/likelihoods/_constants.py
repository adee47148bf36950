"""What a density derives from its float64 buffers, worked out once and not at every batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class DensityWithConstants(nn.Module):
    """Base of the densities whose formulas contain constants that follow from their buffers.

    A subclass says in `_derive` what they are. They are kept for each dtype and device until the
    buffers are moved, converted or loaded, and are never part of the weights.
    """

    def __init__(self):
        super().__init__()
        self._known: dict[tuple[torch.dtype, torch.device], Any] = {}

    def constants(self, like: Tensor) -> Any:
        """Return the constants in the dtype and on the device of a tensor."""
        if torch.compiler.is_compiling():  # a graph holds the steps, not their results
            return self._derive(like.dtype)
        key = (like.dtype, like.device)
        if key not in self._known:
            # training may want them later, and takes no tensor that was born in inference mode
            with torch.inference_mode(False), torch.no_grad():
                self._known[key] = self._derive(like.dtype)
        return self._known[key]

    def _derive(self, dtype: torch.dtype) -> Any:
        raise NotImplementedError

    def _apply(self, *args, **kwargs):  # every conversion and every move passes here
        self._known = {}
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args, **kwargs):
        self._known = {}
        return super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}}
