"""The categorical likelihood, for levels and codes."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._validation import (
    Interval,
    InvalidParameterError,
    OutsideSupportError,
    StrOptions,
)
from skvae.likelihoods._column_cells import (
    CellsModule,
    check_sizes,
    least_cells,
    points,
    sizes_of_columns,
)
from skvae.likelihoods._one_scale import OneScaleModule
from skvae.likelihoods._support import CODES, ROUNDING, categories

_MOST_CATEGORIES = 2**16
_NAME = "'n_categories' parameter of Categorical"


class Categorical(Likelihood):
    """Independent categorical variables: any distribution over K levels.

    For images of K grey levels, with a softmax over all of them for each pixel [1]_, and for table
    columns that hold codes, whatever numbers these are. The log-likelihood is that of a probability
    mass function, so :func:`~skvae.metrics.bits_per_dim` converts it to a code length.

    Parameters
    ----------
    n_categories : int, "auto" or list of int, default=256
        Number of categories K, from 2 to 65,536. "auto" is the number of different levels in the
        training rows, of each column or, for a range, of all. A list has the numbers of observed
        levels of all columns, as in the `spec` of what `build` returns.
    ordered : bool, default=True
        True for amounts, such as grey levels or grades, whose mean is the expectation. False for
        codes of names: `reconstruct` and ``sample(mean=True)`` then return the most probable
        category instead of a mean.
    levels : {"auto", "range", "observed"}, default="auto"
        "range": the whole numbers from 0 to K - 1; any other value is an error. "observed": the
        whole numbers that occur in the training rows, for each column its own; there are at most K.
        A level that did not occur is unlikely, but not an error, so that a rare one may be missing
        in a fold of a cross-validation. "auto": "observed" if `n_categories` is "auto", else
        "range".

    See Also
    --------
    skvae.likelihoods.DiscretizedLogistic : Far fewer outputs, for levels that are amounts.
    skvae.likelihoods.Mixed : For tables in which some columns are codes.

    Notes
    -----
    ``log p(x|z) = sum_j log softmax(logits_j(z) + start_j)[x_j]``, where `start` are the log
    frequencies in the training rows and one additional row. Over a range of levels that row is
    spread evenly; with observed levels it stands for all others, whose share does not depend on z.
    The decoder has K outputs per feature: 200,704 for 28 × 28 pixels of 256 levels. The encoder
    receives the standardised values of a range. Of observed levels it receives indicators,
    and the standardised values besides if they are ordered.

    References
    ----------
    .. [1] van den Oord, Kalchbrenner & Kavukcuoglu (2016), "Pixel Recurrent Neural Networks",
       section 3.4.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import Categorical
    >>> density = Categorical(n_categories=4).build(np.array([[0.0], [3.0], [3.0]]))
    >>> density.log_prob(torch.zeros(1, 4), torch.tensor([[3.0]])).exp()  # (2 + 1/4) / (3 + 1)
    tensor([[0.5625]])
    """

    accepts_names = True
    _parameter_constraints: dict = {
        "n_categories": [
            Interval(Integral, 2, _MOST_CATEGORIES, closed="both"),
            StrOptions({"auto"}),
            list,
            tuple,
        ],
        "ordered": ["boolean"],
        "levels": [StrOptions({"auto", "range", "observed"})],
    }

    def __init__(self, *, n_categories=256, ordered=True, levels="auto"):
        self.n_categories = n_categories
        self.ordered = ordered
        self.levels = levels

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Whole numbers, from 0 to `n_categories` - 1 unless the levels are the observed ones.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the number of categories and the kind of levels.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If a value is not a whole number in that range, or there are more than `n_categories`
            observed levels.
        """
        self.validate()
        if self.levels != "range" and not (
            self.levels == "auto" and isinstance(self.n_categories, Integral)
        ):
            return self._build_observed(X)
        n_categories = self.n_categories
        if n_categories == "auto":
            n_categories = int(np.clip(X.max() + 1, 2, _MOST_CATEGORIES))
        categories(n_categories).check(X, self)
        spec = Categorical(n_categories=n_categories, ordered=self.ordered, levels="range")
        return _Categorical(spec, X)

    def least_values(self, n_features: int) -> int:
        return least_cells(self.n_categories, n_features)

    def validate(self) -> None:
        super().validate()
        check_sizes(_NAME, self.n_categories, _MOST_CATEGORIES)
        if not isinstance(self.n_categories, str | Integral) and self.levels == "range":
            raise InvalidParameterError(
                f"The {_NAME} must be an integer or 'auto' if levels='range', got "
                f"{self.n_categories!r}."
            )

    def _build_observed(self, X: np.ndarray) -> LikelihoodModule:
        CODES.check(X, self)
        cells = [points(column) for column in X.T]
        sizes = self._sizes(X, [len(own.low) for own in cells])
        spec = Categorical(n_categories=sizes, ordered=self.ordered, levels="observed")
        return CellsModule(spec, X, cells, sizes, nominal=not self.ordered, dense=False)

    def _sizes(self, X: np.ndarray, found: list[int]) -> list[int]:
        """Return the number of categories of each column."""
        if not isinstance(self.n_categories, str | Integral):
            return sizes_of_columns(_NAME, self.n_categories, len(found))
        most = _MOST_CATEGORIES if self.n_categories == "auto" else int(self.n_categories)
        if max(found) > most:
            raise self._too_many_levels(X, found, most)
        return found

    def _too_many_levels(self, X: np.ndarray, n_levels: list[int], most: int) -> Exception:
        """Return an error for the first level beyond `most` in the column that has most levels."""
        column = int(np.argmax(n_levels))
        _, first_rows = np.unique(X[:, column], return_index=True)
        row = int(np.sort(first_rows)[most])
        return OutsideSupportError(
            f"{self!r} accepts columns of at most {most} different levels",
            f"a further one, {X[row, column]:.16g},",
            f"The column has {n_levels[column]} levels. Set n_categories='auto' for up to "
            f"{_MOST_CATEGORIES} of them, or choose likelihood='gaussian' for amounts.",
            row,
            column,
        )


