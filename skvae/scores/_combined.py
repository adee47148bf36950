"""The sum of several standardised scores."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._validation import InvalidParameterError, StrOptions
from skvae.scores._latent_density import LatentDensity
from skvae.scores._likelihood_regret import LikelihoodRegret
from skvae.scores._model_score import ModelScore
from skvae.scores._neighbors import (
    LatentNeighbors,
    NoveltyRarity,
    ResidualNeighbors,
    quantiles,
    rank,
)
from skvae.scores._relative_error import RelativeError
from skvae.scores._typicality import Typicality

# the short names of all scores but Combined itself
SINGLE_SCORES = {
    **{quantity: partial(ModelScore, quantity=quantity) for quantity in _inference.SCORES},
    "relative_error": RelativeError,
    "latent_density": LatentDensity,
    "latent_neighbors": LatentNeighbors,
    "residual_neighbors": ResidualNeighbors,
    "novelty_rarity": NoveltyRarity,
    "typicality": Typicality,
    "likelihood_regret": LikelihoodRegret,
}


class Combined(Score):
    """The sum of several scores, each standardised by its values for the training rows.

    Scores detect different outliers: a row may be reconstructed well although its embedding is
    unusual, or badly although its embedding is usual.

    Parameters
    ----------
    scores : tuple or list of str or object, default=("relative_error", "latent_density")
        Short names or configured objects of the scores to be added.
    standardization : {"z", "rank"}, default="z"
        "z" subtracts the mean over the training rows and divides by the standard deviation. "rank"
        takes the share of the training rows that score lower, from 0 to 1, so that a score with a
        long tail does not outweigh the others; beyond the range of the training rows, the distance
        from it in standard deviations is added.

    Notes
    -----
    The sum has no unit. A score that is the same for all training rows is not divided by its
    standard deviation.

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

    def __init__(self, *, scores=("relative_error", "latent_density"), standardization="z"):
        self.scores = scores
        self.standardization = standardization

    @property
    def accepts_gaps(self):
        """Whether all of the scores do."""
        return all(score.accepts_gaps for score in self._resolved())

    @property
    def reads_sparse(self):
        """Whether all of the scores do."""
        return all(score.reads_sparse for score in self._resolved())

    def build(self, module, X, n_samples):
        parts = [(score, score.build(module, X, n_samples)) for score in self._resolved()]
        scores = np.stack(  # (n_scores, n_rows)
            [_inference.evaluate(score, module, X, part, n_samples) for score, part in parts]
        )
        mean, spread = scores.mean(axis=1), scores.std(axis=1)
        varies = spread > np.finfo(X.dtype).eps * np.abs(mean)  # by more than rounding errors
        known = {
            "mean": torch.from_numpy(mean),
            "spread": torch.from_numpy(np.where(varies, spread, 1.0)),
        }
        if self.standardization == "rank":
            known["quantiles"] = quantiles(scores)
        for index, (_, part) in enumerate(parts):
            known |= {f"{index}.{name}": tensor for name, tensor in part.items()}
        return known

    def __call__(self, module, x, known, n_samples):
        total = torch.zeros_like(x[:, 0], dtype=torch.float64)
        for index, score in enumerate(self._resolved()):
            scores = score(module, x, _under(f"{index}.", known), n_samples)
            total += self._standardized(scores.double(), index, known)
        return total

    def shapes(self, sizes):
        n_scores = len(self.scores)
        shapes = {"mean": (n_scores,), "spread": (n_scores,)}
        if self.standardization == "rank":
            shapes["quantiles"] = (n_scores, "n_quantiles")
        for index, score in enumerate(self._resolved()):
            for name, shape in score.shapes(sizes).items():
                own = (f"{index}.{size}" if isinstance(size, str) else size for size in shape)
                shapes[f"{index}.{name}"] = tuple(own)
        return shapes

    def n_draws(self, n_samples):
        return max(score.n_draws(n_samples) for score in self._resolved())

    def validate(self):
        super().validate()
        known = [
            part in SINGLE_SCORES if isinstance(part, str) else isinstance(part, Score)
            for part in self.scores
        ]
        if not known or not all(known):
            raise InvalidParameterError(
                f"The 'scores' parameter of Combined must be one or more of "
                f"{sorted(SINGLE_SCORES)} and configured scores, got {self.scores!r}."
            )
        for score in self._resolved():
            score.validate()

    def _resolved(self):
        return [SINGLE_SCORES[part]() if isinstance(part, str) else part for part in self.scores]

    def _standardized(self, scores, index, known):
        spread = known["spread"][index]
        if self.standardization == "z":
            return (scores - known["mean"][index]) / spread
        levels = known["quantiles"][index]
        beyond = (scores - levels[-1]).clamp(min=0) + (scores - levels[0]).clamp(max=0)
        return rank(scores, levels) + beyond / spread


def _under(prefix, tensors):
    """Return the tensors whose names begin with a prefix, without it in their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
