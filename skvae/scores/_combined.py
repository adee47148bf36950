"""Several scores as one."""

from __future__ import annotations

import numpy as np
import torch

from skvae._files.values import under
from skvae._validation import StrOptions
from skvae.scores._fitted_score import FittedScore
from skvae.scores._score import Score

_MOST_QUANTILES = 1001


class Combined(Score):
    """The sum of several scores, each measured by its spread over the training rows.

    What one score overlooks another may see: a row may be reconstructed well from an unusual place,
    or badly from a usual one.

    Parameters
    ----------
    scores : tuple or list of str or object, default=("relative_error", "latent_density")
        Short names and configured scores.
    standardization : {"z", "rank"}, default="z"
        "z": minus the mean over the training rows, divided by their standard deviation. "rank": the
        share of the training rows that score lower, from 0 to 1, so that no score outweighs the
        others by its long tail; beyond the training rows it goes on in standard deviations.

    Notes
    -----
    It has no unit. A score that is the same for all training rows is not divided.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.scores import Combined, LatentDensity
    >>> X, _ = load_iris(return_X_y=True)
    >>> score = Combined(scores=("log_likelihood", LatentDensity(n_components=3)))
    >>> detector = VAEAnomalyDetector(2, anomaly_score=score, max_epochs=20, random_state=0).fit(X)
    >>> bool(abs(detector.score_samples(X).mean()) < 1e-6)  # a sum of standardised numbers
    True
    """

    _parameter_constraints: dict = {
        "scores": [list, tuple],
        "standardization": [StrOptions({"z", "rank"})],
    }

    def __init__(self, scores=("relative_error", "latent_density"), standardization="z"):
        self.scores = scores
        self.standardization = standardization

    def build(self, module, X, n_samples):
        parts = [FittedScore.learn(spec, module, X, n_samples) for spec in self.scores]
        scores = np.stack([part(module, X, n_samples) for part in parts])  # (n_scores, n_rows)
        mean, spread = scores.mean(axis=1), scores.std(axis=1)
        varies = spread > np.finfo(X.dtype).eps * np.abs(mean)  # by more than it is rounded
        known = {
            "mean": torch.from_numpy(mean),
            "spread": torch.from_numpy(np.where(varies, spread, 1.0)),
        }
        if self.standardization == "rank":
            known["quantiles"] = _quantiles(scores)
        for index, part in enumerate(parts):
            known |= {f"{index}.{name}": tensor for name, tensor in part.tensors.items()}
        return known

    def score(self, module, x, known, n_samples):
        total = x.new_zeros(len(x), dtype=torch.float64)
        for index, spec in enumerate(self.scores):
            scores = spec.score(module, x, under(f"{index}.", known), n_samples)
            total += self._standardized(scores.double(), index, known)
        return total

    def shapes(self, parts):
        n_scores = len(self.scores)
        shapes = {"mean": (n_scores,), "spread": (n_scores,)}
        if self.standardization == "rank":
            shapes["quantiles"] = (n_scores, "n_quantiles")
        for index, spec in enumerate(self.scores):
            for name, shape in spec.shapes(parts).items():
                sizes = (f"{index}.{size}" if isinstance(size, str) else size for size in shape)
                shapes[f"{index}.{name}"] = tuple(sizes)
        return shapes

    def n_draws(self, n_samples):
        return max(spec.n_draws(n_samples) for spec in self.scores)

    def _standardized(self, scores, index, known):
        spread = known["spread"][index]
        if self.standardization == "z":
            return (scores - known["mean"][index]) / spread
        quantiles = known["quantiles"][index]
        inside = scores.clamp(quantiles[0], quantiles[-1])
        return _rank(inside, quantiles) + (scores - inside) / spread


def _quantiles(scores):
    levels = np.linspace(0, 1, min(scores.shape[1], _MOST_QUANTILES))
    return torch.from_numpy(np.ascontiguousarray(np.quantile(scores, levels, axis=1).T))


def _rank(scores, quantiles):
    """Return the share of `quantiles` below each score; of equal ones, half of them."""
    above = torch.searchsorted(quantiles, scores)  # the first that is not less
    below = torch.searchsorted(quantiles, scores, right=True) - 1  # the last that is not greater
    gap = quantiles[above] - quantiles[below]
    share = torch.where(gap > 0, (scores - quantiles[below]) / gap, 0.5)
    return (below + (above - below) * share) / max(len(quantiles) - 1, 1)
