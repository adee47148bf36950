"""What likelihoods of features that share one range have in common: the inputs of the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._scaling import column_moments
from skvae.likelihoods._constants import DensityWithConstants


class OneScaleDensity(DensityWithConstants):
    """Base of the densities whose encoder sees rows less their mean, in one scale for all features.

    The constants of a subclass hold a `shift` and an `inverse_scale`, by :meth:`_inputs`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        The training rows.
    least_scale : float, default=0.0
        Below which the pooled standard deviation is not taken for the scale.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, X: np.ndarray, least_scale: float = 0.0):
        super().__init__()
        mean, std = column_moments(X)
        scale = max(float(np.sqrt(np.mean(np.square(std)))), least_scale)
        self.register_buffer("loc", torch.from_numpy(mean))
        self.register_buffer("scale", torch.tensor(scale or 1.0, dtype=torch.float64))

    def standardize(self, x: Tensor) -> Tensor:
        constants: Any = self.constants(x)
        # one pass; no value is so far from the mean, in its range, that it must be subtracted first
        return torch.addcmul(constants.shift, x, constants.inverse_scale)

    def _inputs(self) -> tuple[Tensor, Tensor]:
        """Return shift and inverse scale of the encoder's inputs, x / scale + shift, in float64."""
        return -self.loc / self.scale, 1 / self.scale
