"""Bits per dimension: log-likelihoods on the scale that papers on images compare."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skvae._validation import check_count


def bits_per_dim(log_likelihood, n_features, *, step=1.0):
    """Turn log-likelihoods into bits per dimension; lower is better.

    A value recorded in steps of `step` stands for an interval of that width, whose probability is
    about the density times the width. Its code takes that many bits.

    Parameters
    ----------
    log_likelihood : float or array-like
        In nats per row, of a density in the units of X: of :func:`~skvae.metrics.log_likelihood` or
        `score_samples`, of single rows or a mean.
    n_features : int
        Features per row.
    step : float, default=1.0
        Between neighbouring values of X, in the units of X: 1 for bytes, 1/255 for bytes divided by
        255. Keep 1 for a probability mass, such as a Bernoulli likelihood of binary data.

    Returns
    -------
    bits : float or ndarray
        Bits per feature, in the shape of `log_likelihood`.

    Raises
    ------
    ValueError
        If a log-likelihood is NaN, `n_features` no positive integer or `step` no positive number.

    See Also
    --------
    skvae.metrics.log_likelihood : An estimate to convert, with its error.

    Notes
    -----
    ``bits = -log_likelihood / (n_features * log(2)) - log2(step)``.

    A density may pile up on the recorded values and promise fewer bits than any code needs. The
    figure is an upper bound on the length of a code, and comparable between models, where noise
    uniform over one step was added to the rows, in training and in testing [1]_.

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
        raise ValueError("'log_likelihood' contains NaN. Drop the rows that have no score.")
    bits = -nats / (n_features * np.log(2)) - np.log2(step)
    return bits if bits.ndim else float(bits)
