"""A normal distribution of values that may be missing because of what they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from skvae._parts import LikelihoodModule
from skvae._scaling import Scaling
from skvae.likelihoods._gaussian import Gaussian, GaussianModule

_LOG_2PI = float(np.log(2 * np.pi))
_SPEED = 5.0  # of slopes and thresholds per step of a weight, as they may change by much
_STEEP, _GENTLE, _FLAT = 50.0, 2.0, 0.1  # slopes to start from; flat ones have no sign yet
_STEEPEST = 1e3
_LEAST_Z = 3.0  # of a shift that is taken for a fact
_MOST_DOUBT = 15.0  # nats; without self-masking it is in the hundreds
_FEWEST_VALUES = 10
_MOST_ROWS = 10_000
_LEAST_VARIANCE = 1e-9
_LEAST_NOISE = 1e-4
_TENTHS = (0.0, 0.1, 0.2, 0.8, 0.9, 1.0)
_CLIFF = 2.0
_SHARES = (0.01, 0.99)
_LARGEST_VALUE = 1e6  # in units of the scale
_FAR = -30.0  # beyond it the tail of N(0, 1) is that of an exponential distribution


class SelfMaskingGaussian(Gaussian):
    """Independent normal variables that may be missing because of their values.

    In columns with missing values in training, the probability that a value is missing rises or
    falls with the value [1]_. The likelihood of a row is then that of its observed values and of
    its gaps, and imputed values take into account that they are missing. Other columns are those
    of a :class:`Gaussian`.

    Parameters
    ----------
    noise : {"auto", "shared", "per_feature", "per_sample"} or float, default="auto"
        Standard deviation of p(x|z), as in :class:`Gaussian`.
    scaling : {"auto", "feature", "global", "none"}, default="auto"
        As in :class:`Gaussian`.
    bounded : bool or "auto", default="auto"
        As in :class:`Gaussian`.
    noise_floor : float, default=1e-3
        As in :class:`Gaussian`.

    Notes
    -----
    With x_j in units of its scale, ``P(x_j is missing) = Phi(slope_j * x_j - a_j)``, where Phi is
    the distribution function of N(0, 1). As p(x_j|z) is normal with mean m and variance v, missing
    values are integrated out exactly: ``P(x_j is missing | z) = Phi((slope_j * m - a_j) / sqrt(1 +
    slope_j^2 v))``. Slopes and thresholds are learned with the weights.

    Training starts from a guess of the side on which values are missing, and of their mean. Each
    other column is regressed on column j where both are observed, which is not affected by the
    gaps of column j [2]_. The mean of the other column where x_j is missing then leads back to the
    mean of the missing x_j. If the observed values of column j end abruptly on that side, the
    threshold is the last of them, and the column starts as a truncated normal distribution. If the
    other columns do not tell the side, such an end does.

    A linear decoder (``MLP(linear_decoder=True)``) extrapolates to values that were never observed
    more reliably than a network.

    References
    ----------
    .. [1] Ipsen, Mattei & Frellsen (2021), "not-MIWAE: Deep Generative Modelling with Missing not
       at Random Data", section 3.
    .. [2] Mohan, Thoemmes & Pearl (2018), "Estimation with Incomplete Data: The Linear Case".

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAETransformer
    >>> from skvae.likelihoods import SelfMaskingGaussian
    >>> rng = np.random.default_rng(0)
    >>> income = rng.normal(3000, 1000, size=500)
    >>> X = np.column_stack([income / 12 + rng.normal(0, 30, size=500), income])
    >>> X[income > 3500, 1] = np.nan  # high incomes are concealed
    >>> vae = VAETransformer(1, likelihood=SelfMaskingGaussian(), max_epochs=2, random_state=0)
    >>> vae.fit(X).module_.likelihood.slope[1].item() > 0
    True
    """

    self_masking = True

    def build_with_gaps(self, X: np.ndarray, filled: np.ndarray) -> LikelihoodModule:
        """Build the distribution for training rows with missing values.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows with NaN for missing values.
        filled : ndarray of shape (n_samples, n_features)
            The rows with observed values in place of missing ones.

        Returns
        -------
        likelihood : LikelihoodModule
            Its `slope` and `threshold` describe which values are missing.
        """
        start = _start(X)
        spec, statistics = self._measured(_with_stand_ins(X, filled, start))
        module = _SelfMaskingGaussian(spec, statistics)
        module.start_from(start)
        return module

    def _module(self, spec: Gaussian, statistics: Scaling) -> LikelihoodModule:
        return _SelfMaskingGaussian(spec, statistics)


class _SelfMaskingGaussian(GaussianModule):
    is_masked: Tensor  # columns with missing values in training
    has_edge: Tensor  # columns whose threshold is known
    free_slope: nn.Parameter
    free_threshold: nn.Parameter

    def __init__(self, spec: Gaussian, statistics: Scaling):
        super().__init__(spec, statistics)
        n_features = len(statistics.loc)
        for name in ("is_masked", "has_edge"):
            self.register_buffer(name, torch.zeros(n_features, dtype=torch.bool))
        self.free_slope = nn.Parameter(torch.zeros(n_features))
        self.free_threshold = nn.Parameter(torch.zeros(n_features))

    @torch.no_grad()
    def start_from(self, start: _Start) -> None:
        """Set slopes and thresholds to those that are read off the rows."""
        edge = (torch.from_numpy(start.edge) - self.loc) / self.scale
        quantile = torch.from_numpy(ndtri(1 - start.share))
        threshold = torch.where(torch.from_numpy(start.has_edge), edge, quantile)
        self.is_masked.copy_(torch.from_numpy(start.is_masked))
        self.has_edge.copy_(torch.from_numpy(start.has_edge))
        self.free_slope.copy_(torch.from_numpy(start.slope).asinh() / _SPEED)
        self.free_threshold.copy_(threshold)

    @property
    def slope(self) -> Tensor:
        """How fast the probit of being missing rises with a value, in units of the scale."""
        return (_SPEED * self.free_slope).sinh().clamp(-_STEEPEST, _STEEPEST) * self.is_masked

    @property
    def intercept(self) -> Tensor:
        """The probit of being missing at zero, with the sign reversed.

        Without a known edge, it is parametrised by the share of missing values.
        """
        slope = self.slope
        return torch.where(
            self.has_edge,
            slope * self.free_threshold.detach(),
            self.free_threshold * (1 + slope.square()).sqrt(),
        )

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        log_prob = super().log_prob(outputs, x)
        value = self.scaled(x).to(log_prob.dtype).clamp(-_LARGEST_VALUE, _LARGEST_VALUE)
        probit = self.intercept - self.slope * value
        return log_prob + torch.where(self.is_masked, torch.special.log_ndtr(probit), 0.0)

    def log_missing(self, outputs: Tensor) -> Tensor:
        return torch.where(
            self.is_masked, torch.special.log_ndtr(self._missing(outputs).probit), 0.0
        )

    def mean_of_draws(self, outputs: Tensor, weights: Tensor) -> Tensor:
        mean, _ = self._moments(outputs)
        missing = self._missing(outputs)
        # E[y|y > 0] of a normal y with unit variance is its mean and the inverse Mills ratio
        mills = (
            -0.5 * (missing.probit.square() + _LOG_2PI) - torch.special.log_ndtr(missing.probit)
        ).exp()
        means = self.in_units(mean + missing.covariance * mills)
        return (weights.to(means)[..., None] * means).sum(1)

    def sample_missing(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        mean, variance = self._moments(outputs)
        probit, covariance = self._missing(outputs)
        kind: dict[str, Any] = {"dtype": torch.float64, "device": mean.device}
        uniform = torch.rand(mean.shape, generator=generator, **kind)
        noise = torch.randn(mean.shape, generator=generator, **kind)
        above = _above(probit.double(), uniform)
        rest = (variance - covariance.square()).clamp(min=0).sqrt()
        return self.in_units(mean + covariance * above + rest * noise)

    def _missing(self, outputs: Tensor) -> _Missing:
        mean, variance = self._moments(outputs)
        slope = self.slope
        deviation = (1 + slope.square() * variance).sqrt()
        return _Missing((slope * mean - self.intercept) / deviation, slope * variance / deviation)


class _Missing(NamedTuple):
    """A value is missing if y > 0, for a normal y with unit variance and mean `probit`.

    `covariance` is that of y and the value, given z.
    """

    probit: Tensor
    covariance: Tensor


def _above(probit: Tensor, uniform: Tensor) -> Tensor:
    """Draw e ~ N(0, 1) given that probit + e > 0, by inversion, in double precision."""
    near = probit.clamp(min=_FAR)
    drawn = -torch.special.ndtri(uniform * torch.special.ndtr(near))
    exponential = -probit - uniform.log() / probit.abs().clamp(min=1.0)
    return torch.where(probit < _FAR, exponential, drawn)


class _Start(NamedTuple):
    """What the training rows tell of their gaps before training, one value per column."""

    is_masked: np.ndarray  # bool: has missing and observed values
    has_edge: np.ndarray  # bool: values beyond `edge` are missing
    edge: np.ndarray
    slope: np.ndarray  # positive if large values are missing
    share: np.ndarray  # of missing values
    center: np.ndarray  # of the whole column, with its missing values, if it has an edge
    width: np.ndarray
    shift: np.ndarray  # mean of the missing values less that of the observed ones


def _start(X: np.ndarray) -> _Start:
    """Read off the rows on which side of every column values are missing, and how many."""
    observed = ~np.isnan(X)
    rows = X.astype(np.float64)
    is_masked = ~observed.all(axis=0) & (observed.sum(axis=0) >= _FEWEST_VALUES)
    share = np.clip((~observed).mean(axis=0), *_SHARES)
    loc, std, low, high = _of_observed(rows)
    shift, precision = _shifts((rows - loc) / std)
    z = shift * np.sqrt(precision)
    cliffs = np.array([_cliffs(column) for column in rows.T])  # (n_features, 2): below, above
    certain = np.abs(z) >= _LEAST_Z
    side = np.where(certain, np.sign(z), np.where(cliffs[:, 1], 1.0, -1.0))
    edge = np.where(side > 0, high, low)
    # a normal distribution whose share beyond the edge is missing, and whose mean before it is loc
    quantile, peak = ndtri(1 - share), np.exp(-0.5 * (ndtri(share) ** 2 + _LOG_2PI))
    width = np.abs(edge - loc) / (quantile + peak / (1 - share))
    expected = side * np.sqrt(precision) * width / std * peak / (share * (1 - share))
    doubt = ((z - expected) ** 2 - z**2) / 2  # nats against the edge by the other columns
    is_plausible = (cliffs[:, 0] != cliffs[:, 1]) & (doubt < _MOST_DOUBT)
    at_side = np.where(side > 0, cliffs[:, 1], cliffs[:, 0])
    has_edge = is_masked & at_side & (certain | is_plausible)
    known = is_masked & (has_edge | certain)
    side = np.where(known, side, _common(side[known]))
    steepness = np.where(has_edge, _STEEP, np.where(side != 0, _GENTLE, _FLAT))
    return _Start(
        is_masked=is_masked,
        has_edge=has_edge,
        edge=np.where(has_edge, edge, 0.0),
        slope=np.where(is_masked, np.where(side < 0, -steepness, steepness), 0.0),
        share=share,
        center=edge - side * width * quantile,
        width=width,
        shift=shift * std * precision / (precision + 1),  # towards none, where little is known
    )


def _common(sides: np.ndarray) -> float:
    """Return the side on which values are missing in all columns alike, 0 if they differ."""
    return float(np.sign(sides.sum())) if len(sides) and abs(sides.sum()) == len(sides) else 0.0


def _of_observed(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and range of the observed values of each column."""
    filled = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    std = np.nanstd(filled, axis=0)
    std[std == 0] = 1.0
    return np.nanmean(filled, axis=0), std, np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)


