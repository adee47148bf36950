"""Quantities of the model as scores: its likelihood and the parts of its evidence lower bound."""

from __future__ import annotations

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._validation import StrOptions


class ModelScore(Score):
    """A quantity of the model itself, in nats, estimated with draws that all rows share.

    Parameters
    ----------
    quantity : {"log_likelihood", "elbo", "reconstruction", "kl"}, default="log_likelihood"
        "log_likelihood": the importance-weighted bound on log p(x) [1]_. "elbo": the evidence lower
        bound, the sum of the next two. "reconstruction": the expected log p(x|z) under q(z|x).
        "kl": minus the KL divergence of q(z|x) from the prior. Each of these is also the short
        name of a score.

    References
    ----------
    .. [1] Burda et al. (2016), "Importance Weighted Autoencoders", equation 8.

    Examples
    --------
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import ModelScore
    >>> VAEAnomalyDetector(anomaly_score=ModelScore(quantity="elbo"))  # or anomaly_score="elbo"
    VAEAnomalyDetector(anomaly_score=ModelScore(quantity='elbo'))
    """

    unit = "nats"
    accepts_gaps = True
    reads_sparse = True
    _parameter_constraints: dict = {"quantity": [StrOptions(set(_inference.SCORES))]}

    def __init__(self, *, quantity="log_likelihood"):
        self.quantity = quantity

    def __call__(self, module, x, known, n_samples):
        return _inference.score_rows(module, x, self.quantity, n_samples)

    def n_draws(self, n_samples):
        return max(_inference.FEWEST_DRAWS, n_samples)
