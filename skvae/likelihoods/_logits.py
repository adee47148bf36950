"""What likelihoods on [0, 1] share: logits around the mean, one scale for the encoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from skvae.likelihoods._scaling import column_moments


class UnitIntervalDensity(nn.Module):
    """Base of the densities on [0, 1] whose natural parameter is a logit per feature.

    The decoder's outputs are added to the logits of the training mean, so that an untrained decoder
    starts from the mean row instead of from one half.
    """

    support = (0.0, 1.0)

    def __init__(self, X: np.ndarray):
        super().__init__()
        self.n_outputs = X.shape[1]
        mean, std = column_moments(X)
        scale = float(np.sqrt(np.mean(np.square(std))))
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.from_numpy(mean))
        self.register_buffer("scale", torch.tensor(scale or 1.0, dtype=torch.float64))

    def standardize(self, x: Tensor) -> Tensor:
        return (x - self.loc.to(x.dtype)) / self.scale.to(x.dtype)

    def logits(self, outputs: Tensor) -> Tensor:
        # a feature that never varied keeps finite logits: the mean is kept off 0 and 1 by 0.1 %
        return outputs + self.loc.clamp(1e-3, 1 - 1e-3).logit().to(outputs.dtype)


def cross_entropy(logits: Tensor, x: Tensor) -> Tensor:
    """Return the binary cross-entropy of every feature, in nats; the shapes broadcast."""
    logits, x = torch.broadcast_tensors(logits, x.to(logits.dtype))
    if torch.compiler.is_exporting():  # what the fused function decomposes into overflows
        return softplus(logits) - x * logits
    return binary_cross_entropy_with_logits(logits, x, reduction="none")
