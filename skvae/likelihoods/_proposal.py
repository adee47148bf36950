"""The rule that proposes a likelihood for a column by its values and its dtype in a data frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils import check_array

from skvae._parts import Likelihood
from skvae._rows.arrays import column_of_numbers
from skvae._scaling import fences
from skvae.likelihoods._bernoulli import Bernoulli
from skvae.likelihoods._categorical import Categorical
from skvae.likelihoods._gaussian import Gaussian
from skvae.likelihoods._negative_binomial import NegativeBinomial
from skvae.likelihoods._poisson import Poisson
from skvae.likelihoods._student_t import StudentT

_MOST_LEVELS = 20
_SHARE_OF_LAST_LEVEL = 0.01
_SHARE_OF_OUTLIERS = 0.005


def propose(X) -> list[tuple[Likelihood, list[int]]]:
    """Return likelihoods with the columns for which they are proposed, in the order of the columns.

    Raises
    ------
    ValueError
        If a column holds values that are not numbers, or missing or infinite values.
    """
    proposals: dict[str, tuple[Likelihood, list[int]]] = {}
    for position, (name, values, nominal) in enumerate(_columns(X)):
        numbers = column_of_numbers(name, values)
        likelihood = _for_names(name, numbers) if nominal else _for_numbers(numbers)
        proposals.setdefault(repr(likelihood), (likelihood, []))[1].append(position)
    return list(proposals.values())


def _columns(X) -> Iterator[tuple[Any, Any, bool]]:
    """Yield name and values of every column, and whether its categories are unordered."""
    if not hasattr(X, "columns"):
        yield from ((position, values, False) for position, values in enumerate(check_array(X).T))
        return
    for name in X.columns:
        dtype = X[name].dtype
        is_category = str(dtype).startswith("category")
        yield name, X[name], is_category and not dtype.ordered


def _for_names(name: Any, codes: np.ndarray) -> Likelihood:
    if codes.min() < 0 or (codes != np.rint(codes)).any():
        raise ValueError(
            f"Column {name!r} has categories that are not whole numbers from 0. Replace them by "
            "their codes first, for example with sklearn.preprocessing.OrdinalEncoder."
        )
    return _for_levels(codes, ordered=False)


def _for_numbers(values: np.ndarray) -> Likelihood:
    """Return a likelihood by the rule that :func:`skvae.likelihoods.mixed_likelihood` states."""
    if np.isin(values, (0, 1)).all():
        return Bernoulli()
    if (values != np.rint(values)).any() or values.min() < 0:
        return StudentT() if _has_heavy_tails(values) else Gaussian()
    if _has_few_levels(values):
        return _for_levels(values, ordered=True)
    return _for_counts(values.mean(), values.var())


def _for_levels(values: np.ndarray, ordered: bool) -> Likelihood:
    n_levels = len(np.unique(values))
    return Categorical(n_categories=max(2, n_levels), ordered=ordered, levels="observed")


def _for_counts(mean: float, variance: float) -> Likelihood:
    if variance < mean / 2:  # too narrow for counts of events, as years and sizes are
        return Gaussian()
    return Poisson() if variance <= 1.5 * mean else NegativeBinomial()


def _has_few_levels(values: np.ndarray) -> bool:
    """Return whether the values are a closed set of levels rather than small counts.

    Every level between the smallest and the largest occurs, and the largest is not rare.
    """
    if values.max() >= _MOST_LEVELS:
        return False
    counts = np.bincount(values.astype(np.int64))
    last_is_common = counts[-1] >= _SHARE_OF_LAST_LEVEL * len(values)
    return bool(last_is_common and counts[int(values.min()) :].all())


def _has_heavy_tails(values: np.ndarray) -> bool:
    """Return whether many values lie beyond the fences, or beside a spike of equal quartiles."""
    low, high = fences(*np.percentile(values, [25, 75]))
    return bool(((values < low) | (values > high)).mean() >= _SHARE_OF_OUTLIERS)
