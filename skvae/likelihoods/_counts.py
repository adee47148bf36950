"""Standardisation by logarithms, and a logarithmic link for the mean, for likelihoods of counts."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._rows.source import SparseRows
from skvae._scaling import column_moments, measure, ordinary_ends
from skvae.likelihoods._support import COUNTS, LARGEST_COUNT

_LOG_MEAN_RANGE = (-40.0, math.log(LARGEST_COUNT))


class CountModule(LikelihoodModule):
    """Base of the distributions on counts whose mean is the exponential of an output per feature.

    The outputs are added to the logarithm of the training mean. Log probabilities are computed in
    float64, because the rounding error of float32 reaches whole nats for counts in the millions.
    Those of zeros have no terms that cancel: they have the precision of the outputs, which takes
    half of the time of a step on rows that are mostly zeros (benchmarks/README.md).
    """

    support = COUNTS
    loc: Tensor
    scale: Tensor
    largest_input: Tensor
    start: Tensor

    def __init__(self, spec: Likelihood, X: np.ndarray):
        super().__init__(spec, X.shape[1])
        logs = X.mapped(np.log1p) if isinstance(X, SparseRows) else np.log1p(X)
        statistics = measure(logs, "auto")
        self.scaling = statistics.kind
        self.register_buffer("loc", torch.from_numpy(statistics.loc))
        self.register_buffer("scale", torch.from_numpy(statistics.scale))
        self.register_buffer("largest_input", torch.from_numpy(statistics.largest_input))
        self.register_buffer("start", torch.from_numpy(np.log(training_mean(X))))

    def standardize(self, x: Tensor) -> Tensor:
        constants = (self.loc, self.scale, self.largest_input)
        loc, scale, limit = (constant.to(x.dtype) for constant in constants)
        return ((x.clamp(min=0).log1p() - loc) / scale).clamp(-limit, limit)

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        # a count beyond the largest input has as much weight in training as one at that limit
        largest = (self.loc + self.scale * self.largest_input).expm1().clamp(max=LARGEST_COUNT)
        return torch.minimum(x, largest.ceil().to(x.dtype))

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():  # the number of zeros is not known to a graph
            return self.log_mass(outputs.double(), x.double(), slice(None)).to(outputs.dtype)
        outputs, x = torch.broadcast_tensors(outputs, x)
        others = (x != 0).nonzero(as_tuple=True)
        at_zero = self.log_mass_at_zero(outputs)
        if not len(others[-1]):
            return at_zero
        log_mass = self.log_mass(outputs[others].double(), x[others].double(), others[-1])
        return at_zero.index_put(others, log_mass.to(outputs.dtype))

    def log_mass(self, outputs: Tensor, counts: Tensor, features: Tensor | slice) -> Tensor:
        """Return log p(x|z) of counts of these features by their outputs, in float64."""
        raise NotImplementedError

    def log_mass_at_zero(self, outputs: Tensor) -> Tensor:
        """Return log p(0|z) of every feature, in the dtype of the outputs."""
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        return self.log_mean(outputs.double()).exp()

    def log_mean(self, outputs: Tensor, features: Tensor | slice = slice(None)) -> Tensor:
        """Return the logarithm of the means of these features, or all, in the outputs' dtype."""
        return (outputs + self.start[features].to(outputs.dtype)).clamp(*_LOG_MEAN_RANGE)


def training_mean(X: np.ndarray) -> np.ndarray:
    """Return the mean of the columns, at least that of half a count in all rows together."""
    return np.maximum(column_moments(X, ordinary_ends(X))[0], 0.5 / len(X))


def draw_counts(rate: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw from Poisson distributions."""
    return torch.poisson(rate.clamp(max=LARGEST_COUNT), generator=generator)
