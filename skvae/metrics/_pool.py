"""Rubin's rules: one estimate, with its uncertainty, from several imputed tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.utils import check_array, check_scalar


@dataclass(frozen=True)
class PooledEstimate:
    """Result of `pool`, whose docstring describes the attributes."""

    estimate: Any
    standard_error: Any
    interval: tuple[Any, Any]
    df: Any
    missing_information: Any
    within_variance: Any
    between_variance: Any
    total_variance: Any


def pool(estimates, variances, *, df_complete=None, level=0.95):
    """Combine estimates from several imputed tables by Rubin's rules.

    An estimate from a single filled table has too small a standard error, as if the filled values
    had been observed. Their uncertainty shows in the spread of the estimates over several tables,
    which are filled with different draws.

    Parameters
    ----------
    estimates : array-like of shape (n_draws, ...)
        Estimates from at least two imputed tables: numbers, or arrays of any shape, such as the
        coefficients of a regression.
    variances : array-like of shape (n_draws, ...)
        Their squared standard errors.
    df_complete : float or array-like, default=None
        Degrees of freedom that the estimates would have if nothing were missing, such as the number
        of rows minus that of coefficients; one for all, or one for each. None stands for a large
        sample, and gives intervals for small ones that are too short.
    level : float, default=0.95
        Confidence level of the interval, in (0, 1).

    Returns
    -------
    pooled : PooledEstimate
        A record with the attributes below, which are numbers or arrays as an estimate is.

        estimate : float or ndarray
            Mean of the estimates.
        standard_error : float or ndarray
            Square root of the total variance.
        interval : (low, high)
            Confidence interval: two numbers or arrays.
        df : float or ndarray
            Degrees of freedom of Student's t distribution behind the interval.
        missing_information : float or ndarray
            Fraction of missing information, from 0 (nothing that matters is missing) to 1.
        within_variance : float or ndarray
            Mean of the variances.
        between_variance : float or ndarray
            Variance of the estimates.
        total_variance : float or ndarray
            Variance of the pooled estimate.

    Raises
    ------
    ValueError
        If estimates and variances differ in shape, are fewer than two or not finite, or if a
        variance is negative, `df_complete` is not positive, or `level` is not in (0, 1).

    See Also
    --------
    skvae.VAEImputer.impute : Draws the tables.

    Notes
    -----
    For m tables, the total variance is ``within + (1 + 1/m) between``, and
    ``share = (1 + 1/m) between / total`` of it is due to missing values. Rubin's degrees of freedom
    are ``rubin = (m - 1) / share**2`` [1]_. If `df_complete` is given, those of Barnard & Rubin
    [2]_ take their place, ``1 / (1 / rubin + 1 / observed)``, where ``observed`` is
    ``(1 - share) df_complete (df_complete + 1) / (df_complete + 3)``. The fraction of missing
    information is ``share + (1 - share) 2 / (rubin + 3)``, equation 3.1.10 of [1]_.

    References
    ----------
    .. [1] Rubin (1987), "Multiple Imputation for Nonresponse in Surveys", section 3.1.
    .. [2] Barnard & Rubin (1999), "Small-Sample Degrees of Freedom with Multiple Imputation".

    Examples
    --------
    The mean length of petals, a third of which is missing:

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEImputer
    >>> from skvae.metrics import pool
    >>> X = load_iris().data
    >>> X[::3, 2] = np.nan
    >>> imputer = VAEImputer(max_epochs=20, random_state=0).fit(X)
    >>> tables = imputer.impute(X, n_draws=20, random_state=0)
    >>> petals = tables[:, :, 2]
    >>> variances = petals.var(axis=1, ddof=1) / len(X)
    >>> pooled = pool(petals.mean(axis=1), variances, df_complete=len(X) - 1)
    >>> low, high = pooled.interval
    >>> bool(low < load_iris().data[:, 2].mean() < high)
    True
    """
    Q, U = _check_pair(estimates, variances)
    df_complete = _check_df(df_complete, Q.shape[1:])
    check_scalar(level, "level", (float, int), min_val=0, max_val=1, include_boundaries="neither")
    within, between = U.mean(axis=0), Q.var(axis=0, ddof=1)
    due_to_gaps = (1 + 1 / len(Q)) * between
    total = within + due_to_gaps
    share = np.divide(due_to_gaps, total, out=np.zeros_like(total), where=total > 0)
    rubin = _reciprocal(share**2 / (len(Q) - 1))
    observed = df_complete / (1 + 2 / (df_complete + 1)) * (1 - share)
    df = _reciprocal(1 / rubin + _reciprocal(observed))
    error = np.sqrt(total)
    width = error * np.where(df > 0, stats.t.ppf((1 + level) / 2, df), np.inf)
    center = Q.mean(axis=0)
    return PooledEstimate(
        estimate=_plain(center),
        standard_error=_plain(error),
        interval=(_plain(center - width), _plain(center + width)),
        df=_plain(df),
        missing_information=_plain(share + (1 - share) * 2 / (rubin + 3)),
        within_variance=_plain(within),
        between_variance=_plain(between),
        total_variance=_plain(total),
    )


def _check_pair(estimates: Any, variances: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates and variances as arrays of the same shape."""
    Q, U = (
        check_array(values, dtype=np.float64, ensure_2d=False, allow_nd=True, input_name=name)
        for name, values in (("estimates", estimates), ("variances", variances))
    )
    if Q.shape != U.shape:
        raise ValueError(
            f"'estimates' has the shape {Q.shape}, but 'variances' {U.shape}. Pass one variance, "
            "a squared standard error, for each estimate."
        )
    if len(Q) < 2:
        raise ValueError(
            f"'estimates' comes from {len(Q)} table, but at least 2 are required. Fill the gaps "
            "several times, as by impute(X, n_draws=20)."
        )
    if (U < 0).any():
        raise ValueError(f"'variances' must not be negative, got {U.min():g}.")
    return Q, U


def _check_df(df_complete: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the degrees of freedom of each estimate; None as infinite ones."""
    df = np.asarray(np.inf if df_complete is None else df_complete, dtype=np.float64)
    if not (df > 0).all():
        raise ValueError(f"'df_complete' must be positive, got {df_complete!r}.")
    return np.broadcast_to(df, shape)


def _reciprocal(x: np.ndarray) -> np.ndarray:
    return np.divide(1.0, x, out=np.full_like(x, np.inf), where=x > 0)


def _plain(x: np.ndarray) -> Any:
    """Return an array of no dimension as a number."""
    return x if np.ndim(x) else float(x)
