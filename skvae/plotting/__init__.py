"""Displays: pictures of a fitted estimator, in the manner of scikit-learn's."""

from skvae.plotting._anomaly import AnomalyScoreDisplay
from skvae.plotting._images import ReconstructionDisplay, SampleDisplay
from skvae.plotting._latent import LatentSpaceDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "LatentSpaceDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
]