class _Categorical(OneScaleModule):
    start: Tensor  # log frequencies, (n_categories, n_features)

    def __init__(self, spec: Categorical, X: np.ndarray):
        super().__init__(spec, X.shape[1] * spec.n_categories, X, least_scale=ROUNDING)
        self.support = categories(spec.n_categories)
        self.n_features = X.shape[1]
        self.ordered = spec.ordered
        self.register_buffer("start", _log_frequencies(X, spec.n_categories))

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        log_shares = self._logits(outputs).log_softmax(-2)
        shape = torch.broadcast_shapes(log_shares[..., 0, :].shape, x.shape)
        index = x.long().expand(shape)[..., None, :]
        log_shares = log_shares.expand(*shape[:-1], -1, -1)
        return log_shares.gather(-2, index).squeeze(-2)

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        shares = self._logits(outputs).softmax(-2)
        below = torch.cat([torch.zeros_like(shares[..., :1, :]), shares.cumsum(-2)], -2)

        def at(x: Tensor) -> Tensor:
            place = (x.floor() + 1).clamp(0, below.shape[-2] - 1).long()
            return below.gather(-2, place.unsqueeze(-2)).squeeze(-2)

        return at

    def mean(self, outputs: Tensor) -> Tensor:
        return self._mean(self._logits(outputs).softmax(-2))

    def mean_of_draws(self, outputs: Tensor, weights: Tensor) -> Tensor:
        shares = self._logits(outputs).softmax(-2)  # (n_samples, n_draws, n_categories, n_features)
        return self._mean((weights.to(shares)[..., None, None] * shares).sum(1))

    def _mean(self, shares: Tensor) -> Tensor:
        if not self.ordered:
            return shares.argmax(-2).to(shares.dtype)
        amounts = torch.arange(shares.shape[-2], dtype=shares.dtype, device=shares.device)
        return (shares * amounts[:, None]).sum(-2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return draw_categories(self._logits(outputs).mT, generator).to(outputs.dtype)

    def _logits(self, outputs: Tensor) -> Tensor:
        """Return unnormalised log probabilities, (..., n_categories, n_features)."""
        return outputs.unflatten(-1, (-1, self.n_features)) + self.start.to(outputs.dtype)


def _log_frequencies(X: np.ndarray, n_categories: int) -> Tensor:
    """Return log frequencies per column, smoothed by one row spread over the categories."""
    table = torch.empty(n_categories, X.shape[1], dtype=torch.float64)
    for feature, column in enumerate(X.T):
        counts = np.bincount(column.astype(np.int64), minlength=n_categories)
        table[:, feature] = torch.from_numpy(np.log((counts + 1 / n_categories) / (len(X) + 1)))
    return table


def draw_categories(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw a category from the last dimension of unnormalised log probabilities."""
    probabilities = logits.softmax(-1).flatten(0, -2)  # (n_draws, n_categories)
    return probabilities.multinomial(1, generator=generator).view(logits.shape[:-1])
