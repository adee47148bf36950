"""The evidence lower bound, with three common ways of weighting its KL term."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from skvae._parts import Objective
from skvae._validation import Interval, StrOptions


class ELBO(Objective):
    """The evidence lower bound, estimated at draws from the posterior.

    Training minimises ``-E_q[log p(x|z)] + beta * KL(q(z|x) || p(z))``, in nats per row.

    Parameters
    ----------
    beta : float, default=1.0
        Weight of the KL term [2]_. Above 1, fewer and more independent latent dimensions are used;
        below 1, reconstructions are sharper; at 1, the loss is minus a lower bound on the
        log-likelihood [1]_.
    free_bits : float, default=0.0
        Nats per latent dimension that are free of cost, so that dimensions do not collapse onto the
        prior: the KL divergence of a dimension, averaged over the batch, counts as at least this
        ([3]_, equation 15). If the prior has no closed-form KL divergence, all dimensions together
        share their free nats.
    warmup : float or "auto", default="auto"
        Epochs over which the weight of the KL term grows linearly from 0 to `beta` [4]_. "auto" is
        the first third of the epochs of a fit if the likelihood has heavy tails or bins, such as
        :class:`~skvae.likelihoods.StudentT` or :class:`~skvae.likelihoods.Histogram`, for counts
        or bits of which fewer than a tenth are not zero, and of classifiers, else 0.
    n_samples : int, default=1
        Number of posterior draws per row, over which the estimate is averaged ([1]_, equation 7).
        More draws reduce the variance of the gradient; the cost of a step is proportional to them.

    See Also
    --------
    skvae.objectives.IWAE : A tighter bound from several draws.

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", equation 10.
    .. [2] Higgins et al. (2017), "beta-VAE", equation 4.
    .. [3] Kingma et al. (2016), "Improved Variational Inference with Inverse Autoregressive Flow".
    .. [4] Sønderby et al. (2016), "Ladder Variational Autoencoders", section 2.3.

    Examples
    --------
    >>> from skvae import VAETransformer
    >>> from skvae.objectives import ELBO
    >>> VAETransformer(objective=ELBO(beta=4))
    VAETransformer(objective=ELBO(beta=4))
    """

    _parameter_constraints: dict = {
        "beta": [Interval(Real, 0, None, closed="left")],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "warmup": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, beta=1.0, free_bits=0.0, warmup="auto", n_samples=1):
        self.beta = beta
        self.free_bits = free_bits
        self.warmup = warmup
        self.n_samples = n_samples

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
            Epochs already trained, counted in fractions, for the warm-up; None evaluates the
            objective after it.
        generator : torch.Generator or None, default=None
            Source of the posterior draws.

        Returns
        -------
        record : dict of scalar Tensors, in nats per row
            "loss", to be minimised; "reconstruction", E_q[log p(x|z)]; "kl", KL(q(z|x) || p(z)).
        """
        mean, log_var = module.encode(x)
        z = module.draw_posterior(mean, log_var, self.n_samples, generator)
        reconstruction = module.log_conditional(x, z).mean()
        terms = module.kl(mean[:, None], log_var[:, None], z).mean((0, 1))  # (n_terms,)
        free = self.free_bits * mean.shape[1] / len(terms)
        kl = terms.sum()
        counted = terms.clamp_min(free).sum() if self.free_bits else kl
        beta = self.beta * self._warmed_up(epoch, module)
        return {"loss": beta * counted - reconstruction, "reconstruction": reconstruction, "kl": kl}

    def _warmed_up(self, epoch: float | None, module: Any) -> float:
        if epoch is None:
            return 1.0
        n_epochs = module.warmup_epochs if self.warmup == "auto" else self.warmup
        return min(1.0, epoch / n_epochs) if n_epochs else 1.0
