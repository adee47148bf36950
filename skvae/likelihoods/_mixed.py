"""The mixed likelihood, for tables whose columns are of different kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_array
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule, Support
from skvae._rows.arrays import is_frame
from skvae._rows.frames import table_rows
from skvae._rows.table import TableSchema
from skvae._scaling import filled_by_ranks
from skvae._validation import InvalidParameterError, OutsideSupportError, StrOptions
from skvae.likelihoods._columns_html import columns_as_html
from skvae.likelihoods._names import OF_ONE_KIND
from skvae.likelihoods._proposal import propose

Group = tuple[Likelihood, list[int]]


class Mixed(Likelihood):
    """A likelihood for each group of columns, independent given z.

    For tables that hold measurements, counts, codes and binary columns side by side [1]_.

    Parameters
    ----------
    columns : list of tuple, dict or "auto", default="auto"
        Pairs of a likelihood, as a short name or a configured object, and its columns: names of
        columns of a data frame, or positions as a list of integers from 0 or a slice. Every column
        belongs to exactly one likelihood. "auto" chooses by the kinds of the columns and by the
        values of the training rows, as :func:`~skvae.likelihoods.mixed_likelihood` does.
    kinds : dict or None, default=None
        Kinds of columns of a data frame by their names, if they differ from those that follow from
        the types: "level" for numbers that are codes, such as postal codes, "real" or "whole" for
        other numbers. Text that is declared as "level" is not refused as identifiers, however
        varied it is.

    See Also
    --------
    skvae.likelihoods.mixed_likelihood : The same rule as a function; also reads data frames.

    Notes
    -----
    ``log p(x|z) = sum_g log p_g(x[columns_g]|z)``. Log densities and log probabilities are added,
    so scores are comparable only between models with the same kinds of columns. Every column is
    standardised for the encoder by its own likelihood. Text, categories and booleans of a data
    frame are levels, and dates and durations numbers.

    In a notebook, it is shown as a table of the columns with their kinds and likelihoods. The
    `module_.likelihood.spec` of a fitted estimator shows all that was decided in `fit`.

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

    accepts_names = True
    _parameter_constraints: dict = {
        "columns": [list, tuple, dict, StrOptions({"auto"})],
        "kinds": [dict, None],
    }

    def __init__(self, *, columns="auto", kinds=None):
        self.columns = columns
        self.kinds = kinds

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows whose columns hold values that their likelihoods accept.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the likelihoods that were chosen.

        Raises
        ------
        InvalidParameterError
            If `columns` does not pair likelihoods with columns, or a parameter of one of these
            likelihoods is out of range.
        ValueError
            If a column does not belong to exactly one likelihood, or holds values that its
            likelihood does not accept.
        """
        self.validate()
        if self.columns == "auto":
            groups = propose(X, ["number"] * X.shape[1])
        else:
            groups = _resolved(self.columns, range(X.shape[1]))
        parts = [per_column(spec.build, X, columns) for spec, columns in groups]
        return _Mixed(parts, groups, self.kinds)

    def for_table(self, columns: Sequence[Any], X: np.ndarray) -> Likelihood:
        kinds = {_plain_name(column.name): column.base for column in columns}
        if self.columns == "auto":
            return Mixed(columns=propose(X, list(kinds.values())), kinds=kinds)
        names = [column.name for column in columns]
        return Mixed(columns=_resolved(self.columns, names), kinds=kinds)

    def least_values(self, n_features: int) -> int:
        if self.columns == "auto":
            return 10 * n_features  # for the rows of a model file, whose columns are two levels
        groups = _resolved(self.columns, range(n_features))
        return sum(spec.least_values(len(columns)) for spec, columns in groups)

    def validate(self) -> None:
        super().validate()
        if self.columns != "auto":
            for spec, _ in _pairs(self.columns):
                _likelihood(spec).validate()

    @property
    def _repr_html_(self):
        _ = super()._repr_html_  # an AttributeError, if scikit-learn is to display text
        return partial(columns_as_html, self)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        is_text = "text/html" not in bundle
        return bundle if is_text else bundle | {"text/html": columns_as_html(self)}


def mixed_likelihood(X, *, kinds=None):
    """Propose a likelihood for every column of a table.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        Training rows. The columns of a data frame may hold text, categories, booleans and dates.
    kinds : dict or None, default=None
        Kinds of columns of a data frame, as in :class:`~skvae.likelihoods.Mixed`.

    Returns
    -------
    likelihood : Mixed
        A proposal to inspect, to edit and to pass to an estimator.

    Raises
    ------
    ValueError
        If a column holds infinite values, values that are not numbers in an array, or
        identifiers or free text in a data frame.

    See Also
    --------
    skvae.likelihoods.Mixed : The class of the result, with the same rule as its default.

    Notes
    -----
    The first condition that a column meets decides:

    - it holds text, categories or booleans: :class:`Categorical` with ``ordered=False`` and the
      levels that occur;
    - it holds only 0 and 1, or whole numbers of which the largest is below 20 and occurs in at
      least 1 % of the rows, and every whole number between it and the smallest occurs:
      :class:`Categorical` with the levels that occur;
    - X is a data frame of at least 1,000 rows: :class:`Histogram`;
    - it holds fractions or negative numbers: :class:`StudentT` if at least 0.5 % of them lie more
      than three interquartile ranges beyond the quartiles, else :class:`Gaussian`;
    - its variance is below half of its mean: :class:`Gaussian`;
    - its variance is at most 1.5 times its mean: :class:`Poisson`;
    - otherwise: :class:`NegativeBinomial`.

    Dates and durations are numbers, but no counts or levels.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.likelihoods import mixed_likelihood
    >>> heights, visits = [170.5, 181.0, 165.2], [2, 0, 50]
    >>> mixed_likelihood(np.column_stack([heights, visits]))
    Mixed(columns=[(Gaussian(), [0]), (NegativeBinomial(), [1])])
    """
    if not is_frame(X):
        X = filled_by_ranks(check_array(X, dtype=np.float64, ensure_all_finite="allow-nan"))
        return Mixed(columns=propose(X, ["number"] * X.shape[1]))
    schema = TableSchema.learn(X, kinds)
    rows = filled_by_ranks(table_rows(X, schema))
    return Mixed().for_table(schema.columns, rows)


class _Mixed(LikelihoodModule):
    """The distributions of groups of columns, independent of one another.

    The outputs are grouped by parameter: the first parameters of all columns, then the second ones.
    In this order, a network for images decodes every pixel at its place.
    """

    side_by_side: Tensor
    in_place: Tensor
    of_parts: Tensor

    def __init__(
        self,
        parts: Sequence[LikelihoodModule],
        groups: Sequence[Group],
        kinds: dict[Any, str] | None,
    ):
        columns = [positions for _, positions in groups]
        self._n_columns = [len(positions) for positions in columns]
        widths = zip(parts, self._n_columns, strict=True)
        self._n_inputs = [part.n_inputs or n_columns for part, n_columns in widths]
        self._n_outputs = [part.n_outputs for part in parts]
        settled = [(part.spec, own) for part, own in zip(parts, columns, strict=True)]
        super().__init__(Mixed(columns=settled, kinds=kinds), sum(self._n_outputs))
        self.parts = nn.ModuleList(parts)
        self.support = _Supports(parts, columns)
        self.heavy_tailed = any(part.heavy_tailed for part in parts)
        is_plain = all(part.n_inputs is None for part in parts)
        self.n_inputs = None if is_plain else sum(self._n_inputs)
        self.n_measured = _width([part.n_measured for part in parts], self._n_columns)
        # Index tensors, which follow from the spec and are not saved: the columns part after part,
        # the inverse order, and the positions of each part's outputs among all outputs.
        side_by_side = torch.tensor(list(chain(*columns)), device="cpu")
        self.register_buffer("side_by_side", side_by_side, persistent=False)
        self.register_buffer("in_place", side_by_side.argsort(), persistent=False)
        of_parts = _plane_by_plane(columns, self._n_outputs)
        self.register_buffer("of_parts", of_parts, persistent=False)

    def standardize(self, x: Tensor) -> Tensor:
        blocks = [part.standardize(own) for part, own in self._rows(x)]
        return self._join(blocks) if self.n_inputs is None else torch.cat(blocks, -1)

    def blank(self, inputs: Tensor, observed: Tensor) -> Tensor:
        if self.n_inputs is None:
            return super().blank(inputs, observed)
        pairs = zip(inputs.split(self._n_inputs, -1), self._rows(observed), strict=True)
        return torch.cat([part.blank(own, seen) for own, (part, seen) in pairs], -1)

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        pairs = zip(self._outputs(outputs), self._rows(x), strict=True)
        return self._join([part.log_prob(own, rows) for (part, own), (_, rows) in pairs])

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor] | None:
        parts = [part.cdf(own) for part, own in self._outputs(outputs)]
        if any(part is None for part in parts):
            return None
        rows = self._rows

        def below(x: Tensor) -> Tensor:
            pairs = zip(parts, rows(x), strict=True)
            return self._join([part(own) for part, (_, own) in pairs])

        return below

    def mean(self, outputs: Tensor) -> Tensor:
        return self._join([part.mean(own) for part, own in self._outputs(outputs)])

    def mean_of_draws(self, outputs: Tensor, weights: Tensor) -> Tensor:
        return self._join(
            [part.mean_of_draws(own, weights) for part, own in self._outputs(outputs)]
        )

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._join([part.sample(own, generator) for part, own in self._outputs(outputs)])

    def measured(self, x: Tensor) -> Tensor:
        return torch.cat([part.measured(own) for part, own in self._rows(x)], -1)

    def residuals(self, x: Tensor, outputs: Tensor) -> Tensor:
        pairs = zip(self._outputs(outputs), self._rows(x), strict=True)
        return self._join([part.residuals(rows, own) for (part, own), (_, rows) in pairs])

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
        """Return the columns of all parts in their original order."""
        return torch.cat(blocks, -1).index_select(-1, self.in_place)


class _Supports(Support):
    """The supports of all columns, each that of its own likelihood."""

    def __init__(self, parts: Sequence[LikelihoodModule], columns: Sequence[list[int]]):
        groups = zip(parts, columns, strict=True)
        self.groups = [
            (part.support, part.spec, own) for part, own in groups if part.support is not None
        ]

    def accepts(self, X: np.ndarray) -> np.ndarray:
        accepted = X == X  # of an array or a tensor; missing values do not count
        for support, _, columns in self.groups:
            accepted[:, columns] = support.accepts(X[:, columns])
        return accepted

    def check(self, X: np.ndarray, likelihood: object) -> None:
        for support, spec, columns in self.groups:
            per_column(partial(support.check, likelihood=spec), X, columns)

    def nearest(self, X: np.ndarray) -> np.ndarray:
        X = X + 0  # a copy, of an array or a tensor
        for support, _, columns in self.groups:
            X[:, columns] = support.nearest(X[:, columns])
        return X


def per_column(call: Callable[[np.ndarray], Any], X: np.ndarray, columns: list[int]) -> Any:
    """Call with some columns; if that raises a ValueError, name the first column at fault.

    Raises
    ------
    ValueError
        The error of the first column for which the call fails alone, or else of all together.
    """
    try:
        return call(X[:, columns])
    except OutsideSupportError as exc:
        raise exc.at(column=columns[exc.column]) from None
    except ValueError as exc:
        for column in columns:
            try:
                call(X[:, [column]])
            except ValueError as fault:
                raise ValueError(f"Column {column} of X, by itself: {fault}") from exc
        raise


def _width(widths: list[int | None], n_columns: list[int]) -> int | None:
    """Return the width of all parts side by side; None if every part is as wide as its columns."""
    if all(width is None for width in widths):
        return None
    return sum(width or n for width, n in zip(widths, n_columns, strict=True))


def _plane_by_plane(columns: Sequence[list[int]], n_outputs: list[int]) -> Tensor:
    """Return the positions, among outputs grouped by parameter, of the outputs part after part."""
    places = [
        (i // len(own), own[i % len(own)])
        for own, n in zip(columns, n_outputs, strict=True)
        for i in range(n)
    ]
    planes, of_column = np.array(places).T
    return torch.tensor(np.lexsort((of_column, planes)).argsort(), device="cpu")


def _resolved(columns: Any, names: Sequence[Any]) -> list[Group]:
    """Return configured likelihoods with positions of columns, each of which occurs once."""
    numbers, counts = np.arange(len(names)), np.zeros(len(names), dtype=int)
    groups: list[Group] = []
    for spec, which in _pairs(columns):
        groups.append((_likelihood(spec), _positions(which, names, numbers)))
        np.add.at(counts, groups[-1][1], 1)
        if counts[groups[-1][1]].max() > 1:  # at once: a file may repeat all columns many times
            break
    for owners, wrong in (("several", counts > 1), ("none", counts == 0)):
        if wrong.any():
            which = [names[position] for position in np.flatnonzero(wrong).tolist()]
            raise ValueError(
                "Every column of X must belong to one likelihood of Mixed, but columns "
                f"{which} belong to {owners}. Correct 'columns'."
            )
    return groups


def _plain_name(name: Any) -> str | int:
    """Return the name of a column; as text, if a file cannot hold it."""
    return name if isinstance(name, str | int) else str(name)


def _pairs(columns: Any) -> list[tuple[Any, Any]]:
    pairs = list(columns.items() if isinstance(columns, dict) else columns)
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InvalidParameterError(
                "The 'columns' parameter of Mixed must be pairs of a likelihood and its columns, "
                f"got {pair!r} among them."
            )
    return pairs


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


def _positions(columns: Any, names: Sequence[Any], numbers: np.ndarray) -> list[int]:
    """Return the positions of columns that are given by names or by positions."""
    chosen: Any = columns if isinstance(columns, slice | Iterable) else [columns]
    chosen = [chosen] if isinstance(chosen, str) else chosen
    if not isinstance(chosen, slice) and any(isinstance(name, str) for name in chosen):
        of_name = {name: position for position, name in enumerate(names)}
        if unknown := [name for name in chosen if name not in of_name]:
            raise ValueError(
                f"'columns' of Mixed has {unknown[0]!r} as the name of a column, but X has "
                f"{_listed(names)}. Correct the name, and pass a data frame."
            )
        return [of_name[name] for name in chosen]
    try:
        positions = np.atleast_1d(numbers[chosen]).tolist()
    except (IndexError, TypeError, ValueError):  # beyond the columns, or no integers
        positions = []
    if not positions:
        raise ValueError(
            f"'columns' of Mixed has {columns!r} as positions of columns, but X has {len(names)} "
            "columns. Pass integers from 0, or a slice."
        )
    return positions


def _listed(names: Sequence[Any]) -> str:
    if isinstance(names, range):
        return f"{len(names)} columns without names"
    return f"the columns {', '.join(map(repr, names))}"
