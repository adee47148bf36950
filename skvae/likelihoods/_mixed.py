"""Tables whose columns are of different kinds: a likelihood for each group of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule, Support
from skvae._validation import InvalidParameterError, StrOptions
from skvae.likelihoods._names import OF_ONE_KIND
from skvae.likelihoods._proposal import propose

Group = tuple[Likelihood, list[int]]


class Mixed(Likelihood):
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
    >>> likelihood = Mixed(columns=[("gaussian", [0]), (Bernoulli(), [1]), ("poisson", [2])])
    >>> likelihood.build(table).n_outputs
    3
    """

    _parameter_constraints: dict = {"columns": [list, tuple, dict, StrOptions({"auto"})]}

    def __init__(self, *, columns="auto"):
        self.columns = columns

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows whose columns hold what their likelihoods take.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` tells what was chosen.

        Raises
        ------
        InvalidParameterError
            If `columns` or a parameter of a likelihood in it makes no sense.
        ValueError
            If a column belongs to no likelihood or to several, or holds what its own does not take.
        """
        self.validate()
        groups = propose(X) if self.columns == "auto" else _resolved(self.columns, X.shape[1])
        return _Mixed([per_column(spec.build, X, columns) for spec, columns in groups], groups)

    def validate(self) -> None:
        super().validate()
        if self.columns != "auto":
            for spec, _ in _pairs(self.columns):
                _likelihood(spec).validate()


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
    return Mixed(columns=propose(X))


class _Mixed(LikelihoodModule):
    """The distributions of groups of columns, independent of one another.

    The outputs are grouped by parameter, the first ones of all columns before the second ones, so
    that a network for images decodes every pixel in its place.
    """

    side_by_side: Tensor
    in_place: Tensor
    of_parts: Tensor

    def __init__(self, parts: Sequence[LikelihoodModule], groups: Sequence[Group]):
        columns = [positions for _, positions in groups]
        self._n_columns = [len(positions) for positions in columns]
        self._n_outputs = [part.n_outputs for part in parts]
        settled = [(part.spec, own) for part, own in zip(parts, columns, strict=True)]
        super().__init__(Mixed(columns=settled), sum(self._n_outputs))
        self.parts = nn.ModuleList(parts)
        self.support = _Supports(parts, columns)
        # from the spec, hence in no file: the columns of all parts, where each is among them, and
        # where the outputs of all parts are among the planes
        side_by_side = torch.tensor(list(chain(*columns)), device="cpu")
        self.register_buffer("side_by_side", side_by_side, persistent=False)
        self.register_buffer("in_place", side_by_side.argsort(), persistent=False)
        of_parts = _plane_by_plane(columns, self._n_outputs)
        self.register_buffer("of_parts", of_parts, persistent=False)

    def standardize(self, x: Tensor) -> Tensor:
        return self._join([part.standardize(own) for part, own in self._rows(x)])

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        pairs = zip(self._outputs(outputs), self._rows(x), strict=True)
        return self._join([part.log_prob(own, rows) for (part, own), (_, rows) in pairs])

    def mean(self, outputs: Tensor) -> Tensor:
        return self._join([part.mean(own) for part, own in self._outputs(outputs)])

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._join([part.sample(own, generator) for part, own in self._outputs(outputs)])

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._join([part.redraw(own, generator) for part, own in self._rows(x)])

    def _outputs(self, outputs: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """Yield the parts with the decoder's outputs for each."""
        outputs = outputs.index_select(-1, self.of_parts)
        return zip(self.parts, outputs.split(self._n_outputs, -1), strict=True)

    def _rows(self, x: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """Yield the parts with the columns of each."""
        columns = x.index_select(-1, self.side_by_side)
        return zip(self.parts, columns.split(self._n_columns, -1), strict=True)

    def _join(self, blocks: list[Tensor]) -> Tensor:
        """Put the columns of all parts back in place."""
        return torch.cat(blocks, -1).index_select(-1, self.in_place)


class _Supports(Support):
    """The supports of all columns, each by its own likelihood."""

    def __init__(self, parts: Sequence[LikelihoodModule], columns: Sequence[list[int]]):
        groups = zip(parts, columns, strict=True)
        self.groups = [
            (part.support, part.spec, own) for part, own in groups if part.support is not None
        ]

    def check(self, X: np.ndarray, likelihood: object) -> None:
        for support, spec, columns in self.groups:
            per_column(partial(support.check, likelihood=spec), X, columns)

    def nearest(self, X: np.ndarray) -> np.ndarray:
        X = X.copy()
        for support, _, columns in self.groups:
            X[:, columns] = support.nearest(X[:, columns])
        return X


def per_column(call: Callable[[np.ndarray], Any], X: np.ndarray, columns: list[int]) -> Any:
    """Call with some columns; if they are refused, tell which one is at fault.

    Raises
    ------
    ValueError
        The error of the first column that is refused by itself.
    """
    try:
        return call(X[:, columns])
    except ValueError as exc:
        for column in columns:
            try:
                call(X[:, [column]])
            except ValueError as fault:
                raise ValueError(f"Column {column} of X, by itself: {fault}") from exc
        raise


def _plane_by_plane(columns: Sequence[list[int]], n_outputs: list[int]) -> Tensor:
    """Return where the outputs of all parts, one part after another, lie in the planes."""
    places = [
        (i // len(own), own[i % len(own)])
        for own, n in zip(columns, n_outputs, strict=True)
        for i in range(n)
    ]
    planes, of_column = np.array(places).T
    return torch.tensor(np.lexsort((of_column, planes)).argsort(), device="cpu")


def _resolved(columns: Any, n_features: int) -> list[Group]:
    """Return configured likelihoods with lists of columns, each of which occurs once."""
    groups = [(_likelihood(spec), _positions(which, n_features)) for spec, which in _pairs(columns)]
    counts = np.bincount(list(chain(*(which for _, which in groups))), minlength=n_features)
    for owners, wrong in (("none", counts == 0), ("several", counts > 1)):
        if wrong.any():
            raise ValueError(
                "Every column of X must belong to one likelihood of Mixed, but columns "
                f"{np.flatnonzero(wrong).tolist()} belong to {owners}. Correct 'columns'."
            )
    return groups


def _pairs(columns: Any) -> list[tuple[Any, Any]]:
    return list(columns.items() if isinstance(columns, dict) else columns)


def _likelihood(spec: Any) -> Likelihood:
    if isinstance(spec, str) and spec in OF_ONE_KIND:
        spec = OF_ONE_KIND[spec]()
    if not isinstance(spec, Likelihood):
        raise InvalidParameterError(
            f"The 'columns' parameter of Mixed must pair likelihoods with columns, got {spec!r} "
            f"instead of a likelihood. Pass a configured one, or a name among "
            f"{sorted(OF_ONE_KIND)}."
        )
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
