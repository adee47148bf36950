"""Displays: pictures of a fitted estimator, in the manner of scikit-learn's.

Rows are shown as images or as rows of a table; `kind` says which, and "auto" finds out.
"""

from skvae.plotting._anomaly import AnomalyScoreDisplay
from skvae.plotting._explanation import ExplanationDisplay
from skvae.plotting._interpolation import InterpolationDisplay
from skvae.plotting._latent import LatentSpaceDisplay
from skvae.plotting._manifold import ManifoldDisplay
from skvae.plotting._reconstruction import ReconstructionDisplay
from skvae.plotting._sample import SampleDisplay
from skvae.plotting._training_curve import TrainingCurveDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "ExplanationDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
    "TrainingCurveDisplay",
]
