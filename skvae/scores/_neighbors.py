"""The nearest training rows, by what the inputs are and by what the model leaves unexplained."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch

from skvae._validation import Interval, StrOptions
from skvae.scores._fitted_score import FittedScore
from skvae.scores._nearest import nearest_distances
from skvae.scores._residuals import measured, scaled_residual
from skvae.scores._score import Score

_LEAST_SPREAD = 0.01  # of a residual, in units of the scale: a column copied exactly counts, too
_SAME_ROW = 1e-3  # rows nearer than this are one row, whatever rounding made of it
_MOST_ROWS = 10_000
_MOST_NUMBERS = 2**21  # 16 MB, in the model and in its file


class ResidualNeighbors(Score):
    """Minus the mean distance from the nearest training rows, by inputs and residuals together.

    A row is far from normal where its values are unusual, as for the nearest neighbours alone, or
    where they do not belong together, which the residuals of the reconstruction tell.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that count, at most one less than there are rows kept.
    max_rows : int or "auto", default="auto"
        Training rows kept, evenly spaced, at least two. They are part of the model and of its file.
        "auto" keeps 10,000, or fewer where those would be more than 2**21 numbers, two for each
        feature: 1,337 images of 784 pixels.

    See Also
    --------
    LatentNeighbors : By the embedding alone, where a row that the model cannot describe may look
        like any other.

    Notes
    -----
    The distance is Euclidean between vectors of twice `n_features` numbers, the row and what the
    model leaves of it: ``(x - loc) / scale`` and ``(x - x_hat) / scale``, where x_hat is E[p(x|z)]
    at the posterior mean. Both are then divided by their spread, the root mean square over the rows
    kept, so that they weigh alike. Features that share one scale, as a
    :class:`~skvae.likelihoods.Gaussian` decides it, share one spread as well, lest the border
    pixels of an image outweigh its middle; elsewhere each residual has its own, and a hundredth
    more. A training row does not count as its own neighbour; yet the model leaves less of it than
    of a new row, so let `calibration_fraction` of the detector judge the new ones.

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

    def __init__(self, n_neighbors=5, max_rows="auto"):
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows

    def build(self, module, X, n_samples):
        scaling = measured(module, X)
        known = {"loc": torch.from_numpy(scaling.loc), "scale": torch.from_numpy(scaling.scale)}
        kept = X[np.linspace(0, len(X) - 1, self._n_kept(*X.shape)).astype(int)]
        vectors = FittedScore(_Vectors(), known)(module, kept, n_samples)
        spread = _spread(vectors, scaling.kind)
        return {
            **known,
            "spread": torch.from_numpy(spread),
            "rows": torch.from_numpy(vectors / spread),
        }

    def score(self, module, x, known, n_samples):
        vectors = _Vectors().score(module, x, known, n_samples) / known["spread"]
        nearest = nearest_distances(vectors, known["rows"], self.n_neighbors + 1)
        is_itself = nearest[:, :1] < _SAME_ROW
        others = torch.where(is_itself, nearest[:, 1:], nearest[:, :-1])
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


class _Vectors(Score):
    """Rows beside what the model leaves of them, as a score to be taken over many rows."""

    def score(self, module, x, known, n_samples):
        scaled = (x.double() - known["loc"]) / known["scale"]
        residual = scaled_residual(module, x, known["scale"])
        return torch.cat([scaled, residual], dim=1)  # (n_samples, 2 * n_features)


def _spread(vectors, kind):
    inputs, residuals = np.split(np.square(vectors).mean(axis=0), 2)
    if kind == "feature":  # whose standard deviations are one already
        return np.concatenate([np.ones_like(inputs), np.sqrt(residuals) + _LEAST_SPREAD])
    shared = np.sqrt([inputs.mean(), residuals.mean()]) + _LEAST_SPREAD
    return np.repeat(shared, len(inputs))
