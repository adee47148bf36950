"""The InfoVAE objective: part of the KL term is replaced by a discrepancy of q(z) from p(z)."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor

from skvae._parts import Objective
from skvae._validation import Interval, StrOptions

# as functions of the squared distance divided by twice the squared bandwidth
_KERNELS = {
    "rbf": lambda distance: torch.exp(-distance),
    "inverse_multiquadric": lambda distance: 1 / (1 + distance),
}


class InfoVAE(Objective):
    """The evidence lower bound with less pressure on the posterior of each row.

    The KL term draws the posterior of every row towards the prior. Part of it is replaced here by
    the maximum mean discrepancy (MMD), which depends only on the posteriors of all rows together
    [1]_, so that latent vectors retain more information about the rows.

    Training minimises ``-E_q[log p(x|z)] + (1 - alpha) * KL(q(z|x) || p(z)) +
    (alpha + scale - 1) * MMD(q(z), p(z))``, in nats per row.

    Parameters
    ----------
    alpha : float, default=0.0
        Weight of the mutual information between rows and latent vectors, at most 1. At 0 the KL
        term has its full weight; at 1 it has none, which is the MMD-VAE, whose posteriors may
        become narrow.
    scale : float, default=100.0
        Weight of the divergence of q(z) from p(z), lambda in [1]_. At ``1 - alpha`` the weight of
        the MMD is zero, which with ``alpha=0`` is the ELBO. The default is large because the MMD
        lies between 0 and 2, which is little compared to a reconstruction in nats. If `scale` is
        far too large, the noise of the MMD of a batch dominates the gradient.
    kernel : {"rbf", "inverse_multiquadric"}, default="rbf"
        ``exp(-d)`` or ``1 / (1 + d)``, with d the squared distance of two latent vectors divided by
        ``2 * bandwidth**2``. The second decays more slowly, so that outliers still have a gradient
        [3]_.
    bandwidth : float or "auto", default="auto"
        Length scale of the kernel. "auto" is the square root of the number of latent dimensions,
        with which d is 1 on average for two draws from N(0, I) [3]_.

    See Also
    --------
    skvae.objectives.ELBO : A `beta` below 1 lowers the KL term without a replacement.

    Notes
    -----
    The squared MMD is estimated without bias from one posterior draw per row of the batch and as
    many draws from the prior; the estimate may be negative ([2]_, equation 3).

    References
    ----------
    .. [1] Zhao et al. (2019), "InfoVAE: Balancing Learning and Inference in Variational
       Autoencoders".
    .. [2] Gretton et al. (2012), "A Kernel Two-Sample Test".
    .. [3] Tolstikhin et al. (2018), "Wasserstein Auto-Encoders", section 4.

    Examples
    --------
    >>> from skvae import VAETransformer
    >>> from skvae.objectives import InfoVAE
    >>> VAETransformer(objective=InfoVAE(alpha=0.5))
    VAETransformer(objective=InfoVAE(alpha=0.5))
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, None, 1, closed="right")],
        "scale": [Interval(Real, 0, None, closed="left")],
        "kernel": [StrOptions(set(_KERNELS))],
        "bandwidth": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(self, *, alpha=0.0, scale=100.0, kernel="rbf", bandwidth="auto"):
        self.alpha = alpha
        self.scale = scale
        self.kernel = kernel
        self.bandwidth = bandwidth

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
            Source of the draws from posterior and prior.

        Returns
        -------
        record : dict of scalar Tensors
            "loss", to be minimised; "reconstruction", E_q[log p(x|z)], and "kl",
            KL(q(z|x) || p(z)), in nats per row; "mmd", the squared MMD.
        """
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, 1, generator)
        reconstruction = module.log_conditional(x, z).mean()
        kl = module.kl(mean[:, None], log_var[:, None], z).sum(-1).mean()
        mmd = self._mmd(z[:, 0], module.sample_prior(len(z), generator).to(z))
        loss = (1 - self.alpha) * kl + (self.alpha + self.scale - 1) * mmd - reconstruction
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "mmd": mmd}

    def _mmd(self, z: Tensor, other: Tensor) -> Tensor:
        """Return the squared MMD of two samples of the same shape, (n_draws, n_components)."""
        n_draws, n_components = z.shape
        if n_draws == 1:  # a sample of one has no pairs
            return z.new_zeros(())
        bandwidth = n_components**0.5 if self.bandwidth == "auto" else self.bandwidth

        def kernel_sum(a: Tensor, b: Tensor) -> Tensor:
            squares = (a[:, None] - b).square().sum(-1)
            return _KERNELS[self.kernel](squares / (2 * bandwidth**2)).sum()

        within = kernel_sum(z, z) + kernel_sum(other, other) - 2 * n_draws  # of distinct draws
        return within / (n_draws * (n_draws - 1)) - 2 * kernel_sum(z, other) / n_draws**2
