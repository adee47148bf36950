"""Bits per dimension, the unit in which papers on images report log-likelihoods."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skvae._validation import check_count


def bits_per_dim(log_likelihood, n_features, *, step=1.0):
    """Convert log-likelihoods to bits per dimension; lower is better.

    A value recorded in steps of `step` represents an interval of that width. Its probability is
    approximately the density times the width, which determines the length of its code in bits.

    Parameters
    ----------
    log_likelihood : float or array-like
        Log-likelihoods of a density in the units of X, in nats per row: the results of
        :func:`~skvae.metrics.log_likelihood` or of `score_samples`, or their mean.
    n_features : int
        Number of features per row.
    step : float, default=1.0
        Difference between neighbouring values of X: 1 for bytes, 1/255 for bytes divided by 255.
        Keep 1 for a probability mass, such as a Bernoulli likelihood of binary data.

    Returns
    -------
    bits : float or ndarray
        Bits per feature, in the shape of `log_likelihood`.

    Raises
    ------
    ValueError
        If a log-likelihood is NaN, if `n_features` is not a positive integer, or if `step` is not a
        positive number.

    See Also
    --------
    skvae.metrics.log_likelihood : Estimate log-likelihoods, with a standard error.

    Notes
    -----
    ``bits = -log_likelihood / (n_features * log(2)) - log2(step)``.

    A density that concentrates on the recorded values can give fewer bits than any code needs. If
    noise uniform over one step was added to the rows, in training and in testing, the result is an
    upper bound on the length of a code and can be compared between models [1]_.

    References
    ----------
    .. [1] Theis, van den Oord & Bethge (2016), "A note on the evaluation of generative models",
       section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import bits_per_dim
    >>> bits_per_dim(-784 * np.log(256), 784)  # uniform over bytes
    8.0
    """
    check_count("n_features", n_features)
    if not (isinstance(step, Real) and 0 < step < np.inf):
        raise ValueError(f"'step' must be a positive number, got {step!r}.")
    nats = np.asarray(log_likelihood, dtype=np.float64)
    if np.isnan(nats).any():
        raise ValueError("'log_likelihood' contains NaN. Remove the rows that have no score.")
    bits = -nats / (n_features * np.log(2)) - np.log2(step)
    return bits if bits.ndim else float(bits)
