"""Decoding for displays: detectors have a decoder too, but no `inverse_transform`."""

from __future__ import annotations

import numpy as np

from skvae._model import inference as _inference


def decode(estimator, Z: np.ndarray) -> np.ndarray:
    """Return E[p(x|z)] of latent rows, in the units of X."""
    if hasattr(estimator, "inverse_transform"):
        return estimator.inverse_transform(Z)
    return _inference.decode(estimator.module_, Z)
