"""The importance-weighted bound, with a standard or a doubly reparameterised gradient."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from skvae._parts import Objective
from skvae._validation import Interval, StrOptions

_STEEPEST = 10.0  # nats per unit of z


class IWAE(Objective):
    """The importance-weighted bound on the log-likelihood, with several posterior draws per row.

    Training minimises ``-E[log mean_k w_k]`` with ``w_k = p(x|z_k) p(z_k) / q(z_k|x)`` and
    independent draws z_k from q(z|x) ([1]_, equation 8), in nats per row. With one draw it is the
    ELBO; more draws give a tighter bound on ``log p(x)``.

    Parameters
    ----------
    n_samples : int, default=8
        Number of draws per row. The cost of a step is proportional to it.
    gradient : {"standard", "doubly_reparameterized"}, default="standard"
        Gradient estimator for the encoder. "standard" differentiates the bound itself; its
        signal-to-noise ratio falls as the number of draws grows [2]_. "doubly_reparameterized" has
        the same expectation and less variance ([3]_, equation 8), apart from rows on which it is
        limited, see Notes. The gradients of decoder and prior are the same for both.

    See Also
    --------
    skvae.objectives.ELBO : Its `n_samples` lowers the variance and does not tighten the bound.

    Notes
    -----
    With ``v_k = w_k / sum_j w_j``, the doubly reparameterised gradient of the bound with respect to
    the encoder's parameters is ``sum_k v_k**2 * dlog w_k / dz_k * dz_k / dparameters``. The
    standard one has the weights ``v_k`` instead, and also contains the derivative of
    ``-log q(z_k|x)`` at fixed ``z_k``, whose expectation is not zero but whose variance is large.

    A row far from all others has slopes of thousands of nats per unit of z. Without the derivative
    that balances them, some fits diverged (benchmarks/quality/README.md, "Missing values"). The
    doubly reparameterised gradient of a row with respect to its draws therefore has a norm of at
    most 10 nats.

    References
    ----------
    .. [1] Burda et al. (2016), "Importance Weighted Autoencoders".
    .. [2] Rainforth et al. (2018), "Tighter Variational Bounds are Not Necessarily Better".
    .. [3] Tucker et al. (2019), "Doubly Reparameterized Gradient Estimators for Monte Carlo
       Objectives".

    Examples
    --------
    >>> from skvae import VAETransformer
    >>> from skvae.objectives import IWAE
    >>> VAETransformer(objective=IWAE(n_samples=16))
    VAETransformer(objective=IWAE(n_samples=16))
    """

    _parameter_constraints: dict = {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "gradient": [StrOptions({"standard", "doubly_reparameterized"})],
    }

    def __init__(self, *, n_samples=8, gradient="standard"):
        self.n_samples = n_samples
        self.gradient = gradient

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
            "loss", minus the bound; "reconstruction", E_q[log p(x|z)]; "kl", KL(q(z|x) || p(z)).
        """
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, self.n_samples, generator)
        log_prior = module.log_prior(z)
        with torch.no_grad():
            kl = module.kl(mean[:, None], log_var[:, None], z, log_prior).sum(-1).mean()
        if self.gradient == "doubly_reparameterized":
            mean, log_var = mean.detach(), log_var.detach()  # gradient through z alone
        log_p = module.log_conditional(x, z)
        log_q = module.log_posterior(mean[:, None], log_var[:, None], z)
        log_weights = log_p + log_prior - log_q  # (n_samples, n_draws)
        if self.gradient == "doubly_reparameterized":
            _weigh_gradient(z, log_weights)
        bound = torch.logsumexp(log_weights, dim=1) - math.log(self.n_samples)
        return {"loss": -bound.mean(), "reconstruction": log_p.mean(), "kl": kl}


def _weigh_gradient(z: Tensor, log_weights: Tensor) -> None:
    """Multiply the gradient with respect to z by the normalised weights a second time.

    That of the loss of every row is then limited to a norm of `_STEEPEST`.
    """
    if not z.requires_grad:  # in validation
        return
    weights = log_weights.detach().softmax(dim=1)[..., None]
    n_rows = len(z)  # a hook that holds z itself would keep the graph for ever

    def weighed(gradient: Tensor) -> Tensor:
        gradient = gradient * weights
        norm = n_rows * gradient.norm(dim=(1, 2), keepdim=True)  # the loss is a mean over rows
        return gradient * (_STEEPEST / norm.clamp_min(_STEEPEST))

    z.register_hook(weighed)
