"""The mixture prior: normal distributions that are learned during training."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor, nn

from skvae._parts import Prior, PriorModule
from skvae._validation import Interval
from skvae.priors._densities import mixture_draws, mixture_log_prob

_LOG_VAR_RANGE = (-20.0, 10.0)  # the range of the posteriors
_VARIANCE_SPEED = 3.0  # step of a log variance per step of a weight, as its range is wide
_START_VARIANCE = 0.5  # within components; as much between them, so that it starts near N(0, I)


class MixturePrior(Prior):
    """A mixture of normal distributions with diagonal covariances, learned during training.

    Parameters
    ----------
    n_mixtures : int, default=50
        Number of normal distributions in the mixture.

    See Also
    --------
    skvae.priors.VampPrior : A mixture of posteriors, which overfits less.
    sklearn.mixture.GaussianMixture : The same density, fitted by expectation-maximisation.

    Notes
    -----
    ``p(z) = sum_k w_k N(z; m_k, diag(v_k))``, with ``w = softmax(logits)`` ([1]_, the baseline
    "MoG"; [2]_ uses it for clustering). The initial means and variances make the mixture
    approximately N(0, I). The KL divergence has no closed form and is estimated at the draws.

    References
    ----------
    .. [1] Tomczak & Welling (2018), "VAE with a VampPrior", section 5.
    .. [2] Jiang et al. (2017), "Variational Deep Embedding", equation 1.

    Examples
    --------
    >>> import torch
    >>> from skvae.priors import MixturePrior
    >>> prior = MixturePrior(n_mixtures=10).build(n_components=2)
    >>> prior.log_prob(torch.zeros(5, 2)).shape
    torch.Size([5])
    """

    _parameter_constraints: dict = {"n_mixtures": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_mixtures=50):
        self.n_mixtures = n_mixtures

    def build(
        self, n_components: int, examples: Callable[[int], Tensor] | None = None
    ) -> PriorModule:
        """Build the distribution; initial means are drawn from torch's default generator.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            Not used.

        Returns
        -------
        prior : PriorModule

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        return _Mixture(self.n_mixtures, n_components)


class _Mixture(PriorModule):
    def __init__(self, n_mixtures: int, n_components: int):
        super().__init__(n_components)
        shape = (n_mixtures, n_components)
        # uniform, because normal draws on the device "meta" would load torch's compiler
        bound = math.sqrt(3 * (1 - _START_VARIANCE))
        self.mean = nn.Parameter(nn.init.uniform_(torch.empty(shape), -bound, bound))
        start = math.log(_START_VARIANCE) / _VARIANCE_SPEED
        self.free_log_var = nn.Parameter(torch.full(shape, start))
        self.logits = nn.Parameter(torch.zeros(n_mixtures))

    @property
    def log_var(self) -> Tensor:
        """Log variances within their bounds, (n_mixtures, n_components)."""
        return (_VARIANCE_SPEED * self.free_log_var).clamp(*_LOG_VAR_RANGE)

    def log_prob(self, z: Tensor) -> Tensor:
        log_weights = self.logits.log_softmax(-1)
        return mixture_log_prob(z, self.mean, self.log_var, log_weights)  # (...,)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        weights = self.logits.softmax(-1)
        return mixture_draws(n_samples, self.mean, self.log_var, weights, generator)
