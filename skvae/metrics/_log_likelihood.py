"""The log-likelihood of a set of rows, estimated well enough to be reported, with its error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skvae import _inference
from skvae._random import draw_seed, make_generator
from skvae._validation import check_count


class LogLikelihood(NamedTuple):
    """In nats per row, of a density in the units of X."""

    mean: float
    standard_error: float
    per_row: np.ndarray


def log_likelihood(estimator, X, *, n_samples=1000, random_state=None):
    """Estimate the log-likelihood of rows, with noise drawn afresh for each.

    `score_samples` gives all rows the same few draws: fit for ranking rows and choosing models, but
    their means share the luck of those draws. Here it averages out over the rows, and more draws
    bring the estimate closer to log p(x), from below.

    Parameters
    ----------
    estimator : VAETransformer or VAEAnomalyDetector
        Fitted.
    X : array-like of shape (n_samples, n_features)
        Rows in the units of the training data; rows held out from it, for a figure to report.
    n_samples : int, default=1000
        Draws from q(z|x) per row. Time grows in proportion to it, memory hardly does.
    random_state : int, RandomState instance or None, default=None
        Decides the draws; None takes others at every call.

    Returns
    -------
    mean : float
        Mean over the rows, in nats, of the density of X in its own units.
    standard_error : float
        Of the mean, from the spread of the rows and of their draws; NaN for a single row.
    per_row : ndarray of shape (n_samples,), float64
        The estimate for every row. The three come as a named tuple.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `n_samples` is no positive integer, or the estimator no variational autoencoder (a
        Pipeline is none).

    See Also
    --------
    skvae.VAETransformer.score_samples : The same bound by fixed draws, a function of the row alone.
    skvae.metrics.bits_per_dim : The result on another scale.

    Notes
    -----
    Equation 8 of [1]_, for every row with draws ``z_1, ..., z_k`` of its own from q(z|x)::

        log((p(x|z_1) p(z_1) / q(z_1|x) + ... + p(x|z_k) p(z_k) / q(z_k|x)) / k)

    Its expectation is a lower bound on log p(x) that rises with k. The standard error knows nothing
    of that gap: compare two `n_samples` to see it. For one sample the expectation is the ELBO.

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
    >>> result = log_likelihood(vae, X, random_state=0)
    >>> result.mean > vae.score(X)  # of 16 draws
    True
    """
    check_vae(estimator)
    check_count("n_samples", n_samples)
    rows = estimator._check_rows(X)
    generator = make_generator(draw_seed(random_state), estimator.device_)
    per_row = _inference.log_likelihood(estimator.module_, rows, n_samples, generator)
    return LogLikelihood(float(per_row.mean()), standard_error(per_row), per_row)


def standard_error(values: np.ndarray) -> float:
    """Return the standard error of the mean of values; NaN for one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def check_vae(estimator) -> None:
    """Refuse what has no posterior, and say how to take a pipeline apart."""
    if hasattr(estimator, "posterior"):
        return
    remedy = (
        "Pass its last step, and the rows as the steps before it transform them: pipeline[-1] and "
        "pipeline[:-1].transform(X)."
        if hasattr(estimator, "steps")
        else "Pass a fitted VAETransformer or VAEAnomalyDetector."
    )
    raise ValueError(f"{type(estimator).__name__} has no method 'posterior'. {remedy}")
