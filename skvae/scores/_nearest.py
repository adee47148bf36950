"""Distances from the nearest of many rows."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK_ROWS = 2**13  # rows that distances are taken to at a time


def nearest_distances(points: Tensor, rows: Tensor, n_nearest: int) -> Tensor:
    """Return the distances of every point from the rows nearest to it, in ascending order.

    Parameters
    ----------
    points : Tensor of shape (n_points, n_features)
    rows : Tensor of shape (n_rows, n_features)
    n_nearest : int
        How many; all of them where there are fewer.
    """
    nearest = points.new_empty(len(points), 0)
    for block in rows.split(_BLOCK_ROWS):
        # not by a matrix product, in whose rounding errors small distances are lost
        distances = torch.cdist(points, block, compute_mode="donot_use_mm_for_euclid_dist")
        nearest = torch.cat([nearest, distances], dim=1)
        nearest = nearest.topk(min(n_nearest, nearest.shape[1]), dim=1, largest=False).values
    return nearest
