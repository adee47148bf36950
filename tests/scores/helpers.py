"""A trained detector with another score; no tests."""

import copy

from skvae._detector import FittedScore
from skvae._specs import resolve


def scored_by(score, detector, X):
    """Return a copy of the detector with a score learned from X; the model stays as it is."""
    score = resolve("anomaly_score", score)
    known = score.build(detector.module_, X, detector.n_importance_samples)
    copied = copy.copy(detector)
    copied.anomaly_score_ = FittedScore(score, known)
    return copied
