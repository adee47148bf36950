"""Log densities and draws of mixtures of normal distributions, for priors and scores."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn.functional import linear

from skvae.priors._standard_normal import LOG_2PI, device_of_draws, normal_draws

_SEED = 0  # of the fit, so that the mixture is a function of the latent vectors alone


def fitted_mixture(Z: np.ndarray, n_mixtures: int, **settings: Any) -> GaussianMixture:
    """Fit a Gaussian mixture to latent vectors, with at most one normal per vector.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_components)
    n_mixtures : int
    **settings
        Further parameters of the mixture.
    """
    Z = Z.astype(np.float64)
    mixture = GaussianMixture(min(n_mixtures, len(Z)), random_state=_SEED, **settings)
    with warnings.catch_warnings(), config_context(array_api_dispatch=False):
        # a mixture that has not converged is a valid density too
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(Z if len(Z) > 1 else np.repeat(Z, 2, axis=0))


def mixture_log_prob(z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor) -> Tensor:
    """Return log sum_k w_k N(z; mean_k, diag exp(log_var_k)) in nats, (...,), in the dtype of z."""
    return mixture_log_joint(z, mean, log_var, log_weights).logsumexp(-1)


def mixture_log_joint(z: Tensor, mean: Tensor, log_var: Tensor, log_weights: Tensor) -> Tensor:
    """Return log w_k N(z; mean_k, diag exp(log_var_k)) in nats, (..., k), in the dtype of z.

    The squares are multiplied out, so that a single matrix product serves all components and no
    tensor is larger than (..., k). Terms of the size of z^2 / variance then cancel, which double
    precision resolves for any log variance above -20.

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
    return joint.to(z.dtype)


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
        Need not sum to one.
    generator : torch.Generator or None
    """
    weights = weights.to(device_of_draws(generator, mean))
    chosen = torch.multinomial(weights, n_samples, replacement=True, generator=generator)
    chosen = chosen.to(mean.device)
    noise = normal_draws(n_samples, mean.shape[1], generator, like=mean)
    return mean[chosen] + (0.5 * log_var[chosen]).exp() * noise


def full_mixture_log_prob(
    z: Tensor, means: Tensor, whitening: Tensor, log_weights: Tensor
) -> Tensor:
    """Return the log density of a mixture of normals with full covariances, in nats, (...,).

    Parameters
    ----------
    z : Tensor of shape (..., n_components)
    means : Tensor of shape (k, n_components)
    whitening : Tensor of shape (k, n_components, n_components)
        Triangular factors W of the precisions, W W^T.
    log_weights : Tensor of shape (k,)
    """
    deviation = z[..., None, :] - means  # (..., k, n_components)
    white = torch.einsum("...ki,kij->...kj", deviation, whitening)
    log_volume = whitening.diagonal(dim1=1, dim2=2).log().sum(1)  # (k,)
    log_densities = log_volume - 0.5 * (white.square() + LOG_2PI).sum(-1)
    return torch.logsumexp(log_weights + log_densities, dim=-1)
