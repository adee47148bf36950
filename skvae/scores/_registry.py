"""The short names of scores, and the configured objects behind them."""

from __future__ import annotations

from typing import Any

from skvae._model.inference import SCORES
from skvae._specs import resolve_spec
from skvae._validation import InvalidParameterError
from skvae.scores._combined import Combined
from skvae.scores._latent_density import LatentDensity, LatentNeighbors
from skvae.scores._likelihood_regret import LikelihoodRegret
from skvae.scores._model_score import ModelScore
from skvae.scores._neighbors import ResidualNeighbors
from skvae.scores._relative_error import RelativeError
from skvae.scores._typicality import Typicality

SHORT_NAMES: dict[str, Any] = {
    **{quantity: ModelScore(quantity) for quantity in SCORES},
    "relative_error": RelativeError(),
    "latent_density": LatentDensity(),
    "latent_neighbors": LatentNeighbors(),
    "residual_neighbors": ResidualNeighbors(),
    "typicality": Typicality(),
    "likelihood_regret": LikelihoodRegret(),
    "combined": Combined(),
}
SCORE_CLASSES = tuple({type(score): None for score in SHORT_NAMES.values()})


def resolve_score(score: Any) -> Any:
    """Return the configured object behind a short name or a copy of one given; so for its parts.

    Raises
    ------
    InvalidParameterError
        If a parameter of the score is out of range.
    """
    if isinstance(score, str):
        score = SHORT_NAMES[score]
    score = resolve_spec("anomaly_score", score)
    if isinstance(score, Combined):
        _check_parts(score.scores)
        score.scores = tuple(resolve_score(part) for part in score.scores)
    return score


def _check_parts(scores: Any) -> None:
    known = [
        part in SHORT_NAMES if isinstance(part, str) else hasattr(part, "score") for part in scores
    ]
    if not known or not all(known):
        raise InvalidParameterError(
            f"The 'scores' parameter of Combined must be one or more of {sorted(SHORT_NAMES)} and "
            f"configured scores, got {scores!r}."
        )
