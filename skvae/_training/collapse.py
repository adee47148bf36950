"""The warning that a model does not use its latent dimensions, although the features depend."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from skorch.history import History

_LEAST_KL = 1e-2  # nats per latent dimension
_LEAST_CORRELATION = 0.3  # independent features leave nothing to encode
_LEAST_Z = 5.0  # of the correlation, so that among thousands of pairs none passes by chance
_LEAST_STEPS = 250
_MOST_ROWS, _MOST_COLUMNS = 2000, 200


def warn_of_collapse(X: np.ndarray, history: History, n_components: int) -> None:
    """Warn if all dimensions have collapsed onto the prior and features are correlated.

    A few steps of training may not have left the prior yet, which is not a collapse.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    history : skorch.history.History
        With the KL divergence of the last epoch, unless the objective does not record it.
    n_components : int
        Number of latent dimensions.
    """
    n_steps = sum(epoch["train_batch_count"] for epoch in history)
    kl = history[-1].get("train_kl", np.inf)
    if n_steps < _LEAST_STEPS or kl >= _LEAST_KL * n_components or not features_depend(X):
        return
    warnings.warn(
        f"All {n_components} latent dimensions have collapsed onto the prior (KL divergence "
        f"{max(kl, 0.0):.2g} nats per row), so that embeddings are constant and sampled features "
        "independent, although features of X are correlated. Try objective=ELBO(warmup=...) with "
        "half of the epochs, ELBO(free_bits=0.1), more epochs, or the logarithm of columns with a "
        "heavy tail.",
        ConvergenceWarning,
        stacklevel=2,
    )


def features_depend(X: np.ndarray) -> bool:
    """Return whether the ranks of two features are correlated, on a sample of rows and columns."""
    rows = X[:: -(-len(X) // _MOST_ROWS), :: -(-X.shape[1] // _MOST_COLUMNS)]
    ranks = rows.argsort(axis=0, kind="stable").argsort(axis=0)[:, rows.min(0) < rows.max(0)]
    if ranks.shape[1] < 2:
        return False
    correlations = np.corrcoef(ranks, rowvar=False)
    largest = np.abs(np.triu(correlations, 1)).max()
    return bool(largest >= max(_LEAST_CORRELATION, _LEAST_Z / np.sqrt(len(rows))))
