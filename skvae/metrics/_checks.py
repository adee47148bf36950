"""Checks that several metrics share."""

from __future__ import annotations


def check_vae(estimator) -> None:
    """Refuse what has no posterior, and say how to take a pipeline apart."""
    if hasattr(estimator, "posterior"):
        return
    remedy = (
        "Pass its last step, and the rows as the steps before it transform them: pipeline[-1] and "
        "pipeline[:-1].transform(X)."
        if hasattr(estimator, "steps")
        else "Pass a fitted VAETransformer or VAEAnomalyDetector."
    )
    raise ValueError(f"{type(estimator).__name__} has no method 'posterior'. {remedy}")
