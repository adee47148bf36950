"""Contributions of the features to the score of a row, and the values expected of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import narwhals as nw
import numpy as np

from skvae._model import inference as _inference
from skvae._model.module import VAEModule
from skvae._rows.native import library_of

_BLOCK_VALUES = 2**22  # values in the variants of rows that are scored at a time
_N_ROUNDS = 4
EXPECTED_DIGITS = 5
_MISSING = ("None", "nan", "NaT", "<NA>")  # text of missing values in the three libraries


def explain(
    score: Callable[[np.ndarray], np.ndarray], module: VAEModule, X: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much the score rises if a feature has its expected value, and that value.

    The expected value given the others comes from pseudo-Gibbs steps (Rezende et al., 2014,
    appendix F, with means in place of draws): the feature starts at its decoded value for z = 0,
    and the row is encoded and decoded several times to update it. The expected value of a feature
    therefore does not depend on its observed value.
    """
    n_features = X.shape[1]
    before = score(X)
    contributions, expected = np.empty(X.shape), np.empty_like(X)
    block = max(1, _BLOCK_VALUES // n_features)
    for start in range(0, X.size, block):
        cells = np.arange(start, min(start + block, X.size))
        rows, columns = np.divmod(cells, n_features)
        variants = _with_expected(module, X[rows], columns)
        expected.flat[cells] = variants[np.arange(len(cells)), columns]
        contributions.flat[cells] = score(variants) - before[rows]
    contributions[np.isnan(X)] = 0.0  # a missing value is no reason for a score
    return contributions, expected


def explanation_frame(X: Any, expected: Any, contributions: np.ndarray) -> Any:
    """Return an explanation of the rows of a data frame as a frame of its library.

    It has a row for each cell of X, with the strongest contributions of each row first.
    """
    n_rows, n_features = contributions.shape
    library = library_of(X)
    features = strongest_features(contributions, n_features)
    rows = np.arange(n_rows)[:, None]
    columns = {
        "row": np.repeat(np.arange(n_rows), n_features),
        "feature": [library.names(X)[feature] for feature in features.flat],
        "value": cells_as_text(X)[rows, features].ravel().tolist(),
        "expected": cells_as_text(expected, EXPECTED_DIGITS)[rows, features].ravel().tolist(),
        "contribution": contributions[rows, features].ravel(),
    }
    return nw.from_dict(columns, backend=cast(Any, library.name)).to_native()


def strongest_features(contributions: np.ndarray, n_shown: int) -> np.ndarray:
    """Return the features that contribute most to each row, in descending order."""
    return np.argsort(-contributions, axis=1, kind="stable")[:, :n_shown]


def cells_as_text(X: Any, digits: int = 10) -> np.ndarray:
    """Return the cells of a data frame or an array as text, and None for missing ones.

    Numbers that are not whole have so many significant digits, and no more than their type holds.
    """
    library = library_of(X)
    columns = list(X.T) if library is None else library.columns(X)
    texts = np.empty((len(X), len(columns)), dtype=object)
    for position, column in enumerate(columns):
        series = nw.from_native(column, series_only=True, pass_through=True)
        held = 7 if series.dtype in (nw.Float32, np.float32) else digits
        texts[:, position] = [_as_text(cell, min(digits, held)) for cell in _cells(series)]
    return texts


def _cells(series: Any) -> list[Any]:
    return series.tolist() if isinstance(series, np.ndarray) else series.to_list()


def _as_text(cell: Any, digits: int) -> str | None:
    """Return a value as text: floats with so many digits, dates without a time of 0:00."""
    if not isinstance(cell, str) and str(cell) in _MISSING:
        return None
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() else f"{cell:.{digits}g}"
    return str(cell).removesuffix(" 00:00:00")


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
