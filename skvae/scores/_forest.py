"""An isolation forest as tensors: grown by scikit-learn, evaluated by torch, saved with a model."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from torch import Tensor

_SAMPLED_ROWS = 256  # per tree (Liu et al., 2008, section 4.2)
DEPTH = 8  # log2 of that; deeper paths are estimated by their mean length
_EULER = 0.5772156649015329


def grow(rows: np.ndarray, n_trees: int) -> dict[str, Tensor]:
    """Grow an isolation forest (Liu et al., 2008).

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    n_trees : int

    Returns
    -------
    forest : dict of str to Tensor
        Every tree as a complete binary tree, one level after another: `split_feature` and
        `split_value` of shape (n_trees, 255), and the length of the path to each of the 256 leaves
        as `path_length`. Below a leaf that is reached early, all leaves have its path length.
    """
    forest = IsolationForest(
        n_estimators=n_trees, max_samples=min(_SAMPLED_ROWS, len(rows)), random_state=0
    ).fit(rows)
    completed = [_complete(estimator.tree_) for estimator in forest.estimators_]
    names = ("split_feature", "split_value", "path_length")
    return {
        name: torch.from_numpy(np.stack(values))
        for name, values in zip(names, zip(*completed, strict=True), strict=True)
    }


def anomaly(rows: Tensor, forest: dict[str, Tensor]) -> Tensor:
    """Return the anomaly score of rows, from 0 to 1 (Liu et al., 2008, equation 2)."""
    features = forest["split_feature"].long().clamp(0, rows.shape[1] - 1)
    tree = torch.arange(len(features), device=rows.device)
    slot = torch.zeros(len(rows), len(features), dtype=torch.long, device=rows.device)
    for level in range(DEPTH):
        node = 2**level - 1 + slot  # (n_samples, n_trees)
        value = rows.gather(1, features[tree, node])
        slot = 2 * slot + (value > forest["split_value"][tree, node])
    length = forest["path_length"][tree, slot].mean(1)
    return torch.exp2(-length / float(_mean_length(_SAMPLED_ROWS)))


def _complete(tree) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features and values of all splits, and the path lengths of all leaves."""
    nodes, lengths = np.zeros(1, dtype=int), np.zeros(1)
    features, values = [], []
    for _ in range(DEPTH):
        is_leaf = tree.children_left[nodes] == -1
        features.append(np.where(is_leaf, 0, tree.feature[nodes]))
        values.append(np.where(is_leaf, 0.0, tree.threshold[nodes]))
        children = np.stack([tree.children_left[nodes], tree.children_right[nodes]], axis=1)
        nodes = np.where(is_leaf[:, None], nodes[:, None], children).ravel()
        lengths = np.repeat(lengths + ~is_leaf, 2)
    lengths += _mean_length(tree.n_node_samples[nodes])
    return np.concatenate(features).astype(float), np.concatenate(values), lengths


def _mean_length(n_rows):
    """Return the mean length of a path among `n_rows` rows (Liu et al., 2008, equation 1)."""
    n_rows = np.asarray(n_rows, dtype=float)
    many = np.maximum(n_rows, 3)
    harmonic = 2 * (np.log(many - 1) + _EULER) - 2 * (many - 1) / many
    return np.where(n_rows <= 1, 0.0, np.where(n_rows == 2, 1.0, harmonic))
