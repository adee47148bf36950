"""A density fitted to the embedded training rows after training, to draw latent vectors from."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture

_OF_A_MIXTURE = ("weights_", "means_", "covariances_", "precisions_cholesky_")


def fit_density(spec: BaseEstimator, Z: np.ndarray, seed: int) -> BaseEstimator:
    """Fit a copy of a density estimator to embedded rows; by this seed if it has none."""
    density = clone(spec)
    if getattr(density, "random_state", None) is None:
        density = _seeded(density, seed)
    with config_context(array_api_dispatch=False):  # the embedding is NumPy's, whatever X was
        return density.fit(Z.astype(np.float64))


def draw(density: BaseEstimator, n_samples: int, seed: int) -> np.ndarray:
    """Draw latent vectors, (n_samples, n_components), in random order."""
    seeds = {"random_state": seed} if "random_state" in _parameters_of(density.sample) else {}
    draws = _seeded(copy.copy(density), seed).sample(n_samples, **seeds)
    Z = draws[0] if isinstance(draws, tuple) else draws  # a mixture also tells the components
    return np.random.default_rng(seed).permutation(np.asarray(Z, dtype=np.float64))


def check_density_can_be_saved(density: BaseEstimator | None) -> None:
    """Refuse what cannot be written without pickle.

    Raises
    ------
    ValueError
        Naming the density and the remedy.
    """
    if density is not None and type(density) is not GaussianMixture:
        raise ValueError(
            f"fit_density={density!r} cannot be saved without pickle; of the fitted densities a "
            "GaussianMixture alone can. Fit with one, or with fit_density=None."
        )


def learned_by(density: BaseEstimator | None) -> dict[str, np.ndarray] | None:
    """Return what a Gaussian mixture has learned."""
    return density and {name: getattr(density, name) for name in _OF_A_MIXTURE}


def restored(spec: Any, learned: dict[str, np.ndarray] | None, n_components: int):
    """Return a Gaussian mixture with what it had learned.

    Raises
    ------
    ValueError
        If that is not what such a mixture learns.
    """
    if learned is None:
        return None
    if type(spec) is not GaussianMixture or learned.keys() != set(_OF_A_MIXTURE):
        raise ValueError("its density is no Gaussian mixture")
    density = clone(spec)
    shapes = _shapes(density, n_components)
    for name, values in learned.items():
        sound = isinstance(values, np.ndarray) and values.dtype == np.float64
        if not (sound and values.shape == shapes[name] and np.isfinite(values).all()):
            raise ValueError(f"its density's {name!r} is not {shapes[name]} finite numbers")
        setattr(density, name, values)
    weights = density.weights_
    if not (weights.min() >= 0 and abs(weights.sum() - 1) < 1e-6):
        raise ValueError("its density's weights do not add up to one")
    density.n_features_in_ = n_components
    return density


def _shapes(density: GaussianMixture, n_components: int) -> dict[str, tuple[int, ...]]:
    n_normals = density.n_components
    covariances = {
        "full": (n_normals, n_components, n_components),
        "tied": (n_components, n_components),
        "diag": (n_normals, n_components),
        "spherical": (n_normals,),
    }[density.covariance_type]
    shapes = ((n_normals,), (n_normals, n_components), covariances, covariances)
    return dict(zip(_OF_A_MIXTURE, shapes, strict=True))


def _seeded(density: BaseEstimator, seed: int) -> BaseEstimator:
    if "random_state" in density.get_params(deep=False):
        density.set_params(random_state=seed)
    return density


def _parameters_of(method) -> set[str]:
    return set(inspect.signature(method).parameters)
