"""Agreement of two tables in their columns and pairs of columns, and associations within one.

Tables are float arrays: numbers as they are, levels as codes from 0, missing values as NaN.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

_ROUNDING = 1e-24  # variance of equal values of a standardised column
_N_BINS = 10  # of a number beside a level, over the range of the real table


def column_shapes(real: np.ndarray, synthetic: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return the agreement of each column's observed values, from 0 to 1: (n_features,)."""
    return np.array(
        [
            _shape(*(column[~np.isnan(column)] for column in columns), of_levels=of_levels)
            for *columns, of_levels in zip(real.T, synthetic.T, is_level, strict=True)
        ]
    )


def pair_trends(real: np.ndarray, synthetic: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return the agreement of each pair of columns, from 0 to 1: symmetric, with a unit diagonal.

    Two numbers are compared by their correlations, all other pairs by their contingency tables.
    """
    trends = 1 - np.abs(_correlations(real) - _correlations(synthetic)) / 2
    coded = [discretized(X, like=real, is_level=is_level) for X in (real, synthetic)]
    n_codes = np.maximum(*(codes.max(axis=0) for codes in coded)) + 1
    for i, j in _pairs_with_levels(is_level):
        p, q = (_joint_shares(codes[:, [i, j]], n_codes[[i, j]]) for codes in coded)
        trends[i, j] = trends[j, i] = 1 - np.abs(p - q).sum() / 2
    np.fill_diagonal(trends, 1.0)
    return trends


def associations(X: np.ndarray, *, like: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair of numbers, and Cramér's V of all other pairs.

    Numbers beside levels are binned over the range of the table `like`.
    """
    found = _correlations(X)
    codes = discretized(X, like=like, is_level=is_level)
    n_codes = codes.max(axis=0) + 1
    for i, j in _pairs_with_levels(is_level):
        found[i, j] = found[j, i] = _cramers_v(_joint_shares(codes[:, [i, j]], n_codes[[i, j]]))
    np.fill_diagonal(found, 1.0)
    return found


def discretized(X: np.ndarray, *, like: np.ndarray, is_level: np.ndarray) -> np.ndarray:
    """Return levels and bins of numbers as integers from 1, missing values as 0.

    The bins of a number have equal widths over the range of the table `like`, and the outermost
    include what lies beyond.
    """
    codes = np.empty(X.shape, dtype=np.intp)
    for column, of_levels in enumerate(is_level):
        values = np.nan_to_num(X[:, column], nan=-1.0)
        if not of_levels:
            values = np.searchsorted(_inner_edges(like[:, column]), values, side="right")
        codes[:, column] = np.where(np.isnan(X[:, column]), 0, values + 1)
    return codes


def _inner_edges(values: np.ndarray) -> np.ndarray:
    observed = values[~np.isnan(values)]
    if not len(observed):
        return observed
    return np.linspace(observed.min(), observed.max(), _N_BINS + 1)[1:-1]


def _shape(a: np.ndarray, b: np.ndarray, of_levels: bool) -> float:
    if not (len(a) and len(b)):
        return float(len(a) == len(b))
    return 1 - (_total_variation(a, b) if of_levels else _kolmogorov_smirnov(a, b))


def _total_variation(a: np.ndarray, b: np.ndarray) -> float:
    n_levels = int(max(a.max(), b.max())) + 1
    p, q = (np.bincount(x.astype(np.intp), minlength=n_levels) / len(x) for x in (a, b))
    return float(np.abs(p - q).sum() / 2)


def _kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference between the two distribution functions."""
    values = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _correlations(X: np.ndarray) -> np.ndarray:
    """Return Pearson's correlations over the rows that are complete in both columns.

    A column without spread in these rows has a correlation of 0.
    """
    observed = ~np.isnan(X)
    Z = np.where(observed, _standardized(X), 0.0)
    return np.array([_correlations_with(column, Z, observed) for column in range(X.shape[1])])


def _correlations_with(column: int, Z: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the correlations of one column with all, each centred over the rows of the pair.

    Differences of sums of squares would lose the spread of rows that are close to one another.
    """
    rows = observed[:, column]
    pairs, others = observed[rows], Z[rows]
    own = np.where(pairs, Z[rows, column][:, None], 0.0)
    n_rows = np.maximum(pairs.sum(axis=0), 1)
    own = np.where(pairs, own - own.sum(axis=0) / n_rows, 0.0)
    others = np.where(pairs, others - others.sum(axis=0) / n_rows, 0.0)
    squares = [np.square(part).sum(axis=0) for part in (own, others)]
    varies = np.minimum(*squares) > _ROUNDING * n_rows
    scale = np.sqrt(squares[0] * squares[1])
    products = (own * others).sum(axis=0)
    return np.divide(products, scale, out=np.zeros_like(scale), where=varies).clip(-1, 1)


def _standardized(X: np.ndarray) -> np.ndarray:
    """Return each column centred and divided by its spread, so that no square loses digits."""
    largest = np.nanmax(np.abs(X), axis=0, initial=0.0)
    Z = X / np.where(largest > 0, largest, 1.0)
    n_observed = np.maximum((~np.isnan(Z)).sum(axis=0), 1)
    Z = Z - np.nansum(Z, axis=0) / n_observed
    std = np.sqrt(np.nansum(np.square(Z), axis=0) / n_observed)
    return Z / np.where(std > 1e-12, std, 1.0)


def _pairs_with_levels(is_level: np.ndarray) -> list[tuple[int, int]]:
    return [(i, j) for i, j in combinations(range(len(is_level)), 2) if is_level[i] or is_level[j]]


def _joint_shares(codes: np.ndarray, n_codes: np.ndarray) -> np.ndarray:
    """Return the contingency table of two columns of codes, as shares of the rows."""
    counts = np.bincount(codes[:, 0] * n_codes[1] + codes[:, 1], minlength=n_codes.prod())
    return counts.reshape(n_codes) / len(codes)


def _cramers_v(shares: np.ndarray) -> float:
    """Return Cramér's V of a contingency table; 0 if a column has a single value."""
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    occurs = expected > 0
    chi_square = (np.square(shares - expected)[occurs] / expected[occurs]).sum()  # per row
    smaller = min(np.count_nonzero(shares.sum(axis=axis)) for axis in (0, 1))
    return float(np.sqrt(chi_square / (smaller - 1))) if smaller > 1 else 0.0
