"""How much of a latent space is in use."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skvae.metrics._log_likelihood import check_vae


def active_units(estimator, X, *, threshold=0.01):
    """Count the latent dimensions that tell rows apart.

    The mean of q(z|x) moves with x in a dimension that the model uses, and stays at the mean of the
    prior in one that it left unused.

    Parameters
    ----------
    estimator : VAETransformer or VAEAnomalyDetector
        Fitted; any object whose `posterior` returns means and standard deviations will do.
    X : array-like of shape (n_samples, n_features)
        At least two rows in the units of the training data.
    threshold : float, default=0.01
        Variance of the posterior mean over X above which a dimension is active, in the units of the
        prior, squared. After enough training the variances lie far to either side of it [1]_.

    Returns
    -------
    n_active : int
        From 0 to the number of latent dimensions.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If the estimator has no posterior (a Pipeline has none), X fewer than two rows, or if
        `threshold` is negative.

    Notes
    -----
    Dimension u is active where ``Var_x(E_q(u|x)[u]) > threshold``.

    References
    ----------
    .. [1] Burda et al. (2016), "Importance Weighted Autoencoders", section 5.2.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAETransformer
    >>> from skvae.metrics import active_units
    >>> from skvae.networks import MLP
    >>> X, _ = load_iris(return_X_y=True)
    >>> linear = MLP(hidden_layer_sizes=())
    >>> vae = VAETransformer(4, network=linear, learning_rate=0.01, random_state=0).fit(X)
    >>> active_units(vae, X)
    2
    """
    check_vae(estimator)
    if not (isinstance(threshold, Real) and threshold >= 0):
        raise ValueError(f"'threshold' must be a number of at least 0, got {threshold!r}.")
    mean, _ = estimator.posterior(X)
    if len(mean) < 2:
        raise ValueError("The variance over X takes at least two rows, got 1.")
    return int(np.count_nonzero(np.var(mean, axis=0, dtype=np.float64) > threshold))
