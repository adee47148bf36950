"""What likelihoods of counts share: logarithms for the encoder, and log means for the decoder."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skvae._scaling import column_moments, measure
from skvae.likelihoods._constants import DensityWithConstants
from skvae.likelihoods._support import COUNTS, LARGEST_COUNT

_LOG_MEAN_RANGE = (-40.0, math.log(LARGEST_COUNT))


class _Constants(NamedTuple):
    """In the dtype of the encoder's inputs, all of shape (n_features,)."""

    loc: Tensor
    scale: Tensor
    limit: Tensor


class CountDensity(DensityWithConstants):
    """Base of the densities on counts whose mean is the exponential of an output per feature.

    The outputs are added to the logarithm of the training mean. Densities are worked out in
    float64, as the terms of a count in the millions would round whole nats away.
    """

    support = COUNTS
    loc: Tensor
    scale: Tensor
    largest_input: Tensor
    start: Tensor

    def __init__(self, X: np.ndarray):
        super().__init__()
        self.n_outputs = X.shape[1]
        statistics = measure(np.log1p(X), "auto")
        self.register_buffer("loc", torch.from_numpy(statistics.loc))
        self.register_buffer("scale", torch.from_numpy(statistics.scale))
        self.register_buffer("largest_input", torch.from_numpy(statistics.largest_input))
        self.register_buffer("start", torch.from_numpy(np.log(training_mean(X))))

    def standardize(self, x: Tensor) -> Tensor:
        loc, scale, limit = self.constants(x)
        return ((x.clamp(min=0).log1p() - loc) / scale).clamp(-limit, limit)

    def mean(self, outputs: Tensor) -> Tensor:
        return self._log_mean(outputs).exp()

    def _log_mean(self, outputs: Tensor) -> Tensor:
        return (outputs.double() + self.start).clamp(*_LOG_MEAN_RANGE)

    def _derive(self, dtype: torch.dtype) -> _Constants:
        return _Constants(*(part.to(dtype) for part in (self.loc, self.scale, self.largest_input)))


def training_mean(X: np.ndarray) -> np.ndarray:
    """Return the mean of the columns; half a count in all where there was none."""
    return np.maximum(column_moments(X)[0], 0.5 / len(X))


def draw_counts(rate: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from Poisson distributions."""
    return torch.poisson(rate.clamp(max=LARGEST_COUNT), generator=generator)
