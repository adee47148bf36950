"""The discretised logistic likelihood, for pixels and other amounts in whole levels."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from skvae._parts import Likelihood, LikelihoodModule
from skvae._validation import Interval, StrOptions
from skvae.likelihoods._categorical import draw_categories
from skvae.likelihoods._gaussian import NOISE_SPEED
from skvae.likelihoods._one_scale import OneScaleModule
from skvae.likelihoods._support import ROUNDING, grey_levels

_LEAST_WIDTH = 0.01  # in levels; at this width all of the mass is already on one level
_LOG_WIDTH_RANGE = (-20.0, 10.0)


class DiscretizedLogistic(Likelihood):
    """Logistic variables rounded to whole levels; the outermost levels include the tails.

    For images of 256 grey levels [1]_, or of any other number, and for other amounts in few steps.
    It needs one or two outputs per feature, while :class:`~skvae.likelihoods.Categorical` needs one
    per level, and gives neighbouring levels similar probabilities. The log-likelihood is that of a
    probability mass function, so :func:`~skvae.metrics.bits_per_dim` converts it to a code length.

    Parameters
    ----------
    n_levels : int, default=256
        Number of levels; rows hold the whole numbers from 0 to `n_levels` - 1.
    n_mixtures : int, default=1
        Number of logistics in the mixture of each feature [2]_; several can fit more than one mode.
    noise : {"per_sample", "per_feature", "shared"}, default="per_sample"
        Width of the logistics. "per_sample": decoded from z, for every sample and feature.
        "per_feature": learned, one for each feature. "shared": learned, one for all features.

    See Also
    --------
    skvae.likelihoods.Categorical : Any distribution over the levels.

    Notes
    -----
    With the logistic function s, the probability of a level [2]_ is
    ``p(x|z) = sum_m w_m [s((x + 1/2 - mean_m) / width_m) - s((x - 1/2 - mean_m) / width_m)]``,
    where 1/2 is replaced by infinity on the outer side of the first and the last level. Its
    logarithm is computed by ``log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a))``,
    which stays exact if the difference rounds to zero. Unlike in the paper, the colour channels of
    a pixel are independent given z.

    References
    ----------
    .. [1] Kingma et al. (2016), "Improved Variational Inference with Inverse Autoregressive Flow",
       appendix C.
    .. [2] Salimans et al. (2017), "PixelCNN++: Improving the PixelCNN with Discretized Logistic
       Mixture Likelihood and Other Modifications", equation 2.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import DiscretizedLogistic
    >>> density = DiscretizedLogistic(n_levels=4).build(np.array([[0.0], [3.0], [1.0]]))
    >>> levels = torch.arange(4.0)[:, None]
    >>> f"{density.log_prob(torch.zeros(4, 2), levels).exp().sum():.4f}"
    '1.0000'
    """

    _parameter_constraints: dict = {
        "n_levels": [Interval(Integral, 2, 2**16, closed="both")],
        "n_mixtures": [Interval(Integral, 1, None, closed="left")],
        "noise": [StrOptions({"per_sample", "per_feature", "shared"})],
    }

    def __init__(self, *, n_levels=256, n_mixtures=1, noise="per_sample"):
        self.n_levels = n_levels
        self.n_mixtures = n_mixtures
        self.noise = noise

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Whole numbers from 0 to `n_levels` - 1.

        Returns
        -------
        likelihood : LikelihoodModule

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If a value is not a whole number in that range.
        """
        self.validate()
        grey_levels(self.n_levels).check(X, self)
        return _DiscretizedLogistic(self, X)


class _Logistics(NamedTuple):
    """Parameters of the mixtures, in levels; all broadcast to the shape of the means."""

    mean: Tensor  # (..., n_mixtures, n_features)
    width: Tensor
    log_weight: Tensor


