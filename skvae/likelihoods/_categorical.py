"""The categorical likelihood, for levels and codes."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import column_moments
from skvae._validation import Interval, OutsideSupportError, StrOptions
from skvae.likelihoods._one_scale import OneScaleModule
from skvae.likelihoods._support import CODES, ROUNDING, ObservedLevels, categories

_MOST_CATEGORIES = 2**16
_LOG_OF_NOTHING = -1e4  # finite, as weights in a file are


class Categorical(Likelihood):
    """Independent categorical variables: any distribution over K levels.

    For images of K grey levels, with a softmax over all of them for each pixel [1]_, and for table
    columns that hold codes, whatever numbers these are. The log-likelihood is that of a probability
    mass function, so :func:`~skvae.metrics.bits_per_dim` converts it to a code length.

    Parameters
    ----------
    n_categories : int or "auto", default=256
        Number of categories K, from 2 to 65,536. "auto" is the largest number of different levels
        in a column of the training rows.
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
    The decoder has K outputs per feature, grouped by category: 200,704 outputs for
    28 × 28 pixels of 256 levels.

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

    _parameter_constraints: dict = {
        "n_categories": [
            Interval(Integral, 2, _MOST_CATEGORIES, closed="both"),
            StrOptions({"auto"}),
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
        if self.levels == "observed" or (self.levels, self.n_categories) == ("auto", "auto"):
            return self._build_observed(X)
        n_categories = self.n_categories
        if n_categories == "auto":
            n_categories = int(np.clip(X.max() + 1, 2, _MOST_CATEGORIES))
        categories(n_categories).check(X, self)
        spec = Categorical(n_categories=n_categories, ordered=self.ordered, levels="range")
        return _Categorical(spec, X)

    def _build_observed(self, X: np.ndarray) -> LikelihoodModule:
        CODES.check(X, self)
        observed = [np.unique(column) for column in X.T]
        n_observed = max(2, *map(len, observed))
        n_categories = n_observed if self.n_categories == "auto" else self.n_categories
        most = min(n_categories, _MOST_CATEGORIES)
        if n_observed > most:
            raise self._too_many_levels(X, [len(levels) for levels in observed], most)
        spec = Categorical(n_categories=n_categories, ordered=self.ordered, levels="observed")
        return _Observed(spec, X, observed)

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

    def mean(self, outputs: Tensor) -> Tensor:
        logits = self._logits(outputs)
        if not self.ordered:
            return logits.argmax(-2).to(logits.dtype)
        amounts = torch.arange(logits.shape[-2], dtype=logits.dtype, device=logits.device)
        return (logits.softmax(-2) * amounts[:, None]).sum(-2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return draw_categories(self._logits(outputs).mT, generator).to(outputs.dtype)

    def _logits(self, outputs: Tensor) -> Tensor:
        """Return unnormalised log probabilities, (..., n_categories, n_features)."""
        return outputs.unflatten(-1, (-1, self.n_features)) + self.start.to(outputs.dtype)


class _Observed(LikelihoodModule):
    """Any distribution over the levels that occur in training, with some mass for all others.

    Columns with fewer levels than others repeat their last one; the repetitions have no mass.
    """

    level_values: Tensor  # ascending, float64 (n_categories, n_features)
    start: Tensor  # log frequencies, (n_categories, n_features)
    start_of_others: Tensor
    loc: Tensor  # of the positions of the levels
    scale: Tensor

    def __init__(self, spec: Categorical, X: np.ndarray, observed: list[np.ndarray]):
        n_features, n_categories = X.shape[1], spec.n_categories
        super().__init__(spec, n_features * n_categories)
        self.n_features = n_features
        self.ordered = spec.ordered
        values = np.empty((n_categories, n_features))
        start = np.full((n_categories, n_features), _LOG_OF_NOTHING)
        positions = np.empty(X.shape, dtype=np.float32)
        for feature, (column, own) in enumerate(zip(X.T, observed, strict=True)):
            positions[:, feature] = np.searchsorted(own, column)
            counts = np.bincount(positions[:, feature].astype(np.int64))
            values[:, feature] = own[np.minimum(np.arange(n_categories), len(own) - 1)]
            start[: len(own), feature] = np.log(counts / (len(X) + 1))
        mean, std = column_moments(positions)
        self.support = ObservedLevels(self._observed_levels)
        self.register_buffer("level_values", torch.from_numpy(values))
        self.register_buffer("start", torch.from_numpy(start))
        self.register_buffer("start_of_others", torch.tensor(-math.log(len(X) + 1)).double())
        self.register_buffer("loc", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(np.maximum(std, ROUNDING)))

    def standardize(self, x: Tensor) -> Tensor:
        positions, _ = self._nearest(x)
        return ((positions - self.loc) / self.scale).to(x.dtype)

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        logits = self._logits(outputs)
        others = self.start_of_others.to(logits.dtype).expand_as(logits[..., :1, :])
        log_shares = torch.cat([logits, others], dim=-2).log_softmax(-2)
        positions, distance = self._nearest(x)
        index = torch.where(distance == 0, positions, len(self.level_values))
        shape = torch.broadcast_shapes(log_shares[..., 0, :].shape, x.shape)
        log_shares = log_shares.expand(*shape[:-1], -1, -1)
        return log_shares.gather(-2, index.expand(shape)[..., None, :]).squeeze(-2)

    def mean(self, outputs: Tensor) -> Tensor:
        logits = self._logits(outputs)
        if not self.ordered:
            return self._values_at(logits.argmax(-2))
        return (logits.softmax(-2) * self.level_values).sum(-2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._values_at(draw_categories(self._logits(outputs).mT, generator))

    def _logits(self, outputs: Tensor) -> Tensor:
        """Return unnormalised log probabilities, (..., n_categories, n_features)."""
        return outputs.unflatten(-1, (-1, self.n_features)) + self.start.to(outputs.dtype)

    def _nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the position of the level nearest to every value, and the distance from it."""
        distances = (x.double().unsqueeze(-2) - self.level_values).abs()
        distance, position = distances.min(-2)
        return position, distance

    def _observed_levels(self) -> np.ndarray:
        return self.level_values.cpu().numpy()

    def _values_at(self, positions: Tensor) -> Tensor:
        values = self.level_values.gather(0, positions.reshape(-1, self.n_features))
        return values.view(positions.shape)


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
