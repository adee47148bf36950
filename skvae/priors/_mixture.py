"""The mixture prior: normal distributions that are learned during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from skvae._parts import Encode, Prior, PriorModule
from skvae._validation import Interval
from skvae.priors._densities import mixture_draws, mixture_log_joint, mixture_log_prob

_LOG_VAR_RANGE = (-20.0, 10.0)  # the range of the posteriors
_MEAN_SPEED = 10.0  # step of a mean per step of a weight
_VARIANCE_SPEED = 10.0  # step of a log variance, as its range is wide
_START_VARIANCE = 0.5  # within components; as much between them, so that it starts near N(0, I)
_FIRST_STEPS = 100  # after which the components move to encoded rows
_ADDED_VARIANCE = 0.05  # to that of the posteriors of those rows


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
    approximately N(0, I). After 100 steps the means move to the posterior means of training rows
    drawn at random, so that hundreds of components find their places. The KL divergence has no
    closed form and is estimated at the draws.

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

    @property
    def keeps_examples(self) -> bool:
        return False

    def build(
        self, n_components: int, examples: Callable[[int], Tensor] | None = None
    ) -> PriorModule:
        """Build the distribution; initial means are drawn from torch's default generator.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            ``examples(n)`` returns n training rows drawn at random and standardised, whose
            posteriors are the components after the first steps. If it is None, these are learned
            from where they start.

        Returns
        -------
        prior : PriorModule

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        rows = None if examples is None else examples(self.n_mixtures)
        return _Mixture(self.n_mixtures, n_components, rows)


class _Mixture(PriorModule):
    n_steps: Tensor
    rows: Tensor | None

    def __init__(self, n_mixtures: int, n_components: int, rows: Tensor | None):
        super().__init__(n_components)
        shape = (n_mixtures, n_components)
        # uniform, because normal draws on the device "meta" would load torch's compiler
        bound = math.sqrt(3 * (1 - _START_VARIANCE)) / _MEAN_SPEED
        self.free_mean = nn.Parameter(nn.init.uniform_(torch.empty(shape), -bound, bound))
        start = math.log(_START_VARIANCE) / _VARIANCE_SPEED
        self.free_log_var = nn.Parameter(torch.full(shape, start))
        self.logits = nn.Parameter(torch.zeros(n_mixtures))
        self.register_buffer("n_steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rows", rows, persistent=False)

    @property
    def mean(self) -> Tensor:
        """Means, (n_mixtures, n_components)."""
        return _MEAN_SPEED * self.free_mean

    @property
    def log_var(self) -> Tensor:
        """Log variances within their bounds, (n_mixtures, n_components)."""
        return (_VARIANCE_SPEED * self.free_log_var).clamp(*_LOG_VAR_RANGE)

    def follow(self, encode: Encode) -> None:
        """Count the steps, and move the components to encoded rows after the first ones."""
        if not self.training or self.n_steps >= _FIRST_STEPS:
            return
        self.n_steps += 1
        if self.n_steps < _FIRST_STEPS or self.rows is None:
            return
        with torch.no_grad():
            mean, log_var = encode(self.rows)
            variance = log_var.exp().mean(0) + _ADDED_VARIANCE
            self.free_mean.copy_(mean / _MEAN_SPEED)
            self.free_log_var.copy_((variance.log() / _VARIANCE_SPEED).expand_as(mean))
        self.rows = None

    def log_prob(self, z: Tensor) -> Tensor:
        log_weights = self.logits.log_softmax(-1)
        return mixture_log_prob(z, self.mean, self.log_var, log_weights)  # (...,)

    @classmethod
    def log_probs(cls, priors: Sequence[Any], z: Tensor) -> Tensor:
        means, log_vars, logits = (
            torch.cat(tensors)
            for tensors in zip(
                *((p.free_mean, p.free_log_var, p.logits.log_softmax(-1)) for p in priors),
                strict=True,
            )
        )
        log_vars = (_VARIANCE_SPEED * log_vars).clamp(*_LOG_VAR_RANGE)
        joint = mixture_log_joint(z, _MEAN_SPEED * means, log_vars, logits)
        return joint.unflatten(-1, (len(priors), -1)).logsumexp(-1)

    def normals(self) -> tuple[Tensor, Tensor, Tensor]:
        spread = (0.5 * self.log_var).exp().diag_embed()
        return self.logits.log_softmax(-1), self.mean, spread

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        weights = self.logits.softmax(-1)
        return mixture_draws(n_samples, self.mean, self.log_var, weights, generator)
