"""A density of the embedding, fitted after training."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.mixture import GaussianMixture

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._validation import Interval, StrOptions
from skvae.priors._densities import fitted_mixture, full_mixture_log_prob


class LatentDensity(Score):
    """The log density of the posterior mean under a Gaussian mixture fitted to the embedding.

    The embedded training rows do not fill the prior: there are regions between and around them
    without training rows. A density estimated after training is low there [1]_, even if the decoder
    generalises so well that it reconstructs rows from these regions.

    Parameters
    ----------
    n_components : int, default=10
        Number of Gaussians in the mixture, reduced to the number of training rows if those are
        fewer.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        Covariances of the Gaussians, as in :class:`~sklearn.mixture.GaussianMixture`.
    reg_covar : float, default=0.01
        Added to the variances of the Gaussians, in units of the prior. The posterior mean of a
        latent dimension that the model does not use hardly varies over the training rows; with a
        much smaller value, such a dimension would dominate the density.

    See Also
    --------
    LatentNeighbors : Uses distances in the latent space instead of a density.

    Notes
    -----
    The score is in nats, of a density in the units of the latent space. The mixture is fitted by
    :class:`~sklearn.mixture.GaussianMixture` with a fixed seed.

    References
    ----------
    .. [1] Ghosh et al. (2020), "From Variational to Deterministic Autoencoders", section 4.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import LatentDensity
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score=LatentDensity(n_components=3), max_epochs=20, random_state=0
    ... ).fit(X)
    >>> detector.score_samples(X).shape
    (150,)
    """

    unit = "nats"
    accepts_gaps = True
    reads_sparse = True
    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, *, n_components=10, covariance_type="full", reg_covar=0.01):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar

    def build(self, module, X, n_samples):
        mixture = fitted_mixture(
            _inference.encode_mean(module, X),
            self.n_components,
            covariance_type=self.covariance_type,
            reg_covar=self.reg_covar,
        )
        known = {
            "log_weights": np.log(mixture.weights_),
            "means": mixture.means_,
            "whitening": _as_matrices(mixture),
        }
        return {name: torch.from_numpy(values) for name, values in known.items()}

    def __call__(self, module, x, known, n_samples):
        mean, _ = module.encode(x)
        names = ("means", "whitening", "log_weights")
        return full_mixture_log_prob(mean.double(), *(known[name] for name in names))

    def shapes(self, sizes):
        size = sizes.n_components
        return {"log_weights": ("k",), "means": ("k", size), "whitening": ("k", size, size)}


def _as_matrices(mixture: GaussianMixture) -> np.ndarray:
    """Return the factors of the precisions as matrices, (k, n_components, n_components)."""
    factors, size = mixture.precisions_cholesky_, mixture.means_.shape[1]
    if mixture.covariance_type == "full":
        return factors
    if mixture.covariance_type == "tied":
        return np.repeat(factors[None], len(mixture.means_), axis=0)
    diagonals = factors if mixture.covariance_type == "diag" else factors[:, None]
    return diagonals[..., None] * np.eye(size)
