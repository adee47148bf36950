"""Estimates of the log-likelihood for reports, with their standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skvae._model import inference
from skvae._random import draw_seed, make_generator
from skvae._validation import check_count


class LogLikelihood(NamedTuple):
    """Estimates in nats per row, of a density in the units of X."""

    mean: float
    standard_error: float
    per_row: np.ndarray


def log_likelihood(estimator, X, *, n_samples=1000, random_state=None):
    """Estimate the log-likelihood of rows, from independent draws for each row.

    `score_samples` uses the same few draws for all rows. This suits ranking rows and choosing
    models, but the error of these draws remains in the mean. Here it averages out over the rows,
    and with more draws the estimate approaches log p(x) from below.

    Parameters
    ----------
    estimator : VAETransformer or VAEAnomalyDetector
        Fitted estimator.
    X : array-like of shape (n_samples, n_features)
        Rows in the units of the training data; for a value to report, held-out rows.
    n_samples : int, default=1000
        Number of draws from q(z|x) per row. Time is proportional to it; memory hardly grows.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws; None gives different draws in every call.

    Returns
    -------
    mean : float
        Mean over the rows of the log-likelihood, in nats, of a density in the units of X.
    standard_error : float
        Standard error of the mean, from the spread over rows and draws; NaN for a single row.
    per_row : ndarray of shape (n_samples,), float64
        Estimate for each row. The three are returned as a named tuple.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `n_samples` is not a positive integer, or if the estimator is not a variational
        autoencoder (a Pipeline is not one).

    See Also
    --------
    skvae.VAETransformer.score_samples : The same bound from draws shared by all rows.
    skvae.metrics.bits_per_dim : Convert the result to bits per dimension.

    Notes
    -----
    Equation 8 of [1]_, with independent draws ``z_1, ..., z_k`` from q(z|x) for each row::

        log((p(x|z_1) p(z_1) / q(z_1|x) + ... + p(x|z_k) p(z_k) / q(z_k|x)) / k)

    Its expectation is a lower bound on log p(x) that rises with k. The standard error does not
    include that gap: compare two values of `n_samples` to see it. For one draw the expectation is
    the ELBO.

    References
    ----------
    .. [1] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.metrics import log_likelihood
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> result = log_likelihood(vae, X, n_samples=100, random_state=0)
    >>> abs(result.mean - vae.score(X)) < 0.1  # the latter from 16 draws per row
    True
    """
    check_vae(estimator)
    check_count("n_samples", n_samples)
    rows = estimator._check_rows(X)
    generator = make_generator(draw_seed(random_state), estimator.device_)
    per_row = inference.log_likelihood(estimator.module_, rows, n_samples, generator)
    return LogLikelihood(float(per_row.mean()), standard_error(per_row), per_row)


def standard_error(values: np.ndarray) -> float:
    """Return the standard error of the mean of `values`; NaN for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def check_vae(estimator) -> None:
    """Raise a ValueError if `estimator` has no `posterior`, with a remedy for pipelines."""
    if hasattr(estimator, "posterior"):
        return
    remedy = (
        "Pass its last step, and the rows as the steps before it transform them: pipeline[-1] and "
        "pipeline[:-1].transform(X)."
        if hasattr(estimator, "steps")
        else "Pass a fitted VAETransformer or VAEAnomalyDetector."
    )
    raise ValueError(f"{type(estimator).__name__} has no method 'posterior'. {remedy}")
