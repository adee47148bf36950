"""Pseudo-rows: draws of a factor analysis that stand in for the rows which a small table lacks."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from skvae._model.module import VAEModule
from skvae._rows.arrays import has_gaps
from skvae._scaling import column_moments, filled_by_ranks, within_fences

_PRIOR_ROWS = 2.0  # rows of unit covariance, after standardising, that are added to the table
_N_STEPS = 20  # further steps change the held-out likelihood by less than a tenth of a nat
_N_STEPS_WITH_GAPS = 100  # the more is missing, the slower is the convergence
_SMALLEST_VARIANCE = 1e-6
_MOST_ROWS = 2000  # only rows with hundreds of features need pseudo-rows beside so many


class PseudoRows:
    """Replaces rows of a batch by draws of a linear Gaussian model.

    A network that sees the same few rows in every epoch learns them by heart, and its noise
    shrinks until other rows are all but impossible. Draws of a factor analysis are new in every
    batch. The density that the model learns is then a mixture of that of the rows and of the linear
    model, so that held-out rows are never far less likely than under the latter.

    Parameters
    ----------
    share : float
        Probability that a row is replaced.
    loc : ndarray of shape (n_features,)
        Mean of the draws.
    loadings : ndarray of shape (n_features, n_factors)
    noise : ndarray of shape (n_features,)
        Standard deviations of what the factors leave unexplained.
    """

    def __init__(self, share: float, loc: np.ndarray, loadings: np.ndarray, noise: np.ndarray):
        self.share = share
        self._tensors = [torch.from_numpy(part) for part in (loc, loadings, noise)]

    def mix_in(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the batch with pseudo-rows in place of some of its rows."""
        loc, loadings, noise = self._tensors = [part.to(x) for part in self._tensors]

        def normal(width: int) -> Tensor:  # the same draws for rows of either precision
            shape, single = (len(x), width), torch.float32
            return torch.randn(shape, generator=generator, dtype=single, device=x.device).to(x)

        draws = loc + normal(loadings.shape[1]) @ loadings.T + normal(len(loc)) * noise
        replaced = torch.rand(len(x), 1, generator=generator, device=x.device) < self.share
        return torch.where(replaced & ~x.isnan(), draws, x)


def pseudo_rows(module: VAEModule, X: np.ndarray, share: float) -> PseudoRows | None:
    """Return the source of pseudo-rows for a module and its training rows, if it can have one.

    Only densities of real values without heavy tails have pseudo-rows, as others could not produce
    draws of a Gaussian. Outliers are moved to the fences first.
    """
    likelihood, n_components = module.likelihood, module.parts.n_components
    if likelihood.support is not None or likelihood.heavy_tailed or likelihood.has_atoms:
        return None
    if likelihood.spec.self_masking:  # a factor analysis of the observed values would be biased
        return None
    X = X[:: -(-len(X) // _MOST_ROWS)]
    filled = filled_by_ranks(X)
    X = within_fences(X, like=filled)
    loc, scale = column_moments(within_fences(filled))
    standardized = (X - loc) / np.where(scale > 0, scale, 1)
    loadings, noise = factor_analysis(standardized, n_components)
    return PseudoRows(share, loc, scale[:, None] * loadings, scale * noise)


def factor_analysis(rows: np.ndarray, n_factors: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit a factor analysis to standardised rows, by expectation-maximisation from the PCA.

    The covariance is that of the rows and two further rows' worth of the identity, which keeps the
    noise of every column above zero (Rubin & Thayer, 1982, for the steps). Rows may have gaps.

    Returns
    -------
    loadings : ndarray of shape (n_features, n_factors)
    noise : ndarray of shape (n_features,)
        Standard deviations.
    """
    n_rows, n_features = rows.shape
    n_factors = min(n_factors, n_rows, n_features)
    filled = np.nan_to_num(rows)
    variances = (np.einsum("ij,ij->j", filled, filled) + _PRIOR_ROWS) / (n_rows + _PRIOR_ROWS)
    _, singular, directions = randomized_svd(
        filled, n_factors, power_iteration_normalizer="QR", random_state=0
    )
    loadings = directions.T * singular / np.sqrt(n_rows + _PRIOR_ROWS)
    noise = np.maximum(variances - (loadings**2).sum(axis=1), _SMALLEST_VARIANCE)
    incomplete = has_gaps(rows)
    step, n_steps = (_step_with_gaps, _N_STEPS_WITH_GAPS) if incomplete else (_step, _N_STEPS)
    for _ in range(n_steps):
        loadings, noise = step(rows, loadings, noise)
        noise = np.maximum(noise, _SMALLEST_VARIANCE)
    return loadings, np.sqrt(noise)


def _step(
    rows: np.ndarray, loadings: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings and noise variances after a step of expectation-maximisation."""
    total = len(rows) + _PRIOR_ROWS
    spread, regression = _posterior(loadings, noise)
    cross = (rows.T @ (rows @ regression) + _PRIOR_ROWS * regression) / total
    variances = (np.einsum("ij,ij->j", rows, rows) + _PRIOR_ROWS) / total
    loadings = np.linalg.solve(spread + regression.T @ cross, cross.T).T
    return loadings, variances - (loadings * cross).sum(axis=1)


def _step_with_gaps(
    rows: np.ndarray, loadings: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return loadings and noise variances after a step in which only observed values take part.

    Every column has a regression on the factors of its own, over the rows in which it is observed.
    """
    observed = ~np.isnan(rows)
    x, n_factors = np.where(observed, rows, 0.0), loadings.shape[1]
    weighted = loadings / noise[:, None]
    squares = np.einsum("jk,jl->jkl", loadings, weighted).reshape(len(noise), -1)
    precisions = (observed @ squares).reshape(-1, n_factors, n_factors) + np.eye(n_factors)
    spreads = np.linalg.inv(precisions)  # (n_rows, n_factors, n_factors)
    means = np.einsum("ikl,il->ik", spreads, x @ weighted)
    moments = spreads + means[:, :, None] * means[:, None]
    spread, regression = _posterior(loadings, noise)
    of_prior = spread + regression.T @ regression
    gram = (observed.T @ moments.reshape(len(x), -1)).reshape(-1, n_factors, n_factors)
    gram += _PRIOR_ROWS * of_prior
    cross = x.T @ means + _PRIOR_ROWS * regression
    loadings = np.linalg.solve(gram, cross[..., None])[..., 0]
    squares = np.einsum("ij,ij->j", x, x) + _PRIOR_ROWS - (loadings * cross).sum(axis=1)
    return loadings, squares / (observed.sum(axis=0) + _PRIOR_ROWS)


def _posterior(loadings: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Cov(z|x) and the matrix that maps a complete row x to E[z|x]."""
    weighted = loadings / noise[:, None]
    spread = np.linalg.inv(np.eye(loadings.shape[1]) + loadings.T @ weighted)
    return spread, weighted @ spread
