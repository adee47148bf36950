"""What likelihoods on [0, 1] share: logits around the training mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from skvae.likelihoods._one_scale import OneScaleDensity


class Constants(NamedTuple):
    """In the dtype of the computation, all of shape (n_features,) or scalar."""

    shift: Tensor  # of the encoder's inputs, x / scale + shift
    inverse_scale: Tensor
    start: Tensor  # logits of the training mean


class UnitIntervalDensity(OneScaleDensity):
    """Base of the densities on [0, 1] whose natural parameter is a logit per feature.

    The decoder's outputs are added to the logits of the training mean, so that an untrained decoder
    starts from the mean row instead of from one half.
    """

    support = (0.0, 1.0)

    def __init__(self, X: np.ndarray):
        super().__init__(X)
        self.n_outputs = X.shape[1]

    def logits(self, outputs: Tensor) -> Tensor:
        return outputs + self.constants(outputs).start

    def _derive(self, dtype: torch.dtype) -> Constants:
        # a feature that never varied keeps finite logits: the mean is kept off 0 and 1 by 0.1 %
        start = self.loc.clamp(1e-3, 1 - 1e-3).logit()
        constants = Constants(*self._inputs(), start)
        return Constants(*(constant.to(dtype) for constant in constants))


def cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Return the binary cross-entropy of every feature, in nats; the shapes broadcast."""
    logits, x = torch.broadcast_tensors(logits, x.to(logits.dtype))
    if torch.compiler.is_compiling():  # what the fused function decomposes into overflows
        return softplus(logits) - x * logits
    return binary_cross_entropy_with_logits(logits, x, reduction="none")
