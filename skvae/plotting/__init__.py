"""Displays: pictures of a fitted estimator or of a synthetic table, as in scikit-learn.

Rows are drawn as images or as rows of a table, according to the parameter `kind`. Tables may be
data frames with text, categories, booleans and dates. Each `from_estimator` also takes a pipeline
that ends in an estimator of this package, and shows the rows as its earlier steps transform them.
"""

from skvae.plotting._anomaly_score_display import AnomalyScoreDisplay
from skvae.plotting._explanation_display import ExplanationDisplay
from skvae.plotting._explorer import Explorer, explorer
from skvae.plotting._imputation_display import ImputationDisplay
from skvae.plotting._interpolation_display import InterpolationDisplay
from skvae.plotting._latent_space_display import LatentSpaceDisplay
from skvae.plotting._manifold_display import ManifoldDisplay
from skvae.plotting._reconstruction_display import ReconstructionDisplay
from skvae.plotting._sample_display import SampleDisplay
from skvae.plotting._table_quality_display import TableQualityDisplay
from skvae.plotting._training_curve_display import TrainingCurveDisplay

__all__ = [
    "AnomalyScoreDisplay",
    "ExplanationDisplay",
    "Explorer",
    "ImputationDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "ManifoldDisplay",
    "ReconstructionDisplay",
    "SampleDisplay",
    "TableQualityDisplay",
    "TrainingCurveDisplay",
    "explorer",
]
