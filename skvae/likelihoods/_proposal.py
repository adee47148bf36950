"""The rule that proposes a likelihood for a column by its values and its dtype in a data frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skvae._parts import Likelihood
from skvae._scaling import fences
from skvae.likelihoods._categorical import Categorical
from skvae.likelihoods._gaussian import Gaussian
from skvae.likelihoods._histogram import Histogram
from skvae.likelihoods._negative_binomial import NegativeBinomial
from skvae.likelihoods._poisson import Poisson
from skvae.likelihoods._student_t import StudentT

_MOST_LEVELS = 20
_SHARE_OF_LAST_LEVEL = 0.01
_SHARE_OF_OUTLIERS = 0.005
_ROWS_OF_HISTOGRAM = 1000


def propose(X: np.ndarray, kinds: Sequence[str]) -> list[tuple[Likelihood, list[int]]]:
    """Return likelihoods with the columns for which they are proposed, in the order of the columns.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    kinds : sequence of str
        Kind of each column of a data frame: "level" for codes of names, "datetime" or "duration"
        for numbers that are no counts, whatever their values; others are decided by the values.
        Those of an array are of the kind "number", which excludes histograms: they need the network
        and the prior that frames have by default.
    """
    proposals: dict[str, tuple[Likelihood, list[int]]] = {}
    for position, (values, kind) in enumerate(zip(X.T, kinds, strict=True)):
        likelihood = _for_column(values, kind)
        proposals.setdefault(repr(likelihood), (likelihood, []))[1].append(position)
    return list(proposals.values())


def _for_column(values: np.ndarray, kind: str) -> Likelihood:
    """Return a likelihood by the rule that :func:`skvae.likelihoods.mixed_likelihood` states."""
    if kind == "level":
        return Categorical(n_categories="auto", ordered=False)
    is_time = kind in ("datetime", "duration")
    if not is_time and _has_few_levels(values):
        return Categorical(n_categories="auto")
    if kind != "number" and len(values) >= _ROWS_OF_HISTOGRAM:
        return Histogram()
    if is_time or (values != np.rint(values)).any() or values.min() < 0:
        return StudentT() if _has_heavy_tails(values) else Gaussian()
    return _for_counts(values.mean(), values.var())


def _for_counts(mean: float, variance: float) -> Likelihood:
    if variance < mean / 2:  # too narrow for counts of events, as years and sizes are
        return Gaussian()
    return Poisson() if variance <= 1.5 * mean else NegativeBinomial()


def _has_few_levels(values: np.ndarray) -> bool:
    """Return whether the values are a closed set of whole numbers rather than small counts.

    Every level between the smallest and the largest occurs, and the largest is not rare. Yes and no
    as 1 and 0 are always such levels.
    """
    if (values != np.rint(values)).any() or values.min() < 0 or values.max() >= _MOST_LEVELS:
        return False
    if values.max() <= 1:
        return True
    counts = np.bincount(values.astype(np.int64))
    last_is_common = counts[-1] >= _SHARE_OF_LAST_LEVEL * len(values)
    return bool(last_is_common and counts[int(values.min()) :].all())


def _has_heavy_tails(values: np.ndarray) -> bool:
    """Return whether many values lie beyond the fences, or beside a spike of equal quartiles."""
    low, high = fences(*np.percentile(values, [25, 75]))
    return bool(((values < low) | (values > high)).mean() >= _SHARE_OF_OUTLIERS)
