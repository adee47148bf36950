"""Standardisation with one common scale, for likelihoods whose features share one range."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import LARGEST_INPUT, column_moments, ordinary_ends


class OneScaleModule(LikelihoodModule):
    """Base of the distributions whose rows are centred per feature and divided by a common scale.

    Parameters
    ----------
    spec : Likelihood
    n_outputs : int
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    least_scale : float, default=0.0
        Lower bound of the scale, which is the pooled standard deviation without wild values.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, spec: Likelihood, n_outputs: int, X: np.ndarray, least_scale: float = 0.0):
        super().__init__(spec, n_outputs)
        mean, std = column_moments(X, ordinary_ends(X).in_common())
        scale = max(float(np.sqrt(np.mean(np.square(std)))), least_scale)
        self.register_buffer("loc", torch.from_numpy(mean))
        self.register_buffer("scale", torch.tensor(scale or 1.0, dtype=torch.float64))

    def standardize(self, x: Tensor) -> Tensor:
        # a single pass; no mean is so large relative to the range that it must be subtracted first
        shift, inverse_scale = -self.loc / self.scale, 1 / self.scale
        standardized = torch.addcmul(shift.to(x.dtype), x, inverse_scale.to(x.dtype))
        # a column may have a standard deviation of that many times the pooled one
        limit = LARGEST_INPUT * self.loc.numel() ** 0.5
        return standardized.clamp(-limit, limit)