class _DiscretizedLogistic(OneScaleModule):
    free_log_width: nn.Parameter | None

    def __init__(self, spec: DiscretizedLogistic, X: np.ndarray):
        n_features, n_mixtures = X.shape[1], spec.n_mixtures
        per_sample = spec.noise == "per_sample"
        n_kinds = 1 + per_sample + (n_mixtures > 1)  # means, widths, weights
        super().__init__(spec, n_kinds * n_mixtures * n_features, X, least_scale=ROUNDING)
        self.n_levels, self.n_mixtures = spec.n_levels, n_mixtures
        self.support = grey_levels(spec.n_levels)
        self._shape = (n_kinds, n_mixtures, n_features)
        self.register_parameter("free_log_width", None)
        if not per_sample:
            size = (n_mixtures, n_features) if spec.noise == "per_feature" else (1, 1)
            self.free_log_width = nn.Parameter(torch.zeros(size))

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        logistics = self._logistics(outputs)
        log_mass = logistics.log_weight + self._log_mass(logistics, x.to(outputs.dtype))
        return log_mass.logsumexp(-2)

    def _log_mass(self, logistics: _Logistics, x: Tensor) -> Tensor:
        """Return the log probability under each logistic, (..., n_mixtures, n_features)."""
        x = x.unsqueeze(-2)
        to_upper = (x + 0.5 - logistics.mean) / logistics.width
        to_lower = (x - 0.5 - logistics.mean) / logistics.width
        first, last = x <= 0, x >= self.n_levels - 1
        below_upper = torch.where(last, 0.0, logsigmoid(to_upper))
        above_lower = torch.where(first, 0.0, logsigmoid(-to_lower))
        between = torch.where(first | last, 0.0, (-torch.expm1(-1 / logistics.width)).log())
        return below_upper + above_lower + between

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        logistics = self._logistics(outputs)
        rate, weight = 1 / logistics.width, logistics.log_weight.exp()
        start = -(logistics.mean - 0.5) * rate

        def below(x: Tensor) -> Tensor:
            level = x.floor()
            shares = (weight * torch.addcmul(start, rate, level.unsqueeze(-2)).sigmoid()).sum(-2)
            return torch.where(level < 0, 0.0, torch.where(level < self.n_levels - 1, shares, 1.0))

        return below

    def mean(self, outputs: Tensor) -> Tensor:
        logistics = self._logistics(outputs)
        expected = torch.zeros_like(logistics.mean)
        for level in range(self.n_levels - 1):  # E[x] is the sum of P(x > level)
            beyond = ((logistics.mean - level - 0.5) / logistics.width).sigmoid()
            expected = expected + beyond
        return (logistics.log_weight.exp() * expected).sum(-2)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, width, log_weight = torch.broadcast_tensors(*self._logistics(outputs))
        component = draw_categories(log_weight.movedim(-2, -1), generator).unsqueeze(-2)
        mean, width = (part.gather(-2, component).squeeze(-2) for part in (mean, width))
        uniform = torch.rand(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return (mean + width * uniform.logit()).round().clamp(0, self.n_levels - 1)

    def _logistics(self, outputs: Tensor) -> _Logistics:
        mean, *rest = outputs.unflatten(-1, self._shape).unbind(-3)
        log_weight = rest.pop().log_softmax(-2) if self.n_mixtures > 1 else torch.zeros_like(mean)
        free, scale = self.free_log_width, self.scale.to(mean.dtype)
        log_width = rest.pop() if free is None else NOISE_SPEED / 2 * free
        width = log_width.clamp(*_LOG_WIDTH_RANGE).exp() * scale + _LEAST_WIDTH
        return _Logistics(self._start().to(mean.dtype) + scale * mean, width, log_weight)

    def _start(self) -> Tensor:
        """Return the means before training, in levels, float64 (n_mixtures, n_features)."""
        places = torch.arange(self.n_mixtures, dtype=torch.float64, device=self.loc.device)
        places = (2 * places + 1) / self.n_mixtures - 1  # evenly in (-1, 1); 0 for a single one
        return self.loc + self.scale * places[:, None]
