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

_BLOCK_ROWS = 2**13  # number of rows to which distances are computed at a time
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
        scaling = measure(X, module.likelihood.scaling)
        known = {"loc": torch.from_numpy(scaling.loc), "scale": torch.from_numpy(scaling.scale)}
        kept = X[np.linspace(0, len(X) - 1, self._n_kept(*X.shape)).astype(int)]
        vectors = _inference.evaluate(_Vectors(), module, kept, known, n_samples)
        spread = _spread(vectors, scaling.kind)
        return {
            **known,
            "spread": torch.from_numpy(spread),
            "rows": torch.from_numpy(vectors / spread),
        }

    def __call__(self, module, x, known, n_samples):
        vectors = _Vectors()(module, x, known, n_samples) / known["spread"]
        nearest = nearest_distances(vectors, known["rows"], self.n_neighbors + 1)
        # the rounding of equal rows depends on the batch, so their distance is set to zero
        nearest = torch.where(nearest < _SAME_ROW, 0.0, nearest)
        others = torch.where(nearest[:, :1] == 0, nearest[:, 1:], nearest[:, :-1])
        return -others.mean(1)

    def shapes(self, parts):
        n_features = parts.n_features
        columns = dict.fromkeys(("loc", "scale"), (n_features,))
        return {**columns, "spread": (2 * n_features,), "rows": ("n_rows", 2 * n_features)}

    def _n_kept(self, n_rows, n_features):
        most = self.max_rows
        if most == "auto":
            most = min(_MOST_ROWS, max(2, _MOST_NUMBERS // (2 * n_features)))
        return min(most, n_rows)


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


def nearest_distances(points: Tensor, rows: Tensor, n_nearest: int) -> Tensor:
    """Return the distances of every point from its nearest rows, in ascending order.

    Parameters
    ----------
    points : Tensor of shape (n_points, n_features)
    rows : Tensor of shape (n_rows, n_features)
    n_nearest : int
        Number of distances per point; all rows if there are fewer.
    """
    nearest = points.new_empty(len(points), 0)
    for block in rows.split(_BLOCK_ROWS):
        # the rounding errors of a matrix product would hide small distances
        distances = torch.cdist(points, block, compute_mode="donot_use_mm_for_euclid_dist")
        nearest = torch.cat([nearest, distances], dim=1)
        nearest = nearest.topk(min(n_nearest, nearest.shape[1]), dim=1, largest=False).values
    return nearest