def _shifts(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of the missing values of each standardised column, and its precision.

    Every other column is regressed on this one where both are observed. Its mean where this one is
    missing, less the intercept, is the slope times the mean sought. The columns are weighted by
    their precision and, as they depend on one another, count together as one.
    """
    rows = rows[:: -(-len(rows) // _MOST_ROWS)]
    seen = (~np.isnan(rows)).astype(np.float64)
    x = np.nan_to_num(rows)
    n, n_gaps = seen.T @ seen, (1 - seen).T @ seen  # (this column, other column)
    usable = (n >= _FEWEST_VALUES) & (n_gaps >= _FEWEST_VALUES)
    np.fill_diagonal(usable, False)
    n, n_gaps = np.maximum(n, 1), np.maximum(n_gaps, 1)
    mean, mean_other = x.T @ seen / n, seen.T @ x / n
    variance = np.square(x).T @ seen / n - mean**2
    usable &= variance > _LEAST_VARIANCE
    covariance = x.T @ x / n - mean * mean_other
    slope = np.where(usable, covariance / np.maximum(variance, _LEAST_VARIANCE), 0.0)
    left = seen.T @ np.square(x) / n - mean_other**2 - slope * covariance
    spread = np.maximum(left, _LEAST_NOISE) * (1 / n_gaps + 1 / n)
    risen = (1 - seen).T @ x / n_gaps - (mean_other - slope * mean)
    precision = (slope**2 / spread).sum(axis=1)
    shift = (slope * risen / spread).sum(axis=1) / np.maximum(precision, _LEAST_VARIANCE)
    return shift, precision / np.maximum(usable.sum(axis=1), 1)


def _cliffs(column: np.ndarray) -> tuple[bool, bool]:
    """Return whether the observed values end abruptly below, and above.

    Where a density fades out, the last tenth of the values spreads over several times the range of
    the tenth before it.
    """
    values = column[~np.isnan(column)]
    if len(values) < 2 * _FEWEST_VALUES:
        return False, False
    ends = np.quantile(values, _TENTHS)
    below, above = np.diff(ends[:3]), -np.diff(ends[:2:-1])
    return bool(below[0] < _CLIFF * below[1]), bool(above[0] < _CLIFF * above[1])


def _with_stand_ins(X: np.ndarray, filled: np.ndarray, start: _Start) -> np.ndarray:
    """Return rows whose missing values are about where the start takes them to be."""
    stand_ins = filled + np.where(np.isnan(X), start.shift, 0.0).astype(filled.dtype)
    for column in np.flatnonzero(start.has_edge):
        gaps = np.flatnonzero(np.isnan(X[:, column]))
        order = filled[gaps, column].argsort(kind="stable")
        beyond = ndtri(start.share[column] * (np.arange(len(gaps)) + 0.5) / len(gaps))
        distance = start.width[column] * np.sign(start.slope[column])
        stand_ins[gaps[order], column] = np.sort(start.center[column] - distance * beyond)
    return stand_ins
