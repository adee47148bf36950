"""The distance of the likelihood of a row from its mean over the training rows."""

from __future__ import annotations

import torch

from skvae._model import inference as _inference
from skvae.scores._model_score import ModelScore


class Typicality(ModelScore):
    """Minus the distance of the log-likelihood from its mean over the training rows, in nats.

    In many dimensions, the most likely rows are not typical: the log-likelihood of almost all draws
    from a distribution is close to its mean, and rows of low complexity, such as a blank image, can
    lie far above it. This is the typicality test [1]_ for a batch of one row.

    Parameters
    ----------
    quantity : {"log_likelihood", "elbo", "reconstruction", "kl"}, default="log_likelihood"
        The quantity that is compared with its mean, as in :class:`ModelScore`.

    References
    ----------
    .. [1] Nalisnick et al. (2019), "Detecting Out-of-Distribution Inputs to Deep Generative Models
       Using Typicality", equation 5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score="typicality", max_epochs=2, random_state=0
    ... ).fit(X)
    >>> bool(detector.score_samples(X).max() <= 0)
    True
    """

    def build(self, module, X, n_samples):
        scores = _inference.score(module, X, self.quantity, n_samples)
        return {"mean": torch.tensor(scores.mean())}

    def __call__(self, module, x, known, n_samples):
        return -(super().__call__(module, x, known, n_samples) - known["mean"]).abs()

    def shapes(self, sizes):
        return {"mean": ()}
