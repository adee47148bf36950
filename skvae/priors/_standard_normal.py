"""The standard normal prior."""

from __future__ import annotations

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae.priors._densities import normal_draws, normal_log_prob


class StandardNormal(BaseEstimator):
    """The prior N(0, I): independent latent dimensions of mean 0 and variance 1.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", section 3 and appendix B
       (the closed-form KL divergence).

    Examples
    --------
    >>> import torch
    >>> from skvae.priors import StandardNormal
    >>> prior = StandardNormal().build(n_components=2)
    >>> prior.log_prob(torch.zeros(1, 2))  # -log(2 pi)
    tensor([-1.8379])
    """

    def build(self, n_components: int) -> nn.Module:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Latent dimensions.

        Returns
        -------
        prior : torch.nn.Module
            With `log_prob(z)`, `sample(n_samples, generator)`, and `kl(mean, log_var)` and
            `kl_per_component(mean, log_var)`, all in nats.
        """
        return _StandardNormal(n_components)


class _StandardNormal(nn.Module):
    def __init__(self, n_components: int):
        super().__init__()
        self.n_components = n_components

    def log_prob(self, z: Tensor) -> Tensor:
        return normal_log_prob(z)  # (...,)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        return normal_draws(n_samples, self.n_components, generator)

    def kl(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """KL(N(mean, exp(log_var)) || N(0, I)) of every row."""
        return self.kl_per_component(mean, log_var).sum(-1)  # (n_samples,)

    def kl_per_component(self, mean: Tensor, log_var: Tensor) -> Tensor:
        return 0.5 * (mean.square() + log_var.exp() - log_var - 1)  # (n_samples, n_components)
