"""The Poisson likelihood, for counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import pdtr
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae.likelihoods._counts import CountModule, draw_counts
from skvae.likelihoods._support import COUNTS


class Poisson(Likelihood):
    """Independent Poisson variables, for counts of events.

    The variance of a count given z equals its mean. For a larger variance, which is then learned,
    see :class:`~skvae.likelihoods.NegativeBinomial`.

    See Also
    --------
    skvae.likelihoods.NegativeBinomial : For overdispersed counts.

    Notes
    -----
    ``log p(x|z) = sum_j x_j log rate_j - rate_j - log(x_j!)`` with a logarithmic link [1]_:
    ``rate_j = mean_j exp(output_j(z))``, where `mean` is that of the training rows. The inputs of
    the encoder are ``log(1 + x)``, centred and scaled as in :class:`~skvae.likelihoods.Gaussian`.

    References
    ----------
    .. [1] McCullagh & Nelder (1989), "Generalized Linear Models", chapter 6.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import Poisson
    >>> density = Poisson().build(np.array([[0.0], [3.0], [9.0]]))
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
        return _Poisson(self, X)

    def least_values(self, n_features: int) -> int:
        return 4 * n_features  # centre, scale, largest input and training mean


class _Poisson(CountModule):
    def log_mass(self, outputs: Tensor, counts: Tensor, features: Tensor | slice) -> Tensor:
        log_rate = self.log_mean(outputs, features)
        return counts * log_rate - log_rate.exp() - torch.lgamma(counts + 1)

    def log_mass_at_zero(self, outputs: Tensor) -> Tensor:
        return -self.log_mean(outputs).exp()

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        rate = self.mean(outputs).cpu().numpy()
        return lambda x: torch.from_numpy(pdtr(x.clamp(min=-1).cpu().numpy(), rate)).nan_to_num()

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return draw_counts(self.mean(outputs), generator)
