"""Student's t likelihood, for real values with heavy tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import numpy as np
import torch
from scipy.special import stdtr
from torch import Tensor, nn

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import Scaling, measure, within_fences
from skvae._validation import Interval, StrOptions
from skvae.likelihoods._gaussian import NOISE_SPEED, ScaledModule

_LEAST_DF, _START_DF = 1.0, 4.0  # the mean exists above 1; Lange et al. start from 4
_LOG_DF_RANGE = (-5.0, 10.0)
_LARGEST_DEVIATION = 1e18  # its square is still finite in float32


class StudentT(Likelihood):
    """Independent Student's t variables, for real values with heavy tails.

    The cost of a large deviation grows with its logarithm instead of its square, so that a few
    outliers dominate neither the fit nor the noise [1]_. For each feature the noise is learned and,
    unless `df` is a number, the degrees of freedom: few give heavy tails, many a Gaussian.

    Parameters
    ----------
    df : float or "learned", default="learned"
        Degrees of freedom. "learned": one number above 1 for each feature. A number: fixed at that
        value; 1 is the Cauchy distribution, for which `mean` returns the centre.
    scaling : {"auto", "feature", "global", "none"}, default="auto"
        Scale of the features, as in :class:`~skvae.likelihoods.Gaussian`. The choice is the
        attribute `scaling` of the fitted `module_.likelihood`.

    See Also
    --------
    skvae.likelihoods.Gaussian : Without heavy tails.

    Notes
    -----
    ``log p(x|z) = sum_j log t((x_j - loc_j) / scale_j; mean_j(z), noise_j, df_j) - log scale_j``
    with ``t(u) = G((df + 1) / 2) / (G(df / 2) sqrt(pi df) noise) (1 + d^2 / df)^(-(df + 1) / 2)``,
    ``d = (u - mean) / noise`` and the gamma function G.

    Centre and scale are computed after clipping the values at Tukey's outer fences [2]_, three
    interquartile ranges beyond the quartiles, so that outliers do not determine them. If more than
    half of a column is one value, the quartiles are those of the other values. The lower bounds of
    the noise are those of :class:`~skvae.likelihoods.Gaussian`.

    References
    ----------
    .. [1] Lange, Little & Taylor (1989), "Robust Statistical Modeling Using the t Distribution".
    .. [2] Tukey (1977), "Exploratory Data Analysis", section 2D.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skvae.likelihoods import StudentT
    >>> density = StudentT().build(np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]]))
    >>> density.mean(torch.zeros(1, 1))  # 1000 is clipped at 10, as the quartiles are 2 and 4
    tensor([[4.]], dtype=torch.float64)
    """

    real_valued = True

    _parameter_constraints: dict = {
        "df": [Interval(Real, 0, None, closed="neither"), StrOptions({"learned"})],
        "scaling": [StrOptions({"auto", "feature", "global", "none"})],
    }

    def __init__(self, *, df="learned", scaling="auto"):
        self.df = df
        self.scaling = scaling

    def build(self, X: np.ndarray) -> LikelihoodModule:
        """Build the distribution for the training rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Any real values.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `spec` holds the scaling that was chosen.

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        statistics = measure(within_fences(X), self.scaling)
        return _StudentT(StudentT(df=self.df, scaling=statistics.kind), statistics)

    def least_values(self, n_features: int) -> int:
        return 4 * n_features  # centre, scale, least noise and largest input


class _StudentT(ScaledModule):
    heavy_tailed = True
    free_log_df: nn.Parameter | None

    def __init__(self, spec: StudentT, statistics: Scaling):
        n_features = len(statistics.loc)
        super().__init__(spec, n_features, statistics)
        self.free_log_variance = nn.Parameter(torch.zeros(n_features))
        self.register_parameter("free_log_df", None)
        if spec.df == "learned":
            self.free_log_df = nn.Parameter(torch.zeros(n_features))
        self.fixed_df = spec.df

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        variance, df = self._variance(), self.df().to(outputs.dtype)
        residual = self.scaled(x).to(outputs.dtype) - outputs
        deviation = residual / (df * variance).sqrt()
        deviation = deviation.clamp(-_LARGEST_DEVIATION, _LARGEST_DEVIATION)
        kernels = 0.5 * (df + 1) * deviation.square().log1p()
        log_peaks = (self._log_normalizers() - self.scale.log()).to(outputs.dtype)
        return log_peaks - 0.5 * variance.log() - kernels

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        noise, df = self._variance().sqrt(), self.df().cpu().numpy()

        def below(x: Tensor) -> Tensor:
            deviation = (self.scaled(x) - outputs) / noise
            return torch.from_numpy(stdtr(df, deviation.double().cpu().numpy()))

        return below

    def mean(self, outputs: Tensor) -> Tensor:
        return self.in_units(outputs)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        shape, dtype, device = outputs.shape, outputs.dtype, outputs.device
        normal = torch.randn(shape, generator=generator, dtype=dtype, device=device)
        half_df = (0.5 * self.df()).expand(shape).contiguous()
        # torch's public distributions do not accept a generator
        gamma = torch._standard_gamma(half_df, generator=generator)
        deviation = normal * (half_df / gamma).sqrt()
        return self.in_units(outputs + self._variance().sqrt() * deviation)

    def df(self) -> Tensor:
        """Return the degrees of freedom, float64 of shape (n_features,)."""
        if self.free_log_df is None:
            return torch.full_like(self.loc, self.fixed_df)
        start = math.log(_START_DF - _LEAST_DF)
        log_excess = start + NOISE_SPEED / 2 * self.free_log_df.double()
        return _LEAST_DF + log_excess.clamp(*_LOG_DF_RANGE).exp()

    def _variance(self) -> Tensor:
        return self.bounded_variance(NOISE_SPEED * self.free_log_variance)

    def _log_normalizers(self) -> Tensor:
        """Return the log density at the centre for unit noise, float64 of shape (n_features,)."""
        half = self.df() / 2
        return torch.lgamma(half + 0.5) - torch.lgamma(half) - 0.5 * (2 * math.pi * half).log()
