"""The beta-TCVAE objective: the ELBO with its KL term in three parts, each with a weight."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from skvae._parts import Objective
from skvae._validation import Interval

_LOG_2PI = math.log(2 * math.pi)


class BetaTCVAE(Objective):
    """The evidence lower bound with a penalty on dependence between latent dimensions.

    Training minimises ``-E_q[log p(x|z)] + alpha * mutual information + beta * total correlation +
    gamma * dimension-wise KL``, in nats per row ([1]_, equation 4). With all three weights at 1 it
    is the ELBO.

    Parameters
    ----------
    alpha : float, default=1.0
        Weight of the mutual information between rows and latent vectors.
    beta : float, default=6.0
        Weight of the total correlation. Above 1 the latent dimensions become less dependent, at
        less cost to the reconstruction than with the same `beta` in
        :class:`~skvae.objectives.ELBO`.
    gamma : float, default=1.0
        Weight of the dimension-wise KL, the divergence of each dimension from the prior.

    See Also
    --------
    skvae.objectives.ELBO : One weight for all three parts.

    Notes
    -----
    With the aggregated posterior ``q(z) = mean_n q(z|x_n)`` over the training rows, the KL term is
    the sum of three ([1]_, equation 2):

    - the mutual information ``E[log q(z|x) - log q(z)]``,
    - the total correlation ``E[log q(z) - sum_j log q(z_j)]``,
    - the dimension-wise KL ``E[sum_j log q(z_j) - log p(z)]``.

    q(z) is estimated at every draw by minibatch stratified sampling ([1]_, appendix C.2), averaged
    over the order of the batch: with N training rows, the weight of the draw's own row is 1/N, and
    the other rows of the batch share the remainder evenly. Because the estimate enters by its
    logarithm, log q(z) is biased downwards if the batch is small for the number of latent
    dimensions. The mutual information is computed as the KL term minus the other two parts, so that
    the three always sum to it.

    References
    ----------
    .. [1] Chen et al. (2018), "Isolating Sources of Disentanglement in Variational Autoencoders".

    Examples
    --------
    >>> from skvae import VAETransformer
    >>> from skvae.objectives import BetaTCVAE
    >>> VAETransformer(objective=BetaTCVAE(beta=10))
    VAETransformer(objective=BetaTCVAE(beta=10))
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, alpha=1.0, beta=6.0, gamma=1.0):
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma

    def __call__(
        self,
        module: Any,
        x: Tensor,
        *,
        epoch: float | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Evaluate the objective on a batch.

        Parameters
        ----------
        module : torch.nn.Module
            The model.
        x : Tensor of shape (n_samples, n_features)
            Rows in the units of X.
        epoch : float or None, default=None
            Not used.
        generator : torch.Generator or None, default=None
            Source of the posterior draws.

        Returns
        -------
        record : dict of scalar Tensors, in nats per row
            "loss", to be minimised; "reconstruction", E_q[log p(x|z)]; "kl", KL(q(z|x) || p(z)),
            and its parts "mutual_information", "total_correlation" and "dimension_wise_kl".
        """
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, 1, generator)  # (n_samples, 1, n_components)
        reconstruction = module.log_conditional(x, z).mean()
        log_prior = module.log_prior(z)
        kl = module.kl(mean[:, None], log_var[:, None], z, log_prior).sum(-1).mean()
        joint, marginals = _log_aggregated(mean, log_var, z, module.n_rows or len(x))
        total_correlation = (joint - marginals).mean()
        dimension_wise_kl = (marginals - log_prior[:, 0]).mean()
        mutual_information = kl - total_correlation - dimension_wise_kl
        weighted_kl = (
            self.alpha * mutual_information
            + self.beta * total_correlation
            + self.gamma * dimension_wise_kl
        )
        return {
            "loss": weighted_kl - reconstruction,
            "reconstruction": reconstruction,
            "kl": kl,
            "mutual_information": mutual_information,
            "total_correlation": total_correlation,
            "dimension_wise_kl": dimension_wise_kl,
        }


def _log_aggregated(mean: Tensor, log_var: Tensor, z: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Return log q(z) and sum_j log q(z_j) of every draw."""
    squares = (z - mean).square() / log_var.exp()
    log_q = -0.5 * (squares + log_var + _LOG_2PI)  # (n_draws, n_samples, n_components)
    log_shares = _log_shares(len(z), n_rows, log_q)
    joint = torch.logsumexp(log_q.sum(2) + log_shares, dim=1)
    marginals = torch.logsumexp(log_q + log_shares[..., None], dim=1)
    return joint, marginals.sum(1)


def _log_shares(n_batch: int, n_rows: int, like: Tensor) -> Tensor:
    """Return the log weight of each row of the batch in the q(z) of each draw, (n_draws, n_batch).

    The weights of a draw sum to 1. A batch of one row has the weight 1.
    """
    n_rows = max(n_rows, n_batch) if n_batch > 1 else 1
    others = math.log1p(-1 / n_rows) - math.log(n_batch - 1) if n_batch > 1 else 0.0
    log_shares = like.new_full((n_batch, n_batch), others)
    return log_shares.fill_diagonal_(-math.log(n_rows))
