"""The Bernoulli likelihood, for binary data and for grey levels as probabilities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._validation import StrOptions
from skvae.likelihoods._logits import UnitIntervalModule, cross_entropy
from skvae.likelihoods._support import BINARY


class Bernoulli(Likelihood):
    """Independent Bernoulli variables: log p(x|z) is minus the binary cross-entropy.

    Accepts values in [0, 1]. For binary data it is a probability mass function. For grey levels in
    between it is the usual cross-entropy objective [1]_, which is not a density
    (:class:`~skvae.likelihoods.ContinuousBernoulli` is one).

    Parameters
    ----------
    binarize : {"dynamic"} or None, default=None
        "dynamic" replaces every grey level in a training or validation batch by a fresh draw, which
        is 1 with that probability and 0 otherwise [2]_. The model is then one of binary data, and
        overfits less. Rows that are scored or embedded are not binarised: to compare
        log-likelihoods, binarise the test rows yourself. None trains on the grey levels.

    See Also
    --------
    skvae.likelihoods.ContinuousBernoulli : A proper density on [0, 1].

    References
    ----------
    .. [1] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix C.1.
    .. [2] Salakhutdinov & Murray (2008), "On the Quantitative Analysis of Deep Belief Networks",
       section 5; Burda et al. (2016), "Importance Weighted Autoencoders", section 5.1.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import Bernoulli
    >>> density = Bernoulli().build(np.array([[0.0, 1.0], [1.0, 0.0]]))
    >>> density.log_prob(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))  # log(1/2) each
    tensor([[-0.6931, -0.6931]])
    """

    reads_sparse = True
    _parameter_constraints: dict = {"binarize": [StrOptions({"dynamic"}), None]}

    def __init__(self, *, binarize=None):
        self.binarize = binarize

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Values in [0, 1].

        Returns
        -------
        likelihood : LikelihoodModule
            With "dynamic", its `redraw` returns binary rows.

        Raises
        ------
        InvalidParameterError
            If `binarize` is neither "dynamic" nor None.
        ValueError
            If a value lies outside [0, 1].
        """
        self.validate()
        BINARY.check(X, self)
        return (_Bernoulli if self.binarize is None else _DynamicBernoulli)(self, X)


class _Bernoulli(UnitIntervalModule):
    support = BINARY

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        return -cross_entropy(self.logits(outputs), x)

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        of_zero = (-self.logits(outputs)).sigmoid()
        return lambda x: torch.where(x < 0, 0.0, torch.where(x < 1, of_zero, 1.0))

    def mean(self, outputs: Tensor) -> Tensor:
        return self.logits(outputs).sigmoid()

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(self.mean(outputs), generator=generator)


class _DynamicBernoulli(_Bernoulli):
    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return binary rows, drawn with the grey levels as probabilities."""
        uniform = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return uniform.lt_(x)  # torch.bernoulli takes twice the time
