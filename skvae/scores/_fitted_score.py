"""A score with what it learned: over many rows, and into and out of files."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from skvae._model import inference as _inference
from skvae._model.module import Parts, VAEModule


class FittedScore:
    """A score with what it learned from the training rows. Scoring changes nothing in it.

    Parameters
    ----------
    spec : object
        The score, with objects in place of short names.
    tensors : dict of str to Tensor
        What its `build` returned. Kept in double precision on the CPU, so that it can be pickled
        there and read where there is no GPU.
    """

    def __init__(self, spec: Any, tensors: dict[str, Tensor]):
        self.spec = spec
        self.tensors = {name: tensor.double().cpu() for name, tensor in tensors.items()}

    @classmethod
    def learn(cls, spec: Any, module: VAEModule, X: np.ndarray, n_samples: int) -> FittedScore:
        """Let a score learn from the training rows."""
        return cls(spec, spec.build(module, X, n_samples))

    @classmethod
    def restore(cls, spec: Any, tensors: dict[str, Tensor], parts: Parts) -> FittedScore:
        """Return what was saved, if it is what the score can have learned.

        Raises
        ------
        ValueError
            If names, shapes, types or values of the tensors cannot be right.
        """
        shapes = spec.shapes(parts)
        if shapes.keys() != tensors.keys():
            raise ValueError(f"its score {spec!r} does not fit what it is said to have learned")
        sizes: dict[str, int] = {}
        for name, tensor in tensors.items():
            _check_tensor(name, tensor, shapes[name], sizes)
        return cls(spec, tensors)

    def __call__(self, module: VAEModule, X: np.ndarray, n_samples: int) -> np.ndarray:
        """Return the score of every row, float64."""
        device = next(module.parameters()).device
        known = {name: tensor.to(device) for name, tensor in self.tensors.items()}

        def step(module: VAEModule, x: Tensor) -> Tensor:
            return self.spec.score(module, x, known, n_samples)

        n_draws = self.spec.n_draws(n_samples)
        return _inference.map_rows(step, module, X, n_draws).astype(np.float64)


def _check_tensor(name: str, tensor: Tensor, shape: tuple, sizes: dict[str, int]) -> None:
    """Compare with a shape; a size that goes by a name is the same wherever it stands."""
    found = tuple(tensor.shape)
    named = {key: size for key, size in zip(shape, found, strict=False) if isinstance(key, str)}
    sizes |= named | sizes  # the first to be met counts
    expected = tuple(sizes.get(key, key) for key in shape)
    if found != expected or tensor.numel() == 0:
        raise ValueError(f"its score's {name!r} has shape {found}, where {shape} is expected")
    if not (tensor.is_floating_point() and tensor.isfinite().all()):
        raise ValueError(f"its score's {name!r} holds what is no finite number")
