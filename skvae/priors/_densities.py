"""Log densities and draws that the priors share: the standard normal, and mixtures of normals."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import linear

LOG_2PI = math.log(2 * math.pi)


def normal_log_prob(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) in nats, (...,)."""
    return -0.5 * (z.square() + LOG_2PI).sum(-1)


def normal_draws(
    n_samples: int,
    n_components: int,
    generator: torch.Generator | None = None,
    like: Tensor | None = None,
) -> Tensor:
    """Draw from N(0, I), (n_samples, n_components), with the dtype and the device of a tensor.

    Without one they are torch's default dtype and the device of the generator.
    """
    device, dtype = _device_of_draws(generator, like), None if like is None else like.dtype
    draws = torch.randn(n_samples, n_components, generator=generator, device=device, dtype=dtype)
    return draws if like is None else draws.to(like.device)


def mixture_log_prob(z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor) -> Tensor:
    """Return log sum_k w_k N(z; mean_k, diag exp(log_var_k)) in nats, (...,), in the dtype of z.

    The squares are multiplied out, so that all components are one matrix product and no tensor is
    larger than (..., k). What cancels in that are numbers of the size of z^2 / variance, hence the
    product in double precision: its digits outlast them for any log variance above -20.

    Parameters
    ----------
    z : Tensor of shape (..., n_components)
    mean, log_var : Tensor of shape (k, n_components)
    log_weights : Tensor of shape (k,)
        Logarithms of weights that sum to one.
    """
    mean, log_var = mean.double(), log_var.double()
    precision = (-log_var).exp()
    slopes = torch.cat([-0.5 * precision, precision * mean], -1)  # (k, 2 * n_components)
    constants = -0.5 * (precision * mean.square() + log_var + LOG_2PI).sum(-1)  # (k,)
    powers = torch.cat([z.double().square(), z.double()], -1)  # (..., 2 * n_components)
    joint = linear(powers, slopes, constants + log_weights.double())  # (..., k)
    return joint.to(z.dtype).logsumexp(-1)


def mixture_draws(
    n_samples: int,
    mean: Tensor,
    log_var: Tensor,
    weights: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw from a mixture of normals, (n_samples, n_components).

    Parameters
    ----------
    n_samples : int
    mean, log_var : Tensor of shape (k, n_components)
    weights : Tensor of shape (k,)
        In proportion.
    generator : torch.Generator or None
    """
    weights = weights.to(_device_of_draws(generator, mean))
    chosen = torch.multinomial(weights, n_samples, replacement=True, generator=generator)
    chosen = chosen.to(mean.device)
    noise = normal_draws(n_samples, mean.shape[1], generator, like=mean)
    return mean[chosen] + (0.5 * log_var[chosen]).exp() * noise


def _device_of_draws(generator: torch.Generator | None, like: Tensor | None) -> torch.device | None:
    if generator is not None:
        return generator.device
    return None if like is None else like.device
