"""The Gaussian likelihood, for real values in any units."""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._scaling import Scaling, measure
from skvae._validation import Interval, StrOptions
from skvae.likelihoods._scaled import NOISE_SPEED, ScaledDensity, bounded_variance

_LOG_2PI = math.log(2 * math.pi)


class Gaussian(BaseEstimator):
    """Independent normal variables, with learned noise, in the units of X.

    The features are centred and scaled inside, and the density carries the Jacobian, so raw tables
    and raw images need no scaler in front and the log-likelihood is that of the data as given.

    Parameters
    ----------
    noise : {"auto", "shared", "per_feature", "per_sample"} or float, default="auto"
        Standard deviation of p(x|z). "shared": one for all features, relative to their scales
        (with a linear network and a common scale: probabilistic PCA [1]_). "per_feature": one for
        each (factor analysis). "per_sample": decoded from z, for every sample and feature [2]_.
        A number: fixed at that value, in the units of X; the objective is then squared error plus
        KL divergence. "auto": "per_feature" where every feature has its own scale, else "shared".
    scaling : {"auto", "feature", "global", "none"}, default="auto"
        "feature": every feature is measured in its own standard deviation, as columns of a table
        want. "global": all features are measured in one, as pixels and spectra want. "none": the
        features are taken in the units given, with one scale for arithmetic's sake and a mean
        without bounds: the linear case is that of :class:`~sklearn.decomposition.PCA`. "auto":
        "global" where the features share one range, else "feature"; the rule stands under Notes.
        What was chosen is the attribute `scaling` of the fitted `module_.likelihood`.
    bounded : bool or "auto", default="auto"
        Whether the mean of p(x|z) stays between the smallest and the largest value in training, by
        a sigmoid. "auto" does so under one scale ("global") when a hundredth of the values lie on
        those ends, as in images. True needs the features to share one scale.

    Notes
    -----
    ``log p(x|z) = sum_j log N((x_j - loc_j) / scale_j; mean_j(z), noise_j^2) - log scale_j``.

    Features share one range when at least 16 of them vary, with standard deviations that are not
    all alike (within a factor of 1.2), and they look like pixels or like a spectrum. Like pixels:
    three quarters of the features cover half of the range between the median minimum and the median
    maximum, and none reaches beyond twice that range. Like a spectrum: three quarters of the
    neighbours share half of their ranges, and the median of their correlations is above 0.9.

    The one scale is the pooled standard deviation, or half of the range where a hundredth
    of the values lie on its ends. The noise never falls below a thousandth of the scale,
    nor below the rounding error of the column, its smallest step divided by ``sqrt(12)``. A column
    that is constant in training keeps unit noise at the median scale of the others, where every
    feature has its own scale. So no column makes the density infinite.

    References
    ----------
    .. [1] Tipping & Bishop (1999), "Probabilistic Principal Component Analysis".
    .. [2] Kingma & Welling (2014), "Auto-Encoding Variational Bayes", appendix C.2.
    .. [3] Rybkin et al. (2021), "Simple and Effective VAE Training with Calibrated Decoders".

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.likelihoods import Gaussian
    >>> table = np.array([[1.0, 1000.0], [2.0, 3000.0], [4.0, 2000.0]])
    >>> Gaussian().build(table).scaling
    'feature'
    """

    _parameter_constraints: dict = {
        "noise": [
            StrOptions({"auto", "shared", "per_feature", "per_sample"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "scaling": [StrOptions({"auto", "feature", "global", "none"})],
        "bounded": ["boolean", StrOptions({"auto"})],
    }

    def __init__(self, noise="auto", scaling="auto", bounded="auto"):
        self.noise = noise
        self.scaling = scaling
        self.bounded = bounded

    def build(self, X: np.ndarray) -> nn.Module:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Any real values.

        Returns
        -------
        likelihood : torch.nn.Module
            With `n_outputs`, `standardize(x)`, `log_prob(outputs, x)` in nats, `mean(outputs)` and
            `sample(outputs, generator)`; `scaling` and `noise` say what was chosen.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If `bounded` is True where every feature has its own scale.
        """
        self._validate_params()
        statistics = measure(X, self.scaling)
        noise, bounded = self.noise, self.bounded
        if noise == "auto":
            noise = "per_feature" if statistics.kind == "feature" else "shared"
        if bounded == "auto":
            bounded = statistics.kind == "global" and statistics.saturated
        elif bounded and statistics.kind == "feature":
            raise ValueError(
                "'bounded' of Gaussian is True, but every feature has a scale of its own "
                f"(scaling={self.scaling!r}). Choose scaling='global', or bounded=False."
            )
        varies = statistics.low < statistics.high  # else there are no ends to stay between
        return _Gaussian(statistics, noise, bool(bounded and varies))


class _Constants(NamedTuple):
    """In the dtype of the computation, all of shape (n_features,) or scalar."""

    loc: Tensor
    scale: Tensor
    limit: Tensor  # cut-off of the encoder's inputs
    log_volume: Tensor  # what every log density has in common: log scales, and log(2 pi) / 2
    least_variance: Tensor
    unknown: Tensor | None  # None where every column has taught its scale
    low: Tensor  # ends of the mean, where it is bounded, in units of the scale
    width: Tensor
    start: Tensor  # logit of the training mean between the ends


class _Gaussian(ScaledDensity):
    ends: Tensor
    fixed_noise: Tensor | None
    free_log_variance: nn.Parameter | None

    def __init__(self, statistics: Scaling, noise: str | float, bounded: bool):
        super().__init__(statistics)
        self.noise, self.bounded = noise, bounded
        self.spec = Gaussian(noise, statistics.kind, bounded)
        n_features = len(statistics.loc)
        self.n_outputs = 2 * n_features if noise == "per_sample" else n_features
        self.register_buffer(
            "ends", torch.tensor([statistics.low, statistics.high], dtype=torch.float64)
        )
        self.register_buffer("fixed_noise", None)
        self.register_parameter("free_log_variance", None)
        if isinstance(noise, Real):
            self.fixed_noise = float(noise) / self.scale
        elif noise != "per_sample":
            size = n_features if noise == "per_feature" else 1
            self.free_log_variance = nn.Parameter(torch.zeros(size))

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        mean, variance = self._moments(outputs)
        residual = self._scaled(x).to(mean.dtype) - mean  # (..., n_features)
        squares = (residual.square() / variance).sum(-1)
        logs = variance.log().expand(*variance.shape[:-1], residual.shape[-1]).sum(-1)
        return -0.5 * (squares + logs) - self.constants(mean).log_volume

    def mean(self, outputs: Tensor) -> Tensor:
        mean = self._in_units(self._moments(outputs)[0])
        return mean.clamp(*self.ends) if self.bounded else mean  # rounding may overstep the ends

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, variance = self._moments(outputs)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return self._in_units(mean + variance.sqrt() * noise)

    def _moments(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of p(x|z) in units of the scale; they broadcast."""
        constants = self.constants(outputs)
        if self.fixed_noise is not None:
            return self._bounded(outputs), constants.least_variance
        if self.free_log_variance is not None:
            mean, log_variance = outputs, NOISE_SPEED * self.free_log_variance
        else:
            mean, log_variance = outputs.chunk(2, -1)
        return self._bounded(mean), bounded_variance(log_variance, constants)

    def _bounded(self, outputs: Tensor) -> Tensor:
        """Return the outputs, or their sigmoid between the ends; zero is the training mean."""
        if not self.bounded:
            return outputs
        constants = self.constants(outputs)
        return torch.addcmul(constants.low, constants.width, (outputs + constants.start).sigmoid())

    def _derive(self, dtype: torch.dtype) -> _Constants:
        low, high = ((end - self.loc) / self.scale for end in self.ends)  # (n_features,)
        start = (-low / (high - low)).clamp(1e-2, 1 - 1e-2).logit()
        noise = self.noise_floor if self.fixed_noise is None else self.fixed_noise
        low, width = low.to(dtype), (high - low).to(dtype)
        return _Constants(
            loc=self.loc.to(dtype),
            scale=self.scale.to(dtype),
            limit=self.largest_input.to(dtype),
            log_volume=(self.scale.log() + _LOG_2PI / 2).sum().to(dtype),
            least_variance=noise.square().to(dtype),
            unknown=self._unknown_columns(),
            low=low,
            width=width,
            start=start.to(dtype),
        )
