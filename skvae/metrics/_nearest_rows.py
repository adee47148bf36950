"""Whether synthetic rows lie nearer to the rows that a model was trained on than to others."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from skvae.metrics._models_of_tables import random_rows

MOST_SYNTHETIC, MOST_REFERENCE = 5_000, 20_000  # rows
_CHUNK = 250  # rows whose distances are in memory at a time: 40 MB to the largest reference
_MISSING = 2.0  # beyond the ranks, which lie in [0, 1]


def nearer_share(
    real: np.ndarray,
    holdout: np.ndarray,
    synthetic: np.ndarray,
    is_level: np.ndarray,
    rng: np.random.Generator,
) -> float:
    """Return the share of synthetic rows that are nearer to a real row than to any held-out row.

    Ties count half. There are as many real as held-out rows, so that the share is 1/2 on average
    if the synthetic rows are independent of both.
    """
    n_rows = min(len(real), len(holdout), MOST_REFERENCE)
    references = [random_rows(X, n_rows, rng) for X in (real, holdout)]
    synthetic = random_rows(synthetic, MOST_SYNTHETIC, rng)
    pooled = np.concatenate(references)
    synthetic, *references = (_ranked(X, pooled, is_level) for X in (synthetic, *references))
    to_real, to_holdout = (_nearest(synthetic, X, is_level) for X in references)
    return float(np.mean(to_real < to_holdout) + np.mean(to_real == to_holdout) / 2)


def _ranked(X: np.ndarray, pooled: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Replace numbers by their ranks in the pooled table, from 0 to 1, and missing values."""
    ranked = np.nan_to_num(X, nan=_MISSING)
    ranked[:, is_level] = np.nan_to_num(X[:, is_level], nan=-1.0)
    for column in np.flatnonzero(~is_level):
        known = pooled[:, column]
        values, counts = np.unique(known[~np.isnan(known)], return_counts=True)
        if len(values):
            ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
            observed = ~np.isnan(X[:, column])
            ranked[observed, column] = np.interp(X[observed, column], values, ranks)
    return ranked


def _nearest(X: np.ndarray, reference: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return the distance of each row from the nearest row of the reference."""
    chunks = np.array_split(X, max(1, len(X) // _CHUNK))
    return np.concatenate([_distances(rows, reference, is_level).min(axis=1) for rows in chunks])


def _distances(a: np.ndarray, b: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return the sums of the differences of ranks and of the number of levels that differ."""
    distances = np.zeros((len(a), len(b)))
    if not is_level.all():
        distances += cdist(a[:, ~is_level], b[:, ~is_level], "cityblock")
    if is_level.any():
        distances += is_level.sum() * cdist(a[:, is_level], b[:, is_level], "hamming")
    return distances
