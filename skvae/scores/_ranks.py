"""Shares of the training rows that score lower, from quantiles of their scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_MOST_QUANTILES = 1001
_TIE = 1e-6  # of the range: scores that differ by less are equal but for rounding


def quantiles(scores: np.ndarray) -> Tensor:
    """Return evenly spaced quantiles of every row of `scores`, (n_scores, n_quantiles)."""
    levels = np.linspace(0, 1, min(scores.shape[1], _MOST_QUANTILES))
    return torch.from_numpy(np.ascontiguousarray(np.quantile(scores, levels, axis=1).T))


def rank(scores: Tensor, quantiles: Tensor) -> Tensor:
    """Return the share of `quantiles` below each score, from 0 to 1; equal ones count half.

    Parameters
    ----------
    scores : Tensor of shape (n_samples,)
    quantiles : Tensor of shape (n_quantiles,)
        In ascending order.
    """
    scores = scores.clamp(quantiles[0], quantiles[-1])
    tolerance = _TIE * (quantiles[-1] - quantiles[0])
    above = torch.searchsorted(quantiles, scores - tolerance)  # the first that is not less
    below = torch.searchsorted(quantiles, scores + tolerance, right=True) - 1  # the last not more
    first, last = torch.minimum(above, below), torch.maximum(above, below)
    gap = quantiles[last] - quantiles[first]
    between = (scores - quantiles[first]) / torch.where(gap > 0, gap, 1.0)
    share = torch.where(below < above, between, 0.5)  # else all from `above` to `below` are ties
    return (first + (last - first) * share) / max(len(quantiles) - 1, 1)
