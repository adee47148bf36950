"""Spread of imputed draws, corrected by observed values that training did not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._model import imputation
from skvae._model.module import VAEModule
from skvae._rows.arrays import evenly_spaced

_N_DRAWS = 50
_MOST_ROWS = 500
_FEWEST_VALUES = 20  # of a column, below which none is hidden
_PRIOR_VALUES = 20  # with the common factor of all columns, that are added to the values of each
_N_BISECTIONS = 30
_MOST_DEVIATIONS = 8.0  # an outlier must not widen all draws
_MOST_HIDDEN = 0.5  # of the observed values that are most like missing ones
_RIDGE = 5.0  # in rows, of the coefficients of the odds of gaps
_MOST_EXPLAINED = 0.5  # of the variance of gaps
_LARGEST_LOG_ODDS = 5.0
_LEAST_SPREAD = 1e-3  # of the common one of its column


def hidden_cells(X: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose observed values to be left out of training, (n_samples, n_features) of bool.

    The choice depends on the values of the row and on the seed alone: copies of a row have the same
    gaps, and the order of the rows does not matter. Values are more likely to be chosen in rows
    like those in which the column has gaps, so that the hidden values are as hard to fill as the
    missing ones. Every row keeps an observed value.
    """
    observed = ~np.isnan(X)
    chosen = observed & (_uniform(X, seed) < np.minimum(share * gap_odds(X), _MOST_HIDDEN))
    chosen[:, observed.sum(axis=0) < _FEWEST_VALUES] = False
    chosen[(observed & ~chosen).sum(axis=1) == 0] = False
    return chosen


def gap_odds(X: np.ndarray) -> np.ndarray:
    """Return the odds that a value is missing given the others of its row, (n_samples, n_features).

    They are relative to their mean over the observed values of the column. The logarithm is linear
    in the other columns, by linear discriminant analysis of rows with and without the value, in
    which missing values are replaced by means.
    """
    missing = np.isnan(X)
    share = missing.mean(axis=0)
    if not missing.any():
        return np.ones(X.shape)
    values = _standardized(X)
    inverse = np.linalg.inv(values.T @ values + _RIDGE * np.eye(X.shape[1]))
    slopes = inverse @ values.T @ (missing - share)
    slopes -= inverse * (np.diag(slopes) / np.diag(inverse))  # without the column itself
    probabilities = values @ slopes
    explained = np.minimum(
        np.square(probabilities).mean(axis=0), _MOST_EXPLAINED * share * (1 - share)
    )
    scale = np.maximum(share * (1 - share) - explained, np.finfo(np.float64).tiny)
    odds = np.exp(np.clip(probabilities / scale, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS))
    total = np.where(missing, 0.0, odds).sum(axis=0)
    return odds * (~missing).sum(axis=0) / np.maximum(total, np.finfo(np.float64).tiny)


def _standardized(X: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and variance 1 with zeros for missing values."""
    X = X.astype(np.float64)
    n_observed = np.maximum((~np.isnan(X)).sum(axis=0), 1)
    centred = np.nan_to_num(X - np.nansum(X, axis=0) / n_observed)
    scale = np.sqrt(np.square(centred).sum(axis=0) / n_observed)
    return centred / np.where(scale > 0, scale, 1.0)


def widths(
    modules: Sequence[VAEModule], X: np.ndarray, hidden: np.ndarray, n_samples: int, seed: int
) -> np.ndarray:
    """Return by how much deviations of draws from their mean are too small, (n_features,).

    The first module was trained without the hidden values. In units of the variance of its draws,
    let e be the squared deviation of a hidden value from their mean, and b the variance of the
    means of all modules. Averaging the modules takes b from the expected squared error (Krogh &
    Vedelsby, 1995), and mixing them adds b to the variance of the draws. The factor w of a column
    is therefore the one for which the mean of (e - b) / (w^2 + b) is 1, or 1 if that is smaller.
    Columns with few hidden values are shrunk towards the common factor of all.
    """
    rows = np.flatnonzero(hidden.any(axis=1))
    if not len(rows):
        return np.ones(X.shape[1])
    rows = rows[evenly_spaced(len(rows), _MOST_ROWS)]
    X, hidden = X[rows].astype(np.float64), hidden[rows]
    incomplete = np.where(hidden, np.nan, X)
    draws = imputation.drawn(modules[:1], incomplete, _N_DRAWS, n_samples, seed)
    means = [imputation.expected([module], incomplete, n_samples) for module in modules]
    spread = _spread(draws, hidden)
    with np.errstate(over="ignore"):
        deviations = np.minimum(np.abs(X - draws.mean(axis=0)) / spread, _MOST_DEVIATIONS)
        differences = np.minimum(np.std(means, axis=0) / spread, _MOST_DEVIATIONS)
    errors, between = deviations**2, differences**2
    ones = np.ones(int(hidden.sum()), dtype=bool)[:, None]
    common = _factors(errors[hidden][:, None], between[hidden][:, None], ones, 1.0, 0)
    return _factors(errors, between, hidden, common, _PRIOR_VALUES)


def _factors(
    errors: np.ndarray, between: np.ndarray, hidden: np.ndarray, prior: Any, n_prior: int
) -> np.ndarray:
    """Return the factor of each column, as if there were further values with the factor `prior`."""
    n_values = hidden.sum(axis=0) + n_prior
    low, high = np.ones(errors.shape[1]), np.full(errors.shape[1], _MOST_DEVIATIONS)
    for _ in range(_N_BISECTIONS):
        middle = (low + high) / 2
        ratios = np.where(hidden, (errors - between) / (middle**2 + between), 0.0)
        is_small = ratios.sum(axis=0) + n_prior * (prior / middle) ** 2 > n_values
        low, high = np.where(is_small, middle, low), np.where(is_small, high, middle)
    return low


def _spread(draws: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the standard deviations of the draws of each value, which are never zero."""
    spread = draws.std(axis=0)
    usual = np.where(hidden, spread, 0.0).sum(axis=0) / np.maximum(hidden.sum(axis=0), 1)
    return np.maximum(spread, np.maximum(_LEAST_SPREAD * usual, np.finfo(np.float64).tiny))


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
