"""Conformal calibration: rows set aside from training, and what they say of a score."""

from __future__ import annotations

import numpy as np

_SEED = 0  # the same rows at every fit: one that goes on from another must not train on them


def set_aside(X: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on, and a share of them that is kept from training.

    Raises
    ------
    ValueError
        If fewer than two rows are left to train on.
    """
    n_calibration = max(1, round(fraction * len(X)))
    if len(X) - n_calibration < 2:
        raise ValueError(
            f"calibration_fraction={fraction!r} of {len(X)} rows leaves fewer than two to train "
            "on. Lower it, or set calibration_fraction=None."
        )
    held_out = np.zeros(len(X), dtype=bool)
    held_out[np.random.default_rng(_SEED).permutation(len(X))[:n_calibration]] = True
    return X[~held_out], X[held_out]


def p_values(scores: np.ndarray, calibration_scores: np.ndarray) -> np.ndarray:
    """Return ``(1 + #{calibration scores <= score}) / (n + 1)``; the latter are sorted."""
    n_below = np.searchsorted(calibration_scores, scores, side="right")
    return (1 + n_below) / (1 + len(calibration_scores))


def threshold(calibration_scores: np.ndarray, level: float) -> float:
    """Return the score below which p-values are at most a level; calibration scores are sorted.

    Too few of them tell no p-value so low: the threshold is then the lowest of them.
    """
    n_below = int(level * (1 + len(calibration_scores))) - 1
    return float(calibration_scores[max(0, n_below)])


def checked_calibration(scores: np.ndarray | None) -> np.ndarray | None:
    """Return calibration scores that were read from a file.

    Raises
    ------
    ValueError
        If they are not what a detector keeps: finite numbers in order.
    """
    if scores is None:
        return None
    sound = isinstance(scores, np.ndarray) and scores.dtype == np.float64 and scores.ndim == 1
    if not (sound and len(scores) and np.isfinite(scores).all() and (np.diff(scores) >= 0).all()):
        raise ValueError("its calibration scores are no finite numbers in order")
    return scores
