"""The VampPrior: a mixture of what the encoder makes of learned rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._validation import Interval
from skvae.priors._densities import mixture_draws, mixture_log_prob

_JITTER = 0.01  # tells apart two pseudo-inputs that start from one row; in standard deviations


class VampPrior(BaseEstimator):
    """The mixture of the posteriors of learned pseudo-inputs ("variational mixture of posteriors").

    The best prior for a given encoder is the aggregated posterior, the mean of q(z|x) over the
    training rows. This one is the mean over a few rows that are learned with the weights.

    Parameters
    ----------
    n_components : int, default=500
        Pseudo-inputs. Each training step encodes them all beside its batch.

    See Also
    --------
    skvae.priors.MixturePrior : A mixture that does not ask the encoder, and costs less.

    Notes
    -----
    ``p(z) = 1/K sum_k q(z|u_k)`` ([1]_, equation 9). The u_k are rows as the encoder takes them,
    standardised; they start from training rows drawn at random, with a little noise, and are bound
    to no range. The KL divergence has no closed form and is estimated by the draws.

    References
    ----------
    .. [1] Tomczak & Welling (2018), "VAE with a VampPrior", equation 9.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.priors import VampPrior
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(2, prior=VampPrior(20), max_epochs=2, random_state=0).fit(X)
    >>> vae.module_.prior.pseudo_inputs.shape
    torch.Size([20, 4])
    """

    _parameter_constraints: dict = {"n_components": [Interval(Integral, 1, None, closed="left")]}

    starts_from_rows = True

    def __init__(self, n_components=500):
        self.n_components = n_components

    def build(self, n_components: int, examples: Callable[[int], Tensor]) -> nn.Module:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Latent dimensions.
        examples : callable
            Takes a number and returns as many training rows as the encoder takes them, drawn at
            random.

        Returns
        -------
        prior : torch.nn.Module
            With `pseudo_inputs`, and with `log_prob(z, mean, log_var)` in nats and
            `sample(n_samples, generator, mean, log_var)`, which are given their posteriors.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self._validate_params()
        return _VampPrior(examples(self.n_components))


class _VampPrior(nn.Module):
    def __init__(self, rows: Tensor):
        super().__init__()
        if not rows.is_meta:  # on which arithmetic would load torch's compiler
            rows = rows + _JITTER * torch.randn_like(rows)
        self.pseudo_inputs = nn.Parameter(rows)

    def log_prob(self, z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
        log_weights = mean.new_full((len(mean),), -math.log(len(mean)))
        return mixture_log_prob(z, mean, log_var, log_weights)  # (...,)

    def sample(
        self,
        n_samples: int,
        generator: torch.Generator | None,
        mean: Tensor,
        log_var: Tensor,
    ) -> Tensor:
        return mixture_draws(n_samples, mean, log_var, mean.new_ones(len(mean)), generator)
