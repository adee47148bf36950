"""Distances from the nearest training rows, in the data space and in the latent space."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._scaling import LARGEST_SCALED, measure, winsorized
from skvae._validation import Interval, StrOptions

_LEAST_SPREAD = 0.01  # of a residual, in units of the scale; an exact column has spread zero
_SAME_ROW = 1e-3  # a smaller distance is due to rounding: the row itself, or a copy of it
_MOST_ROWS = 10_000
_MOST_NUMBERS = 2**21  # 16 MB in the model and in its file


class ResidualNeighbors(Score):
    """Minus the mean distance from the nearest training rows, in inputs and residuals together.

    The distance is large if the values of a row are unusual, as in a nearest-neighbour search on
    the rows alone, or if their combination is unusual, which makes the residuals of the
    reconstruction large.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours, at most one less than the number of rows kept.
    max_rows : int or "auto", default="auto"
        Largest number of training rows to keep, at least two; they are evenly spaced. They are part
        of the model and of its file. "auto" keeps 10,000, or fewer if those would hold more than
        2**21 numbers, at two per feature: 1,337 images of 784 pixels.

    See Also
    --------
    LatentNeighbors : Uses the embedding alone, in which a row that the model cannot describe may
        lie among normal ones.

    Notes
    -----
    The distance is Euclidean between vectors of ``2 * n_features`` numbers, the standardised row
    and its residuals: ``(x - loc) / scale`` and ``(x - x_hat) / scale``, where x_hat is E[p(x|z)]
    at the posterior mean. Both halves are divided by their spread, the root mean square over the
    rows kept plus 0.01, so that they have equal weight; wild values, as defined in
    :class:`~skvae.likelihoods.Gaussian`, count as the nearest ordinary ones. Features that share
    one scale, as chosen there, share one spread as well, so that the border pixels of an image do
    not outweigh its middle. If each feature has its own scale, each residual has its own spread,
    and the inputs, whose standard deviations are 1, are not divided. A training row does
    not count as its own neighbour. Its residuals are nevertheless smaller than those of a new row,
    so set `calibration_fraction` of the detector to place the threshold for new rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score="residual_neighbors", max_epochs=20, random_state=0
    ... ).fit(X)
    >>> detector.predict([[5.0, 3.4, 1.5, 0.2], [5.0, 3.4, 1.5, 2.5]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(self, *, n_neighbors=5, max_rows="auto"):
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows

    def build(self, module, X, n_samples):
        return ReferenceRows(self.max_rows).build(module, X, n_samples)[0]

    def __call__(self, module, x, known, n_samples):
        vectors = ReferenceRows.vectors(module, x, known)
        nearest = nearest_distances(vectors, known["rows"], self.n_neighbors + 1)
        return -without_itself(nearest).mean(1)

    def shapes(self, parts):
        return ReferenceRows.shapes(parts)


class LatentNeighbors(Score):
    """Minus the mean distance of the posterior mean from the nearest ones of the training rows.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of neighbours, at most the number of training rows.

    See Also
    --------
    LatentDensity : Uses a density, which needs less memory than the embedded training rows.

    Notes
    -----
    Distances are Euclidean, in units of the prior. The embedded training rows are part of the
    model and of its file. A training row is its own nearest neighbour, so its score is higher than
    that of a new row at the same place. Set `calibration_fraction` of the detector to place the
    threshold by rows that are not neighbours of themselves.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score="latent_neighbors", max_epochs=2, random_state=0
    ... ).fit(X)
    >>> bool(detector.score_samples(X).max() <= 0)
    True
    """

    _parameter_constraints: dict = {"n_neighbors": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def build(self, module, X, n_samples):
        return {"embedding": torch.from_numpy(_inference.encode_mean(module, X).astype(np.float64))}

    def __call__(self, module, x, known, n_samples):
        mean, _ = module.encode(x)
        return -nearest_distances(mean.double(), known["embedding"], self.n_neighbors).mean(1)

    def shapes(self, parts):
        return {"embedding": ("n_rows", parts.n_components)}


class ReferenceRows:
    """Training rows that a score keeps: standardised, beside their residuals.

    Parameters
    ----------
    max_rows : int or "auto"
        Largest number of them.
    """

    def __init__(self, max_rows):
        self.max_rows = max_rows

    def build(self, module, X, n_samples):
        """Return what `vectors` needs to know, `rows` among it, and the rows of X that are kept."""
        scaling = measure(X, module.likelihood.scaling)
        known = {"loc": torch.from_numpy(scaling.loc), "scale": torch.from_numpy(scaling.scale)}
        kept = self.keep(X)
        vectors = _inference.evaluate(_Vectors(), module, kept, known, n_samples)
        known["spread"] = torch.from_numpy(_spread(vectors, scaling.kind))
        known["rows"] = torch.from_numpy(vectors) / known["spread"]
        return known, kept

    def keep(self, X):
        """Return the rows of X that are kept."""
        most = self.max_rows
        if most == "auto":
            most = min(_MOST_ROWS, max(2, _MOST_NUMBERS // (2 * X.shape[1])))
        return X[evenly_spaced(len(X), most)]

    @staticmethod
    def vectors(module, x, known):
        """Return what distances are measured between, (n_samples, 2 * n_features)."""
        return _Vectors()(module, x, known, 1) / known["spread"]

    @staticmethod
    def shapes(parts):
        """Return the shapes of what `build` returns."""
        n_features = parts.n_features
        columns = dict.fromkeys(("loc", "scale"), (n_features,))
        return {**columns, "spread": (2 * n_features,), "rows": ("n_rows", 2 * n_features)}


class _Vectors(Score):
    """Standardised rows beside their residuals, as a score so that they are computed in chunks."""

    def __call__(self, module, x, known, n_samples):
        scaled = (x.double() - known["loc"]) / known["scale"]
        residual = (x.double() - module(x)) / known["scale"]
        vectors = torch.cat([scaled, residual], dim=1)  # (n_samples, 2 * n_features)
        return vectors.clamp(-LARGEST_SCALED, LARGEST_SCALED)


def _spread(vectors, kind):
    inputs, residuals = np.split(np.square(winsorized(vectors)).mean(axis=0), 2)
    if kind == "feature":  # the standard deviations of the inputs are one already
        return np.concatenate([np.ones_like(inputs), np.sqrt(residuals) + _LEAST_SPREAD])
    shared = np.sqrt([inputs.mean(), residuals.mean()]) + _LEAST_SPREAD
    return np.repeat(shared, len(inputs))


def evenly_spaced(n_rows: int, most: int) -> np.ndarray:
    """Return indices of at most so many rows, from the first to the last."""
    return np.linspace(0, n_rows - 1, min(most, n_rows)).astype(int)


def nearest_distances(points: Tensor, rows: Tensor, n_nearest: int) -> Tensor:
    """Return the distances of every point from its nearest rows, in ascending order.

    Parameters
    ----------
    points : Tensor of shape (n_points, n_features)
    rows : Tensor of shape (n_rows, n_features)
    n_nearest : int
        Number of distances per point; all rows if there are fewer.
    """
    return exact_nearest(points, rows, squared_distances(points, rows), n_nearest)


def squared_distances(points: Tensor, rows: Tensor) -> Tensor:
    """Return squared distances by a matrix product, (n_points, n_rows).

    The difference of large squares loses digits, so that a small distance is due to rounding.
    """
    ones = points.new_ones(len(points), 1), rows.new_ones(len(rows), 1)
    left = torch.cat([points, points.square().sum(1, keepdim=True), ones[0]], dim=1)
    right = torch.cat([-2 * rows, ones[1], rows.square().sum(1, keepdim=True)], dim=1)
    return torch.threshold_(left @ right.T, _SAME_ROW**2, 0.0)


def exact_nearest(points: Tensor, rows: Tensor, squared: Tensor, n_nearest: int) -> Tensor:
    """Return the smallest distances, in ascending order, from the approximate squares of all.

    They are computed from the differences, which do not depend on the batch, and are zero between
    copies. A square that is infinite stays so.
    """
    found = squared.topk(min(n_nearest, len(rows)), dim=1, largest=False)
    exact = (points[:, None] - rows[found.indices]).square().sum(2).sqrt()
    exact = torch.where(exact < _SAME_ROW, 0.0, exact)
    return torch.where(found.values.isinf(), torch.inf, exact).sort(1).values


def without_itself(nearest: Tensor) -> Tensor:
    """Return one distance fewer: without the first if it is zero, else without the last."""
    return torch.where(nearest[:, :1] == 0, nearest[:, 1:], nearest[:, :-1])
