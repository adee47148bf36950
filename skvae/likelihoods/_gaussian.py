"""The Gaussian likelihood, for real values in any units."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import Scaling, measure
from skvae._validation import Interval, StrOptions

_LOG_2PI = math.log(2 * math.pi)
_LARGEST_LOG_VARIANCE = 20.0
_LARGEST_SCALED = 1e14  # the square over the least variance is still finite in float32
NOISE_SPEED = 10.0  # step of a log variance per step of a weight, as it may change by decades


class Gaussian(Likelihood):
    """Independent normal variables, with learned noise, in the units of X.

    The features are centred and scaled internally, and the density includes the Jacobian. Raw
    tables and images therefore need no scaler, and the log-likelihood is in the units of the data.

    Parameters
    ----------
    noise : {"auto", "shared", "per_feature", "per_sample"} or float, default="auto"
        Standard deviation of p(x|z). "shared": one for all features, learned [3]_, relative to
        their scales (with a linear network and a common scale: probabilistic PCA [1]_).
        "per_feature": one for each, learned (factor analysis). "per_sample": decoded from z, for
        every sample and feature [2]_. A number: fixed at that value, in the units of X; the
        objective is then squared error plus KL divergence. "auto": "per_feature" if every feature
        has its own scale, else "shared".
    scaling : {"auto", "feature", "global", "none"}, default="auto"
        "feature": every feature is divided by its own standard deviation, which suits tables.
        "global": all features are divided by a common scale, which suits pixels and spectra.
        "none": the features keep their relative units; a common scale serves the arithmetic only,
        and the mean is not bounded, so that the linear case is that of
        :class:`~sklearn.decomposition.PCA`. "auto": "global" if the features share one range, else
        "feature"; the rule is stated under Notes. The choice is the attribute `scaling` of the
        fitted `module_.likelihood`.
    bounded : bool or "auto", default="auto"
        Whether a sigmoid keeps the mean of p(x|z) between the smallest and the largest value in
        training. "auto" does so if the scaling is "global" and at least 1 % of the values equal
        one of these two, as in images. True is not compatible with a scale per feature.
    noise_floor : float, default=1e-3
        Lower bound of learned noise, in units of the scale, at least the default. With so little
        noise, columns in which many values are equal can make training unstable.

    Notes
    -----
    ``log p(x|z) = sum_j log N((x_j - loc_j) / scale_j; mean_j(z), noise_j^2) - log scale_j``.

    Features share one range if at least 16 of them vary, if their standard deviations differ by
    more than a factor of 1.2, and if they resemble pixels or a spectrum. They resemble pixels if
    the range of all is at most twice as wide as that from the median minimum to the median maximum,
    and all features cover half of the latter. Up to a quarter of them may cover less if the images
    have a background: a quarter of all values, and of those of each such feature, lie within a
    twentieth of that range of its end. Features resemble a spectrum if three quarters of the
    neighbouring pairs share half of their ranges, if the median of their correlations is above 0.9,
    and if every pair shares a tenth of its range or has such a correlation.

    A value is wild if a gap separates it from the rest of its column: its distance from the median
    is at least five times the next smaller one. At most 2 % of a column are wild, or two values if
    it is short. Centre and scale are computed as if they were the nearest ordinary values, and in
    training they count as values at most twice as far out, other values as at most 20 standard
    deviations from the centre. Scores are computed with the values themselves.

    The common scale is the pooled standard deviation, or half of the range if at least 1 % of the
    values lie at its ends. The noise is never smaller than `noise_floor` times the scale, nor than
    the rounding error of the column, which is its smallest step divided by ``sqrt(12)``. With a
    scale per feature, a column that is constant in training has unit noise at the median scale of
    the others. The density is thus bounded for every column.

    A network learns a few rows by heart, and the noise then becomes too small for any other row.
    If ``share = m / (m + n)`` with ``m = 20 * n_features * min(n_components, n_features) / n`` is
    at least 3 %, that share of every training batch is therefore replaced by draws of a factor
    analysis of the n rows. The held-out log-likelihood then stays near that of the better of PCA
    and factor analysis, or above it (``benchmarks/quality/small_tables.py``). A number as
    `weight_decay` of the estimator switches this off.

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

    real_valued = True
    reads_sparse = True

    _parameter_constraints: dict = {
        "noise": [
            StrOptions({"auto", "shared", "per_feature", "per_sample"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "scaling": [StrOptions({"auto", "feature", "global", "none"})],
        "bounded": ["boolean", StrOptions({"auto"})],
        "noise_floor": [Interval(Real, 1e-3, None, closed="left")],
    }

    def __init__(self, *, noise="auto", scaling="auto", bounded="auto", noise_floor=1e-3):
        self.noise = noise
        self.scaling = scaling
        self.bounded = bounded
        self.noise_floor = noise_floor

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Any real values.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the noise, scaling and bounds that were chosen.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If `bounded` is True and every feature has its own scale.
        """
        return self._module(*self._measured(X))

    def _module(self, spec: Gaussian, statistics: Scaling) -> LikelihoodModule:
        return GaussianModule(spec, statistics)

    def _measured(self, X: np.ndarray) -> tuple[Gaussian, Scaling]:
        """Return the spec with every "auto" resolved, and the statistics of the rows."""
        self.validate()
        statistics = measure(X, self.scaling)
        noise_floor = np.maximum(statistics.noise_floor, self.noise_floor)
        statistics = statistics._replace(noise_floor=noise_floor)
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
        varies = statistics.low < statistics.high  # a constant table has no range
        spec = type(self)(
            noise=noise,
            scaling=statistics.kind,
            bounded=bool(bounded and varies),
            noise_floor=self.noise_floor,
        )
        return spec, statistics

    def least_values(self, n_features: int) -> int:
        return 4 * n_features  # centre, scale, least noise and largest input


class ScaledModule(LikelihoodModule):
    """Base of the distributions that centre and scale every feature."""

    loc: Tensor
    scale: Tensor
    noise_floor: Tensor
    largest_input: Tensor
    unknown: Tensor  # constant columns, whose own scale is unknown

    def __init__(self, spec: Likelihood, n_outputs: int, statistics: Scaling):
        super().__init__(spec, n_outputs)
        self.scaling = statistics.kind
        self.register_buffer("loc", torch.from_numpy(statistics.loc))
        self.register_buffer("scale", torch.from_numpy(statistics.scale))
        self.register_buffer("noise_floor", torch.from_numpy(statistics.noise_floor))
        self.register_buffer("largest_input", torch.from_numpy(statistics.largest_input))
        self.register_buffer("unknown", torch.from_numpy(statistics.unknown))

    def standardize(self, x: Tensor) -> Tensor:
        limit = self.largest_input.to(x.dtype)
        return self.scaled(x).clamp(-limit, limit)

    def scaled(self, x: Tensor) -> Tensor:
        """Return centred values in units of the scale."""
        return (x - self.loc.to(x.dtype)) / self.scale.to(x.dtype)

    def in_units(self, scaled: Tensor) -> Tensor:
        """Return values in the units of X; in float64, as an offset may dwarf the spread."""
        return scaled.double() * self.scale + self.loc

    def bounded_variance(self, log_variance: Tensor) -> Tensor:
        """Return a variance above its floor, in units of the scale; 1 if the scale is unknown."""
        floor = self.noise_floor.square().to(log_variance.dtype)
        variance = log_variance.clamp(max=_LARGEST_LOG_VARIANCE).exp() + floor
        return torch.where(self.unknown, 1.0, variance)


class GaussianModule(ScaledModule):
    """Normal variables whose means are outputs of the decoder."""

    ends: Tensor
    fixed_noise: Tensor | None
    free_log_variance: nn.Parameter | None

    def __init__(self, spec: Gaussian, statistics: Scaling):
        n_features = len(statistics.loc)
        noise = spec.noise
        super().__init__(spec, (1 + (noise == "per_sample")) * n_features, statistics)
        self.noise, self.bounded = noise, spec.bounded
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
        scaled = self.scaled(x).clamp(-_LARGEST_SCALED, _LARGEST_SCALED).to(mean.dtype)
        residual = scaled - mean  # (..., n_features)
        log_peak = -0.5 * (variance.log() + _LOG_2PI) - self.scale.log().to(mean.dtype)
        return log_peak - residual.square() / (2 * variance)

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        mean, variance = self._moments(outputs)
        return lambda x: torch.special.ndtr((self.scaled(x) - mean) / variance.sqrt())

    def mean(self, outputs: Tensor) -> Tensor:
        mean = self.in_units(self._moments(outputs)[0])
        return mean.clamp(*self.ends) if self.bounded else mean  # rounding may exceed the ends

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, variance = self._moments(outputs)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return self.in_units(mean + variance.sqrt() * noise)

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        # squared errors would let a single wild value decide the fit of all other rows
        reach = self.largest_input * self.scale
        low, high = (self.loc - reach).to(x.dtype), (self.loc + reach).to(x.dtype)
        return x.clamp(low, high)

    def _moments(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of p(x|z) in units of the scale; they broadcast."""
        if self.fixed_noise is not None:
            return self._bounded(outputs), self.fixed_noise.square().to(outputs.dtype)
        if self.free_log_variance is not None:
            mean, log_variance = outputs, NOISE_SPEED * self.free_log_variance
        else:
            mean, log_variance = outputs.chunk(2, -1)
        return self._bounded(mean), self.bounded_variance(log_variance)

    def _bounded(self, outputs: Tensor) -> Tensor:
        """Return the outputs or, if bounded, a sigmoid whose value at 0 is the training mean."""
        if not self.bounded:
            return outputs
        low, high = (self.ends[:, None] - self.loc) / self.scale  # (n_features,)
        start = (-low / (high - low)).clamp(1e-2, 1 - 1e-2).logit()
        low, width, start = (part.to(outputs.dtype) for part in (low, high - low, start))
        return torch.addcmul(low, width, (outputs + start).sigmoid())
