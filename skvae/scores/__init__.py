"""Scores: specs of the values by which a detector ranks rows."""

from skvae._parts import Score
from skvae.scores._combined import Combined
from skvae.scores._latent_density import LatentDensity
from skvae.scores._likelihood_regret import LikelihoodRegret
from skvae.scores._model_score import ModelScore
from skvae.scores._neighbors import LatentNeighbors, NoveltyRarity, ResidualNeighbors
from skvae.scores._relative_error import RelativeError
from skvae.scores._typicality import Typicality

__all__ = [
    "Combined",
    "LatentDensity",
    "LatentNeighbors",
    "LikelihoodRegret",
    "ModelScore",
    "NoveltyRarity",
    "RelativeError",
    "ResidualNeighbors",
    "Score",
    "Typicality",
]
