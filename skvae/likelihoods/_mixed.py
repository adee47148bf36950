"""Tables whose columns are of different kinds: a likelihood for each group of them."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from skvae._validation import InvalidParameterError, StrOptions
from skvae.likelihoods._mixed_density import MixedDensity, MixedDensityWithRedraws, per_column
from skvae.likelihoods._names import OF_ONE_KIND
from skvae.likelihoods._proposal import propose


class Mixed(BaseEstimator):
    """A likelihood for each group of columns, independent given z.

    For tables that hold measurements, counts, codes and yes or no side by side [1]_.

    Parameters
    ----------
    columns : list of tuple, dict or "auto", default="auto"
        Pairs of a likelihood, by its short name or configured, and the positions of its columns:
        a list of integers from 0, or a slice. Every column belongs to exactly one likelihood.
        "auto" chooses by the values of the training rows, as
        :func:`~skvae.likelihoods.mixed_likelihood` does.

    See Also
    --------
    skvae.likelihoods.mixed_likelihood : Proposes one, also by the dtypes of a data frame.

    Notes
    -----
    ``log p(x|z) = sum_g log p_g(x[columns_g]|z)``. Densities and masses add up, so the score of a
    table is one number; what it is compared with must have the same kinds of columns. The encoder
    sees every column as its own likelihood standardises it, codes as numbers.

    References
    ----------
    .. [1] Nazábal et al. (2020), "Handling incomplete heterogeneous data using VAEs".

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.likelihoods import Bernoulli, Mixed
    >>> table = np.array([[170.5, 1, 2], [181.0, 0, 0], [165.2, 1, 5]])
    >>> likelihood = Mixed([("gaussian", [0]), (Bernoulli(), [1]), ("poisson", [2])])
    >>> likelihood.build(table).n_outputs
    3
    """

    _parameter_constraints: dict = {"columns": [list, tuple, dict, StrOptions({"auto"})]}

    def __init__(self, columns="auto"):
        self.columns = columns

    def build(self, X: np.ndarray) -> nn.Module:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows whose columns hold what their likelihoods take.

        Returns
        -------
        likelihood : torch.nn.Module
            With `n_outputs`, `standardize(x)`, `log_prob(outputs, x)` in nats, `mean(outputs)` and
            `sample(outputs, generator)`; its `spec` says what was chosen.

        Raises
        ------
        InvalidParameterError
            If `columns` or a parameter of a likelihood in it makes no sense.
        ValueError
            If a column belongs to no likelihood or to several, or holds what its own does not take.
        """
        self._validate_params()
        groups = propose(X) if self.columns == "auto" else _resolved(self.columns, X.shape[1])
        parts = [per_column(spec.build, X, columns) for spec, columns in groups]
        settled = [
            (getattr(part, "spec", spec), columns)
            for part, (spec, columns) in zip(parts, groups, strict=True)
        ]
        redraws = any(hasattr(part, "redraw") for part in parts)
        density = (MixedDensityWithRedraws if redraws else MixedDensity)(parts, settled)
        density.spec = Mixed(settled)
        return density


def mixed_likelihood(X):
    """Propose a likelihood for every column of a table.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        Training rows, of numbers.

    Returns
    -------
    likelihood : Mixed
        To be looked at, changed where you know better, and passed to an estimator.

    Raises
    ------
    ValueError
        If a column holds no numbers or misses some.

    See Also
    --------
    skvae.likelihoods.Mixed : What is returned, with the same rule as its default.

    Notes
    -----
    The first that is true of a column decides:

    - its dtype is that of pandas' categories without an order: :class:`Categorical` with
      ``ordered=False``;
    - it holds nothing but 0 and 1: :class:`Bernoulli`;
    - it holds fractions or negative numbers: :class:`StudentT` if half a per cent of them or more
      lie beyond three interquartile ranges from the quartiles, else :class:`Gaussian`;
    - its largest number is below 20, one row in a hundred or more has it, and none between it and
      the smallest is missing: :class:`Categorical`;
    - its variance is below half of its mean: :class:`Gaussian`;
    - its variance is at most 1.5 times its mean: :class:`Poisson`;
    - else: :class:`NegativeBinomial`.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.likelihoods import mixed_likelihood
    >>> heights, smokes, visits = [170.5, 181.0, 165.2], [1, 0, 1], [2, 0, 50]
    >>> mixed_likelihood(np.column_stack([heights, smokes, visits]))
    Mixed(columns=[(Gaussian(), [0]), (Bernoulli(), [1]), (NegativeBinomial(), [2])])
    """
    return Mixed(propose(X))


def _resolved(columns: Any, n_features: int) -> list[tuple[Any, list[int]]]:
    """Return configured likelihoods with lists of columns, all of which occur once."""
    pairs = columns.items() if isinstance(columns, dict) else columns
    groups = [(_likelihood(spec), _positions(which, n_features)) for spec, which in pairs]
    counts = np.bincount(list(chain(*(which for _, which in groups))), minlength=n_features)
    for owners, wrong in (("none", counts == 0), ("several", counts > 1)):
        if wrong.any():
            raise ValueError(
                "Every column of X must belong to one likelihood of Mixed, but columns "
                f"{np.flatnonzero(wrong).tolist()} belong to {owners}. Mend 'columns'."
            )
    return groups


def _likelihood(spec: Any) -> Any:
    if isinstance(spec, str) and spec in OF_ONE_KIND:
        return OF_ONE_KIND[spec]()
    if not hasattr(spec, "build") or isinstance(spec, type):
        raise InvalidParameterError(
            f"The 'columns' parameter of Mixed must pair likelihoods with columns, got {spec!r} in "
            f"place of a likelihood. Give a configured one, or a name among {sorted(OF_ONE_KIND)}."
        )
    if hasattr(spec, "_parameter_constraints"):  # a user's own spec need not declare any
        spec._validate_params()
    return spec


def _positions(columns: Any, n_features: int) -> list[int]:
    try:
        positions = np.atleast_1d(np.arange(n_features)[columns]).tolist()
    except IndexError:
        positions = []
    if not positions:
        raise ValueError(
            f"Mixed was given {columns!r} for columns of X, which has {n_features}. Give positions "
            "from 0, or a slice."
        )
    return positions
