"""Logits that start at the training mean, and their cross-entropy, for likelihoods on [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from skvae._parts import Likelihood
from skvae.likelihoods._one_scale import OneScaleModule
from skvae.likelihoods._support import UNIT_INTERVAL


class UnitIntervalModule(OneScaleModule):
    """Base of the distributions on [0, 1] whose natural parameter is a logit per feature.

    The decoder's outputs are added to the logits of the training mean, so that an untrained decoder
    returns the mean row instead of one half everywhere.
    """

    support = UNIT_INTERVAL

    def __init__(self, spec: Likelihood, X: np.ndarray):
        super().__init__(spec, X.shape[1], X)

    def logits(self, outputs: Tensor) -> Tensor:
        # the clamp keeps the logits of constant features finite
        start = self.loc.clamp(1e-3, 1 - 1e-3).logit()
        return outputs + start.to(outputs.dtype)


def cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Return the binary cross-entropy of every feature, in nats; the shapes broadcast."""
    logits, x = torch.broadcast_tensors(logits, x.to(logits.dtype))
    if torch.compiler.is_compiling():  # the decomposition of the fused function overflows
        return softplus(logits) - x * logits
    return binary_cross_entropy_with_logits(logits, x, reduction="none")
