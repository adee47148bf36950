"""Number of latent dimensions in use."""

from __future__ import annotations

from numbers import Real

import numpy as np

from skvae.metrics._log_likelihood import check_vae


def active_units(estimator, X, *, threshold=0.01):
    """Count the latent dimensions that a model uses.

    In a dimension that the model uses, the mean of q(z|x) varies with x; in an unused one it stays
    at the mean of the prior.

    Parameters
    ----------
    estimator : VAETransformer or VAEAnomalyDetector
        Fitted estimator, or any object whose `posterior` returns means and standard deviations.
    X : array-like of shape (n_samples, n_features)
        At least two rows in the units of the training data.
    threshold : float, default=0.01
        Variance of the posterior mean over X above which a dimension is active, in squared units
        of the prior. After enough training the variances lie far above or far below it [1]_.

    Returns
    -------
    n_active : int
        Number of active dimensions, from 0 to the number of latent dimensions.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If the estimator has no `posterior` (a Pipeline has none), if X has fewer than two rows, or
        if `threshold` is negative.

    Notes
    -----
    Dimension u is active if ``Var_x(E_q(u|x)[u]) > threshold``.

    References
    ----------
    .. [1] Burda et al. (2016), "Importance Weighted Autoencoders", section 5.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAETransformer
    >>> from skvae.metrics import active_units
    >>> from skvae.networks import MLP
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 10))  # rows of two factors
    >>> X += 0.3 * rng.normal(size=X.shape)
    >>> vae = VAETransformer(
    ...     8, network=MLP(hidden_layer_sizes=()), learning_rate=0.03, max_epochs=60, random_state=0
    ... )
    >>> active_units(vae.fit(X), X)
    2
    """
    check_vae(estimator)
    if not (isinstance(threshold, Real) and threshold >= 0):
        raise ValueError(f"'threshold' must be a number of at least 0, got {threshold!r}.")
    mean, _ = estimator.posterior(X)
    if len(mean) < 2:
        raise ValueError("The variance over X requires at least two rows, got 1. Pass more rows.")
    return int(np.count_nonzero(np.var(mean, axis=0, dtype=np.float64) > threshold))
