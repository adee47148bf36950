"""The standard normal prior."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skvae._parts import Prior, PriorModule

LOG_2PI = math.log(2 * math.pi)


class StandardNormal(Prior):
    """The prior N(0, I): independent latent dimensions with mean 0 and variance 1 [1]_.

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

    def build(
        self, n_components: int, examples: Callable[[int], Tensor] | None = None
    ) -> PriorModule:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            Not used.

        Returns
        -------
        prior : PriorModule
            With a closed-form `kl`.
        """
        return StandardNormalModule(n_components)


class StandardNormalModule(PriorModule):
    """N(0, I), with the KL divergence in closed form."""

    def log_prob(self, z: Tensor) -> Tensor:
        return normal_log_prob(z)  # (...,)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        return normal_draws(n_samples, self.n_components, generator)

    def normals(self) -> tuple[Tensor, Tensor, Tensor]:
        n = self.n_components
        return torch.zeros(1), torch.zeros(1, n), torch.eye(n)[None]

    def moments(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(self.n_components), torch.zeros(self.n_components)

    def kl(self, mean: Tensor, log_var: Tensor) -> Tensor | None:
        return 0.5 * (mean.square() + log_var.exp() - log_var - 1)  # (..., n_components)


def normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats, (...,)."""
    return -0.5 * (z.square() + LOG_2PI).sum(-1)


def normal_draws(
    n_samples: int,
    n_components: int,
    generator: torch.Generator | None = None,
    like: Tensor | None = None,
) -> Tensor:
    """Draw from N(0, I), (n_samples, n_components), with the dtype and the device of `like`.

    Without `like` the draws have torch's default dtype and are on the device of the generator.
    """
    device, dtype = device_of_draws(generator, like), None if like is None else like.dtype
    draws = torch.randn(n_samples, n_components, generator=generator, device=device, dtype=dtype)
    return draws if like is None else draws.to(like.device)


def device_of_draws(generator: torch.Generator | None, like: Tensor | None) -> torch.device | None:
    """Return the device of the generator, else that of the tensor."""
    if generator is not None:
        return generator.device
    return None if like is None else like.device
