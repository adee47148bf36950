"""The Gaussian likelihood, for real values in any units."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import Scaling, measure
from skvae._validation import Interval, StrOptions

_LOG_2PI = math.log(2 * math.pi)
_LARGEST_LOG_VARIANCE = 20.0
NOISE_SPEED = 10.0  # steps of a log variance per step of a weight: it has decades to go


class Gaussian(Likelihood):
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

    def __init__(self, *, noise="auto", scaling="auto", bounded="auto"):
        self.noise = noise
        self.scaling = scaling
        self.bounded = bounded

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Any real values.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `scaling` and `noise` tell what was chosen.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        ValueError
            If `bounded` is True where every feature has its own scale.
        """
        self.validate()
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
        spec = Gaussian(noise=noise, scaling=statistics.kind, bounded=bool(bounded and varies))
        return _Gaussian(spec, statistics)


class ScaledModule(LikelihoodModule):
    """Base of the distributions that see every feature less its centre, in units of its scale."""

    loc: Tensor
    scale: Tensor
    noise_floor: Tensor
    largest_input: Tensor
    unknown: Tensor  # columns of a single value, whose scale is not known

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
        """Return values in units of the scale, from the centre."""
        return (x - self.loc.to(x.dtype)) / self.scale.to(x.dtype)

    def in_units(self, scaled: Tensor) -> Tensor:
        """Return values in the units of X; in float64, as an offset may dwarf the spread."""
        return scaled.double() * self.scale + self.loc

    def bounded_variance(self, log_variance: Tensor) -> Tensor:
        """Return a variance above its floor, in units of the scale; 1 if the scale is unknown."""
        floor = self.noise_floor.square().to(log_variance.dtype)
        variance = log_variance.clamp(max=_LARGEST_LOG_VARIANCE).exp() + floor
        return torch.where(self.unknown, 1.0, variance)


class _Gaussian(ScaledModule):
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
        residual = self.scaled(x).to(mean.dtype) - mean  # (..., n_features)
        log_peak = -0.5 * (variance.log() + _LOG_2PI) - self.scale.log().to(mean.dtype)
        return log_peak - residual.square() / (2 * variance)

    def mean(self, outputs: Tensor) -> Tensor:
        mean = self.in_units(self._moments(outputs)[0])
        return mean.clamp(*self.ends) if self.bounded else mean  # rounding may overstep the ends

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, variance = self._moments(outputs)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return self.in_units(mean + variance.sqrt() * noise)

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
        """Return the outputs, or their sigmoid between the ends; zero is the training mean."""
        if not self.bounded:
            return outputs
        low, high = (self.ends[:, None] - self.loc) / self.scale  # (n_features,)
        start = (-low / (high - low)).clamp(1e-2, 1 - 1e-2).logit()
        low, width, start = (part.to(outputs.dtype) for part in (low, high - low, start))
        return torch.addcmul(low, width, (outputs + start).sigmoid())
