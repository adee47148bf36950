"""The ex-post prior: N(0, I) in training, then a mixture fitted to the embedded training rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Prior, PriorModule
from skvae._validation import Interval
from skvae.priors._densities import fitted_mixture, full_mixture_log_prob
from skvae.priors._standard_normal import StandardNormalModule, device_of_draws, normal_draws


class ExPostMixture(Prior):
    """N(0, I) while the model trains, then a Gaussian mixture fitted to the embedding.

    The embedded training rows do not cover N(0, I), so that some draws from it lie in regions on
    which the decoder was not trained. The mixture, fitted after training, covers the regions that
    the rows occupy [1]_. It is the p(z) of the trained model, for `sample` and `score_samples`.

    Parameters
    ----------
    n_mixtures : int, default=20
        Number of normal distributions in the mixture, each with a full covariance. With fewer
        training rows than this, as many as there are rows.

    See Also
    --------
    skvae.priors.MixturePrior : A mixture that is learned during training.
    skvae.priors.VampPrior : Learned during training, from pseudo-inputs.

    Notes
    -----
    :class:`~sklearn.mixture.GaussianMixture` is fitted to one draw from q(z|x) per training row.
    Such draws follow the aggregated posterior ``q(z) = mean_n q(z|x_n)``, which is the prior that
    maximises the evidence lower bound for a given encoder and decoder ([2]_, equation 6). Further
    training starts again from N(0, I).

    References
    ----------
    .. [1] Ghosh et al. (2020), "From Variational to Deterministic Autoencoders", section 4.
    .. [2] Tomczak & Welling (2018), "VAE with a VampPrior".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.priors import ExPostMixture
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(2, max_epochs=50, random_state=0)
    >>> before = vae.fit(X).score(X)
    >>> vae.set_params(prior=ExPostMixture(n_mixtures=3)).fit(X).score(X) > before
    True
    """

    _parameter_constraints: dict = {"n_mixtures": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_mixtures=20):
        self.n_mixtures = n_mixtures

    def build(
        self, n_components: int, examples: Callable[[int], Tensor] | None = None
    ) -> PriorModule:
        """Build the distribution, which is N(0, I) until training ends.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            Not used.

        Returns
        -------
        prior : PriorModule
            With a closed-form `kl` during training only.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        return _ExPostMixture(self.n_mixtures, n_components)


class _ExPostMixture(StandardNormalModule):
    """N(0, I) in training, else a mixture whose components are N(0, I) until they are fitted."""

    log_weights: Tensor
    means: Tensor
    whitening: Tensor  # triangular factors W of the precisions, W W^T
    spread: Tensor  # triangular factors L of the covariances, L L^T

    def __init__(self, n_mixtures: int, n_components: int):
        super().__init__(n_components)
        self.n_mixtures = n_mixtures
        for name, values in self._standard_normals().items():
            self.register_buffer(name, values)

    def train(self, mode: bool = True) -> _ExPostMixture:
        super().train(mode)
        if mode:
            self._set(self._standard_normals())
        return self

    def log_prob(self, z: Tensor) -> Tensor:
        if self.training:
            return super().log_prob(z)
        mixture = (self.means, self.whitening, self.log_weights)
        return full_mixture_log_prob(z.double(), *mixture).to(z.dtype)

    def normals(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.log_weights, self.means, self.spread

    def moments(self) -> tuple[Tensor, Tensor]:
        return PriorModule.moments(self)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        if self.training:
            return super().sample(n_samples, generator)
        weights = (
            (self.log_weights - self.log_weights.max())
            .exp()
            .to(device_of_draws(generator, self.means))
        )
        chosen = torch.multinomial(weights, n_samples, replacement=True, generator=generator)
        chosen = chosen.to(self.means.device)
        noise = normal_draws(n_samples, self.n_components, generator, like=self.means)
        draws = self.means[chosen] + torch.einsum("nij,nj->ni", self.spread[chosen], noise)
        return draws.to(torch.get_default_dtype())

    def kl(self, mean: Tensor, log_var: Tensor) -> Tensor | None:
        return super().kl(mean, log_var) if self.training else None

    def conclude(self, embed: Callable[[], np.ndarray]) -> None:
        mixture = fitted_mixture(embed(), self.n_mixtures, reg_covar=1e-3)
        # with fewer rows than `n_mixtures`, components are repeated and share their weight
        k = mixture.n_components
        chosen = np.arange(self.n_mixtures) % k
        shares = np.bincount(chosen)[chosen]
        learned = {
            "log_weights": np.log(mixture.weights_)[chosen] - np.log(shares),
            "means": mixture.means_[chosen],
            "whitening": mixture.precisions_cholesky_[chosen],
            "spread": np.linalg.cholesky(mixture.covariances_)[chosen],
        }
        self._set({name: torch.from_numpy(values) for name, values in learned.items()})

    def _standard_normals(self) -> dict[str, Tensor]:
        k = self.n_mixtures
        units = torch.zeros(k, self.n_components, self.n_components, dtype=torch.float64)
        units.diagonal(dim1=1, dim2=2).fill_(1.0)  # torch.eye on "meta" loads torch's compiler
        return {
            "log_weights": torch.full((k,), -math.log(k), dtype=torch.float64),
            "means": torch.zeros(k, self.n_components, dtype=torch.float64),
            "whitening": units,
            "spread": units.clone(),
        }

    def _set(self, buffers: dict[str, Tensor]) -> None:
        for name, values in buffers.items():
            self.get_buffer(name).copy_(values)
