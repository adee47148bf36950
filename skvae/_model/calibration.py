"""Spread of imputed draws, corrected by observed values that training did not see."""

from __future__ import annotations

import numpy as np

from skvae._model import imputation
from skvae._model.module import VAEModule
from skvae._rows.arrays import evenly_spaced

_N_DRAWS = 50
_MOST_ROWS = 500
_FEWEST_VALUES = 20  # of a column, below which none is hidden
_PRIOR_VALUES = 20  # with the common width of all columns, that are added to the values of each
_MOST_DEVIATIONS = 8.0  # an outlier must not widen all draws
_LEAST_SPREAD = 1e-3  # of the common one of its column


def hidden_cells(X: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose observed values to be left out of training, (n_samples, n_features) of bool.

    The choice depends on the values of the row and on the seed alone: copies of a row have the same
    gaps, and the order of the rows does not matter. Every row keeps an observed value.
    """
    observed = ~np.isnan(X)
    chosen = observed & (_uniform(X, seed) < share)
    chosen[:, observed.sum(axis=0) < _FEWEST_VALUES] = False
    chosen[(observed & ~chosen).sum(axis=1) == 0] = False
    return chosen


def widths(
    module: VAEModule, X: np.ndarray, hidden: np.ndarray, n_samples: int, seed: int
) -> np.ndarray:
    """Return by how much deviations of draws from their mean are too small, (n_features,).

    The squared deviations of hidden values from the mean of their draws, in units of the variance
    of the draws, are 1 in the mean if the draws are calibrated. The factor of a column is the root
    of their mean, shrunk towards that of all columns, and at least 1.
    """
    n_features = X.shape[1]
    rows = np.flatnonzero(hidden.any(axis=1))
    if not len(rows):
        return np.ones(n_features)
    rows = rows[evenly_spaced(len(rows), _MOST_ROWS)]
    X, hidden = X[rows].astype(np.float64), hidden[rows]
    incomplete = np.where(hidden, np.nan, X)
    draws = imputation.drawn([module], incomplete, _N_DRAWS, n_samples, seed)
    spread = draws.std(axis=0)
    usual = np.where(hidden, spread, 0.0).sum(axis=0) / np.maximum(hidden.sum(axis=0), 1)
    spread = np.maximum(spread, np.maximum(_LEAST_SPREAD * usual, np.finfo(np.float64).tiny))
    with np.errstate(over="ignore"):
        deviations = np.where(hidden, (X - draws.mean(axis=0)) / spread, 0.0)
    squares = np.minimum(np.abs(deviations), _MOST_DEVIATIONS) ** 2
    common = squares.sum() / hidden.sum()
    total = squares.sum(axis=0) + _PRIOR_VALUES * common
    return np.sqrt(np.maximum(total / (hidden.sum(axis=0) + _PRIOR_VALUES), 1.0))


def _uniform(X: np.ndarray, seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each value by those of its row (after SplitMix64)."""
    bits = (np.where(np.isnan(X), np.nan, X) + 0.0).astype(np.float64).view(np.uint64)
    with np.errstate(over="ignore"):
        keys = _mixed(np.arange(X.shape[1], dtype=np.uint64) + (np.uint64(seed) << np.uint64(32)))
        rows = _mixed((_mixed(bits ^ keys)).sum(axis=1, dtype=np.uint64))
        cells = _mixed(rows[:, None] ^ ~keys)
    return (cells >> np.uint64(11)) * 2.0**-53


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Return 64-bit numbers with their bits mixed (Steele et al., 2014, MurmurHash3 variant 13)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
