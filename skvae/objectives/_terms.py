"""What objectives are made of: posterior draws, the reconstruction term and the KL term."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def posterior_draws(
    mean: Tensor, log_var: Tensor, n_draws: int, generator: torch.Generator | None
) -> Tensor:
    """Draw z = mean + std * noise from q(z|x), (n_samples, n_draws, n_components)."""
    shape = (len(mean), n_draws, mean.shape[1])
    noise = torch.randn(shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return torch.addcmul(mean[:, None], (0.5 * log_var).exp()[:, None], noise)


def log_conditional(module: Any, x: Tensor, z: Tensor) -> Tensor:
    """Return log p(x|z) of every row at each of its draws, (n_samples, n_draws)."""
    return module.likelihood.log_prob(module.decode(z), x[:, None])


def mean_kl(
    module: Any, mean: Tensor, log_var: Tensor, z: Tensor, log_prior: Tensor | None = None
) -> Tensor:
    """Return the batch mean of KL(q(z|x) || p(z)): in closed form, else at the draws.

    `log_prior`, where it is known already, spares working out a costly log p(z) once more.
    """
    if log_prior is None or hasattr(module.prior, "kl"):
        return module.kl(mean[:, None], log_var[:, None], z).mean()
    return (module.log_posterior(mean[:, None], log_var[:, None], z) - log_prior).mean()
