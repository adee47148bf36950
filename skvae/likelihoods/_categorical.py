"""The categorical likelihood, for levels and codes."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._validation import Interval, StrOptions
from skvae.likelihoods._one_scale import OneScaleModule
from skvae.likelihoods._support import ROUNDING, categories

_MOST_CATEGORIES = 2**16


class Categorical(Likelihood):
    """Independent categorical variables: any distribution over the whole numbers 0 to K - 1.

    For images of K grey levels, with a softmax over all of them for each pixel [1]_, and for table
    columns that hold codes. The log-likelihood is that of a probability mass function, so
    :func:`~skvae.metrics.bits_per_dim` converts it to a code length.

    Parameters
    ----------
    n_categories : int or "auto", default=256
        Number of categories K, from 2 to 65,536. "auto" is the largest value in training plus one.
    ordered : bool, default=True
        True for amounts, such as grey levels or grades, whose mean is the expectation. False for
        codes of names: `reconstruct` and ``sample(mean=True)`` then return the most probable
        category instead of a mean.

    See Also
    --------
    skvae.likelihoods.DiscretizedLogistic : Far fewer outputs, for levels that are amounts.
    skvae.likelihoods.Mixed : For tables in which some columns are codes.

    Notes
    -----
    ``log p(x|z) = sum_j log softmax(logits_j(z) + start_j)[x_j]``, where `start` are the log
    frequencies in the training rows and one additional row that is spread evenly over the K
    categories. The decoder has K outputs per feature, grouped by category: 200,704 outputs for
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
    }

    def __init__(self, *, n_categories=256, ordered=True):
        self.n_categories = n_categories
        self.ordered = ordered

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Whole numbers from 0 to `n_categories` - 1.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the number of categories.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If a value is not a whole number in that range.
        """
        self.validate()
        n_categories = self.n_categories
        if n_categories == "auto":
            n_categories = int(np.clip(X.max() + 1, 2, _MOST_CATEGORIES))
        categories(n_categories).check(X, self)
        return _Categorical(Categorical(n_categories=n_categories, ordered=self.ordered), X)


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
