"""How usual a row's place in the latent space is, beside those of the training rows."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from skvae._model import inference as _inference
from skvae._validation import Interval, StrOptions
from skvae.scores._nearest import nearest_distances
from skvae.scores._score import Score

_LOG_2PI = math.log(2 * math.pi)
_SEED = 0  # of the mixture's start, which is no parameter: a score is a function of the model


class LatentDensity(Score):
    """The log density of the posterior mean under a mixture fitted to those of the training rows.

    The embedded training rows do not fill the prior: between and around them lie places where no
    row was ever seen. A density estimated after training knows these places [1]_, and sees at a
    glance what a decoder that generalises too well would let pass.

    Parameters
    ----------
    n_components : int, default=10
        Gaussians in the mixture, at most as many as training rows.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        Covariances of the Gaussians, as in :class:`~sklearn.mixture.GaussianMixture`.
    reg_covar : float, default=0.01
        Added to their variances, in units of the prior. A latent dimension that the model leaves
        unused hardly varies over the training rows, and would decide alone with much less.

    See Also
    --------
    LatentNeighbors : By distances instead of densities.

    Notes
    -----
    In nats, of a density in the units of the latent space. The mixture is fitted by
    :class:`~sklearn.mixture.GaussianMixture` from one fixed start.

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
    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions({"full", "tied", "diag", "spherical"})],
        "reg_covar": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, n_components=10, covariance_type="full", reg_covar=0.01):
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar

    def build(self, module, X, n_samples):
        mixture = self._mixture(_embedding(module, X))
        known = {
            "log_weights": np.log(mixture.weights_),
            "means": mixture.means_,
            "whitening": _as_matrices(mixture),
        }
        return {name: torch.from_numpy(values) for name, values in known.items()}

    def score(self, module, x, known, n_samples):
        mean, _ = module.encode(x)
        deviation = mean.double()[:, None] - known["means"]  # (n_samples, k, n_components)
        white = torch.einsum("nki,kij->nkj", deviation, known["whitening"])
        log_volume = known["whitening"].diagonal(dim1=1, dim2=2).log().sum(1)  # (k,)
        log_densities = log_volume - 0.5 * (white.square() + _LOG_2PI).sum(-1)
        return torch.logsumexp(known["log_weights"] + log_densities, dim=1)

    def shapes(self, parts):
        size = parts.n_components
        return {"log_weights": ("k",), "means": ("k", size), "whitening": ("k", size, size)}

    def _mixture(self, Z):
        mixture = GaussianMixture(
            min(self.n_components, len(Z)),
            covariance_type=self.covariance_type,
            reg_covar=self.reg_covar,
            random_state=_SEED,
        )
        with warnings.catch_warnings(), config_context(array_api_dispatch=False):
            # a mixture that could still be improved is a density too
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(Z if len(Z) > 1 else np.repeat(Z, 2, axis=0))


class LatentNeighbors(Score):
    """Minus the mean distance of the posterior mean from its nearest among those in training.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that count, at most as many as training rows.

    See Also
    --------
    LatentDensity : By a density, which takes less room than the embedded training rows.

    Notes
    -----
    Distances are Euclidean, in units of the prior. The embedded training rows are part of the
    model and of its file. A training row is its own nearest neighbour, so its score is better
    than that of a new row in the same place: let `calibration_fraction` of the detector judge the
    scores, not `contamination`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score="latent_neighbors", max_epochs=2, random_state=0
    ... ).fit(X)
    >>> bool(detector.score_samples(X).max() <= 0)
    True
    """

    _parameter_constraints: dict = {"n_neighbors": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def build(self, module, X, n_samples):
        return {"embedding": torch.from_numpy(_embedding(module, X))}

    def score(self, module, x, known, n_samples):
        mean, _ = module.encode(x)
        return -nearest_distances(mean.double(), known["embedding"], self.n_neighbors).mean(1)

    def shapes(self, parts):
        return {"embedding": ("n_rows", parts.n_components)}


def _embedding(module, X) -> np.ndarray:
    return _inference.encode_mean(module, X).astype(np.float64)


def _as_matrices(mixture: GaussianMixture) -> np.ndarray:
    """Return the factors of the precisions as matrices, (k, n_components, n_components)."""
    factors, size = mixture.precisions_cholesky_, mixture.means_.shape[1]
    if mixture.covariance_type == "full":
        return factors
    if mixture.covariance_type == "tied":
        return np.repeat(factors[None], len(mixture.means_), axis=0)
    diagonals = factors if mixture.covariance_type == "diag" else factors[:, None]
    return diagonals[..., None] * np.eye(size)
