"""The continuous Bernoulli likelihood, a density for values between 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae.likelihoods._logits import UnitIntervalModule, cross_entropy
from skvae.likelihoods._support import UNIT_INTERVAL


class ContinuousBernoulli(Likelihood):
    """Independent continuous Bernoulli variables on [0, 1].

    The density is ``C(p) p^x (1-p)^(1-x)``: the Bernoulli formula, normalised [1]_.

    Notes
    -----
    In terms of the logit ``l = log(p / (1 - p))`` the normaliser is ``C = l / tanh(l / 2)`` and the
    mean is ``1 / (1 - exp(-l)) - 1 / l``. Near ``l = 0``, where these are 0/0, both are computed by
    a Taylor series.

    References
    ----------
    .. [1] Loaiza-Ganem & Cunningham (2019), "The continuous Bernoulli: fixing a pervasive error in
       variational autoencoders", equations 6 to 8.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import ContinuousBernoulli
    >>> density = ContinuousBernoulli().build(np.array([[0.2], [0.8]]))
    >>> density.mean(torch.zeros(1, 1))  # uniform, as p = 1/2
    tensor([[0.5000]])
    """

    reads_sparse = True

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Values in [0, 1].

        Returns
        -------
        likelihood : LikelihoodModule

        Raises
        ------
        ValueError
            If a value lies outside [0, 1].
        """
        UNIT_INTERVAL.check(X, self)
        return _ContinuousBernoulli(self, X)


class _ContinuousBernoulli(UnitIntervalModule):
    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        logits = self.logits(outputs)
        return log_normalizer(logits) - cross_entropy(logits, x)

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        logits = self.logits(outputs)
        slope = -logits.abs()  # mirrored for positive logits, as in `sample`
        steep = slope < -1e-3
        safe = torch.where(steep, slope, -1.0)

        def below(x: Tensor) -> Tensor:
            x = x.clamp(0, 1)
            mirrored = torch.where(logits > 0, 1 - x, x)
            share = torch.where(steep, torch.expm1(safe * mirrored) / torch.expm1(safe), mirrored)
            return torch.where(logits > 0, 1 - share, share)

        return below

    def mean(self, outputs: Tensor) -> Tensor:
        logits = self.logits(outputs)
        near_zero = logits.abs() < 0.1
        safe = torch.where(near_zero, 1.0, logits)
        exact = -1 / torch.expm1(-safe) - 1 / safe
        series = 0.5 + logits / 12 - logits**3 / 720  # next: l^5 / 30240, below 4e-10
        return torch.where(near_zero, series, exact)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        logits = self.logits(outputs)
        uniform = torch.rand(
            logits.shape, generator=generator, dtype=logits.dtype, device=logits.device
        )
        # inverse distribution function for -|l|, which cannot overflow; mirrored for positive l
        slope = -logits.abs()
        steep = slope < -1e-3
        safe = torch.where(steep, slope, -1.0)
        x = torch.where(steep, torch.log1p(uniform * torch.expm1(safe)) / safe, uniform)
        return torch.where(logits > 0, 1 - x, x).clamp(0, 1)


def log_normalizer(logits: Tensor) -> Tensor:
    """Return log C = log(l / tanh(l / 2)), stable for every logit and its gradient."""
    near_zero = logits.abs() < 0.1
    safe = torch.where(near_zero, 1.0, logits).abs()
    exact = safe.log() - torch.tanh(safe / 2).log()
    square = logits.square()
    series = math.log(2) + square / 12 - 7 * square**2 / 1440  # next: below 4e-10
    return torch.where(near_zero, series, exact)
