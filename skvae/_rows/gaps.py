"""Missing values in arrays: where they are, and stand-ins that keep the marginals of the columns."""

from __future__ import annotations

import numpy as np


def has_gaps(X: np.ndarray) -> bool:
    """Return whether a value is missing, which is NaN."""
    return bool(np.isnan(X).any())


def filled_by_ranks(X: np.ndarray) -> np.ndarray:
    """Return rows in which missing values are replaced by observed values of their columns.

    The stand-ins of a column are evenly spaced quantiles of its observed values, so that moments,
    quantiles, frequencies and range stay what they are. A row whose observed values rank higher
    gets higher stand-ins, which keeps neighbouring pixels and wavelengths alike. A column without
    observed values becomes zero.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)

    Returns
    -------
    X_filled : ndarray of shape (n_samples, n_features)
        X itself if no value is missing.

    Examples
    --------
    >>> nan = np.nan
    >>> filled_by_ranks(np.array([[1.0, 10.0], [2.0, nan], [3.0, 30.0], [4.0, nan]]))
    array([[ 1., 10.],
           [ 2., 10.],
           [ 3., 30.],
           [ 4., 30.]])
    """
    missing = np.isnan(X)
    if not missing.any():
        return X
    filled, level = X.copy(), _levels_of_rows(X, missing)
    for column in np.flatnonzero(missing.any(axis=0)):
        gaps = np.flatnonzero(missing[:, column])
        observed = np.sort(X[~missing[:, column], column])
        if len(observed) == 0:
            filled[:, column] = 0.0
            continue
        places = (np.arange(len(gaps)) + 0.5) * len(observed) / len(gaps)
        filled[gaps[level[gaps].argsort(kind="stable")], column] = observed[places.astype(int)]
    return filled


def _levels_of_rows(X: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the mean rank of the observed values of each row, in (0, 1); 1/2 if there are none."""
    total, n_observed = np.zeros(len(X)), (~missing).sum(axis=1)
    for column, gaps in zip(X.T, missing.T, strict=True):
        observed = np.flatnonzero(~gaps)
        if len(observed):
            order = np.argsort(column[observed], kind="stable")
            total[observed[order]] += (np.arange(len(observed)) + 0.5) / len(observed)
    return np.where(n_observed > 0, total / np.maximum(n_observed, 1), 0.5)
