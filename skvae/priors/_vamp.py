"""The VampPrior: the mixture of the posteriors of learned rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral

import torch
from torch import Tensor, nn

from skvae._parts import Encode, Prior, PriorModule
from skvae._validation import Interval
from skvae.priors._densities import mixture_draws, mixture_log_prob

_JITTER = 0.01  # in standard deviations; separates pseudo-inputs that start from the same row


class VampPrior(Prior):
    """The mixture of the posteriors of learned pseudo-inputs ("variational mixture of posteriors").

    The best prior for a given encoder is the aggregated posterior, the mean of q(z|x) over the
    training rows. The VampPrior is the mean over fewer rows, which are learned during training.

    Parameters
    ----------
    n_pseudo_inputs : int, default=500
        Number of pseudo-inputs. Each training step encodes all of them in addition to its batch.

    See Also
    --------
    skvae.priors.MixturePrior : A mixture without an encoder, which costs less.

    Notes
    -----
    ``p(z) = 1/K sum_k q(z|u_k)`` ([1]_, equation 9). The pseudo-inputs u_k are standardised rows.
    They start from training rows drawn at random, with a little noise, and are not bounded. The KL
    divergence has no closed form and is estimated at the draws.

    References
    ----------
    .. [1] Tomczak & Welling (2018), "VAE with a VampPrior", equation 9.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.priors import VampPrior
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(
    ...     2, prior=VampPrior(n_pseudo_inputs=20), max_epochs=2, random_state=0
    ... ).fit(X)
    >>> vae.module_.prior.pseudo_inputs.shape
    torch.Size([20, 4])
    """

    _parameter_constraints: dict = {"n_pseudo_inputs": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_pseudo_inputs=500):
        self.n_pseudo_inputs = n_pseudo_inputs

    def build(self, n_components: int, examples: Callable[[int], Tensor]) -> PriorModule:
        """Build the distribution.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable
            ``examples(n)`` returns n training rows drawn at random and standardised.

        Returns
        -------
        prior : PriorModule
            With the parameter `pseudo_inputs`, (n_pseudo_inputs, n_features).

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        return _VampPrior(n_components, examples(self.n_pseudo_inputs))


class _VampPrior(PriorModule):
    mean: Tensor  # of the posteriors of the pseudo-inputs, at the last call of `follow`
    log_var: Tensor

    def __init__(self, n_components: int, rows: Tensor):
        super().__init__(n_components)
        if not rows.is_meta:  # arithmetic on "meta" would load torch's compiler
            rows = rows + _JITTER * torch.randn_like(rows)
        self.pseudo_inputs = nn.Parameter(rows)
        self.register_buffer("mean", None, persistent=False)
        self.register_buffer("log_var", None, persistent=False)

    def follow(self, encode: Encode) -> None:
        self.mean, self.log_var = encode(self.pseudo_inputs)

    def log_prob(self, z: Tensor) -> Tensor:
        log_weights = self.mean.new_full((len(self.mean),), -math.log(len(self.mean)))
        return mixture_log_prob(z, self.mean, self.log_var, log_weights)  # (...,)

    def normals(self) -> tuple[Tensor, Tensor, Tensor]:
        log_weights = self.mean.new_full((len(self.mean),), -math.log(len(self.mean)))
        return log_weights, self.mean, (0.5 * self.log_var).exp().diag_embed()

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        weights = self.mean.new_ones(len(self.mean))
        return mixture_draws(n_samples, self.mean, self.log_var, weights, generator)
