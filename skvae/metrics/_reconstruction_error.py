"""Errors of reconstructions by any model."""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy
from sklearn.utils import check_array

_CLIP = 1e-7


def reconstruction_error(X, X_reconstructed, *, metric="rmse", per_sample=False):
    """Return the error of reconstructions; lower is better.

    The reconstructions are an array, from any model: `reconstruct(X)` of a variational autoencoder,
    or `inverse_transform(transform(X))` of :class:`~sklearn.decomposition.PCA`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Original rows.
    X_reconstructed : array-like of shape (n_samples, n_features)
        Reconstructions of the rows of X, in the same order.
    metric : {"rmse", "mae", "cross_entropy"}, default="rmse"
        "rmse": root mean squared error. "mae": mean absolute error. "cross_entropy": binary
        cross-entropy, with reconstructions as probabilities; both arrays must lie in [0, 1].
    per_sample : bool, default=False
        Whether to return one number per row instead of one for all rows.

    Returns
    -------
    error : float or ndarray of shape (n_samples,)
        "rmse" and "mae": in the units of X, over the features of a row or over all values.
        "cross_entropy": in nats per row, the sum over its features, or the mean of these sums.

    Raises
    ------
    ValueError
        If the arrays differ in shape, hold NaN or infinity, or lie outside [0, 1] for
        "cross_entropy", or if `metric` is not one of the three.

    Notes
    -----
    With originals x, reconstructions r and D features::

        rmse = sqrt(mean((x - r)^2))        mae = mean(|x - r|)
        cross_entropy = -sum_{j=1}^{D} x_j log r_j + (1 - x_j) log(1 - r_j)

    For "cross_entropy", reconstructions are clipped to [1e-7, 1 - 1e-7], so that a pixel that is
    certain and wrong costs 16.1 nats instead of infinitely many. The "rmse" of all values is the
    root of the mean of the squares, which is not the mean of the "rmse" of the rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from skvae.metrics import reconstruction_error
    >>> X, _ = load_iris(return_X_y=True)
    >>> pca = PCA(2).fit(X)
    >>> round(reconstruction_error(X, pca.inverse_transform(pca.transform(X))), 2)  # in cm
    0.16
    """
    if metric not in _ERRORS:
        raise ValueError(f"'metric' must be one of {sorted(_ERRORS)}, got {metric!r}.")
    X = check_array(X, dtype=np.float64, input_name="X")
    R = check_array(X_reconstructed, dtype=np.float64, input_name="X_reconstructed")
    if X.shape != R.shape:
        raise ValueError(
            f"X has shape {X.shape} and X_reconstructed {R.shape}. Pass one "
            "reconstruction per row of X."
        )
    error = _ERRORS[metric](X, R, 1 if per_sample else None)
    return error if per_sample else float(error)


def _rmse(X, R, axis):
    return np.sqrt(np.square(X - R).mean(axis))


def _mae(X, R, axis):
    return np.abs(X - R).mean(axis)


def _cross_entropy(X, R, axis):
    _check_unit_interval("X", X, "X / X.max()")
    _check_unit_interval("X_reconstructed", R, "np.clip(X_reconstructed, 0, 1)")
    R = np.clip(R, _CLIP, 1 - _CLIP)
    nats = -(xlogy(X, R) + xlogy(1 - X, 1 - R)).sum(axis=1)  # (n_samples,)
    return nats if axis else nats.mean()


_ERRORS = {"rmse": _rmse, "mae": _mae, "cross_entropy": _cross_entropy}


def _check_unit_interval(name: str, values: np.ndarray, remedy: str) -> None:
    if values.min() < 0 or values.max() > 1:
        raise ValueError(
            f"metric='cross_entropy' requires values in [0, 1], but {name} ranges from "
            f"{values.min():g} to {values.max():g}. Pass, for example, {remedy}, or choose "
            "metric='rmse'."
        )
