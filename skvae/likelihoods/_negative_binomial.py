"""The negative binomial likelihood, for overdispersed counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import betainc
from torch import Tensor, nn
from torch.nn.functional import softplus

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import column_moments, ordinary_ends
from skvae.likelihoods._counts import CountModule, draw_counts, training_mean
from skvae.likelihoods._gaussian import NOISE_SPEED
from skvae.likelihoods._support import COUNTS

_LOG_SHAPE_RANGE = (-10.0, 15.0)


class NegativeBinomial(Likelihood):
    """Independent negative binomial variables, for counts with a learned overdispersion.

    For counts in single-cell sequencing [1]_, and for many others, such as visits, claims or words.
    The dispersion of each feature is learned.

    See Also
    --------
    skvae.likelihoods.Poisson : Without overdispersion.

    Notes
    -----
    With the mean m, the inverse dispersion t and the gamma function G, for every feature,
    ``log p(x|z) = log G(x + t) - log G(t) - log(x!) + t log(t / (t + m)) + x log(m / (t + m))``.
    The variance is ``m + m^2 / t``. The distribution is that of a Poisson variable whose rate has a
    gamma distribution; as t grows, it approaches a Poisson distribution. The means are decoded as
    in :class:`~skvae.likelihoods.Poisson`; t starts from the moments of the training rows.

    References
    ----------
    .. [1] Lopez et al. (2018), "Deep generative modeling for single-cell transcriptomics".

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import NegativeBinomial
    >>> density = NegativeBinomial().build(np.array([[0.0], [3.0], [9.0]]))
    >>> density.mean(torch.zeros(1, 1))  # an untrained decoder starts from the training mean
    tensor([[4.]], dtype=torch.float64)
    """

    reads_sparse = True

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Counts: whole numbers from 0.

        Returns
        -------
        likelihood : LikelihoodModule

        Raises
        ------
        ValueError
            If a value is negative or not a whole number.
        """
        COUNTS.check(X, self)
        return _NegativeBinomial(self, X)

    def least_values(self, n_features: int) -> int:
        return 4 * n_features  # centre, scale, largest input and training mean


class _NegativeBinomial(CountModule):
    start_log_theta: Tensor

    def __init__(self, spec: NegativeBinomial, X: np.ndarray):
        super().__init__(spec, X)
        self.register_buffer("start_log_theta", torch.from_numpy(np.log(_theta_by_moments(X))))
        self.free_log_theta = nn.Parameter(torch.zeros(self.n_outputs))

    def log_mass(self, outputs: Tensor, counts: Tensor, features: Tensor | slice) -> Tensor:
        log_theta = self._log_theta()[features]
        theta, odds = log_theta.exp(), self.log_mean(outputs, features) - log_theta
        log_choices = torch.lgamma(counts + theta) - torch.lgamma(theta) - torch.lgamma(counts + 1)
        return log_choices - theta * softplus(odds) - counts * softplus(-odds)

    def log_mass_at_zero(self, outputs: Tensor) -> Tensor:
        log_theta = self._log_theta().to(outputs.dtype)
        return -log_theta.exp() * softplus(self.log_mean(outputs) - log_theta)

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        theta = self._log_theta().exp().expand_as(outputs).cpu().numpy()
        share = theta / (theta + self.mean(outputs).cpu().numpy())

        def below(x: Tensor) -> Tensor:
            count = x.floor().cpu().numpy()
            return torch.from_numpy(
                np.where(count < 0, 0.0, betainc(theta, np.maximum(count, 0) + 1, share))
            )

        return below

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, theta = torch.broadcast_tensors(self.mean(outputs), self._log_theta().exp())
        # torch's public distributions do not accept a generator
        gamma = torch._standard_gamma(theta.contiguous(), generator=generator)
        return draw_counts(gamma / theta * mean, generator)

    def _log_theta(self) -> Tensor:
        steps = NOISE_SPEED * self.free_log_theta.double()
        return (self.start_log_theta + steps).clamp(*_LOG_SHAPE_RANGE)


def _theta_by_moments(X: np.ndarray) -> np.ndarray:
    """Return mean^2 / (variance - mean), between 1/100 and 100."""
    mean, variance = training_mean(X), np.square(column_moments(X, ordinary_ends(X))[1])
    return np.maximum(mean**2 / np.maximum(variance - mean, mean**2 / 100), 0.01)
