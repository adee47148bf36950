"""The residuals of the reconstruction, in units of the scales of the features."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from skvae._model.module import VAEModule
from skvae._scaling import Scaling, measure


def measured(module: VAEModule, X: np.ndarray) -> Scaling:
    """Measure the training rows as a Gaussian likelihood with the same `scaling` does."""
    return measure(X, module.likelihood.scaling)


def scaled_residual(module: VAEModule, x: Tensor, scale: Tensor) -> Tensor:
    """Return rows minus their reconstruction at the posterior mean, in units of the scale."""
    mean, _ = module.encode(x)
    return (x.double() - module.likelihood.mean(module.decode(mean))) / scale
