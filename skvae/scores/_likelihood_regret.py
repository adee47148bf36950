"""The gain in the evidence lower bound from fitting the posterior to each row alone."""

from __future__ import annotations

import functools
from numbers import Integral, Real

import torch

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._random import fixed_normal_draws
from skvae._training.optimizers import AdamW
from skvae._validation import Interval

_HIDDEN_GAIN = 1000.0  # times the rounding error of the bound, more than any gain of nearer rows


class LikelihoodRegret(Score):
    """Minus the gain in the evidence lower bound from optimising q(z|x) for the row alone, in nats.

    The encoder is trained on the training rows; for other rows, its posterior is far from the best
    one [1]_. Because the gain is a difference, the score is not higher for rows of low complexity.

    Parameters
    ----------
    n_steps : int, default=30
        Number of steps of Adam, at most 1,000, whose learning rate falls linearly to zero.
    learning_rate : float, default=0.1
        Learning rate of the first step, for the mean and the log variance of q(z|x).
    n_bound_samples : int, default=8
        Number of draws over which the bound is averaged, at most 256. They are the same for every
        row and every step, so that the score is deterministic.

    Notes
    -----
    The score is ``-(max over the steps of ELBO(x; q) - ELBO(x; q(z|x)))``, which is never above
    zero. Every row is optimised independently. For rows so far out that the rounding error of the
    bound exceeds one nat, a thousand times the excess is subtracted as well. Scoring a row costs
    about ``3 * n_steps * n_bound_samples`` passes through the decoder; a log-likelihood costs 16.
    `fit` scores the training rows too, and is slow for that reason.

    References
    ----------
    .. [1] Xiao et al. (2020), "Likelihood Regret: An Out-of-Distribution Detection Score for
       Variational Auto-encoder", equation 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import LikelihoodRegret
    >>> X, _ = load_iris(return_X_y=True)
    >>> score = LikelihoodRegret(n_steps=5)
    >>> detector = VAEAnomalyDetector(2, anomaly_score=score, max_epochs=2, random_state=0).fit(X)
    >>> bool(detector.score_samples(X).max() <= 0)
    True
    """

    unit = "nats"
    accepts_gaps = True
    reads_sparse = True
    _parameter_constraints: dict = {
        "n_steps": [Interval(Integral, 1, 1000, closed="both")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "n_bound_samples": [Interval(Integral, 1, 256, closed="both")],
    }

    def __init__(self, *, n_steps=30, learning_rate=0.1, n_bound_samples=8):
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.n_bound_samples = n_bound_samples

    def __call__(self, module, x, known, n_samples):
        with torch.inference_mode(False), torch.enable_grad():
            return self._negative_gain(module, x.clone())  # inference tensors allow no gradients

    def n_draws(self, n_samples):
        return self.n_bound_samples

    def _negative_gain(self, module, x):
        q = torch.stack(module.encode(x)).detach().requires_grad_()  # mean and log variance
        draws = torch.from_numpy(fixed_normal_draws(self.n_bound_samples, q.shape[2]).copy()).to(q)
        optimizer = AdamW([q], weight_decay=0.0)
        bounds = []
        for step in range(self.n_steps + 1):
            bound = _inference.SCORES["elbo"](module, x, *q, draws, 1)  # (n_samples,)
            bounds.append(bound.detach())
            # rows are independent, so the gradient of the sum holds that of each row
            (q.grad,) = torch.autograd.grad(-bound.sum(), q)
            optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - step / self.n_steps)
            optimizer.step()
        # rounding beyond a nat hides the gain of far rows, which are told apart by their bounds
        rounding = torch.finfo(bounds[0].dtype).eps * bounds[0].abs()
        hidden = _HIDDEN_GAIN * (rounding - 1).clamp(min=0)
        return bounds[0] - functools.reduce(torch.fmax, bounds) - hidden
