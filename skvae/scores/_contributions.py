"""Contributions of the features to the score of a row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skvae._model import inference as _inference
from skvae._model.module import VAEModule

_BLOCK_VALUES = 2**22  # values in the variants of rows that are scored at a time
_N_ROUNDS = 4


def explain(
    score: Callable[[np.ndarray], np.ndarray], module: VAEModule, X: np.ndarray
) -> np.ndarray:
    """Return by how much the score rises if a feature has its expected value given the others.

    The expected value comes from pseudo-Gibbs steps (Rezende et al., 2014, appendix F, with means
    in place of draws): the feature starts at its decoded value for z = 0, and the row is encoded
    and decoded several times to update it. The expected value of a feature therefore does not
    depend on its observed value.
    """
    n_features = X.shape[1]
    before = score(X)
    contributions = np.empty(X.shape)
    block = max(1, _BLOCK_VALUES // n_features)
    for start in range(0, X.size, block):
        cells = np.arange(start, min(start + block, X.size))
        rows, columns = np.divmod(cells, n_features)
        variants = _with_expected(module, X[rows], columns)
        contributions.flat[cells] = score(variants) - before[rows]
    return contributions


def _with_expected(module: VAEModule, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Replace one feature of every row, in place, by its expected value given the others."""
    support, cells = module.likelihood.support, (np.arange(len(rows)), columns)
    origin = np.zeros((1, module.parts.n_components), dtype=rows.dtype)
    possible = rows if support is None else support.nearest(rows)
    possible[cells] = _inference.decode(module, origin)[0, columns]
    for _ in range(_N_ROUNDS):
        decoded = _inference.decode(module, _inference.encode_mean(module, possible))
        possible[cells] = decoded[cells]
    rows[cells] = (possible if support is None else support.nearest(possible))[cells]
    return rows
