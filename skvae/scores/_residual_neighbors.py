"""The nearest training rows, by what the inputs are and by what the model leaves unexplained."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch

from skvae._validation import Interval
from skvae.scores._fitted_score import FittedScore
from skvae.scores._nearest import nearest_distances
from skvae.scores._residuals import measured, scaled_residual
from skvae.scores._score import Score

_LEAST_SPREAD = 0.01  # of a residual, in units of the scale: a column copied exactly counts, too
_SAME_ROW = 1e-3  # rows nearer than this are one row, whatever rounding made of it


class ResidualNeighbors(Score):
    """Minus the mean distance from the nearest training rows, by inputs and residuals together.

    A row is far from normal where its values are unusual, as for the nearest neighbours alone, or
    where they do not belong together, which the residuals of the reconstruction tell.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that count, at most one less than there are rows kept.
    max_rows : int, default=1000
        Training rows kept, evenly spaced, at least two. They are part of the model and of its file.

    See Also
    --------
    LatentNeighbors : By the embedding alone, where a row that the model cannot describe may look
        like any other.

    Notes
    -----
    The distance is Euclidean between vectors of twice `n_features` numbers,
    ``((x - loc) / scale, (x - x_hat) / (scale * spread))``: x_hat is E[p(x|z)] at the posterior
    mean, and the spread of a feature the root mean square of its scaled residual in training, and a
    hundredth more. A training row does not count as its own neighbour, so that training rows score
    as new ones do.

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
        "max_rows": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, n_neighbors=5, max_rows=1000):
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows

    def build(self, module, X, n_samples):
        statistics = measured(module, X)
        known = {
            "loc": torch.from_numpy(statistics.loc),
            "scale": torch.from_numpy(statistics.scale),
        }
        squares = FittedScore(_SquaredResiduals(), known)(module, X, n_samples).mean(0)
        known["spread"] = torch.from_numpy(np.sqrt(squares) + _LEAST_SPREAD)
        kept = X[np.linspace(0, len(X) - 1, min(self.max_rows, len(X))).astype(int)]
        rows = FittedScore(_Features(), known)(module, kept, n_samples)
        return {**known, "rows": torch.from_numpy(rows)}

    def score(self, module, x, known, n_samples):
        features = _Features().score(module, x, known, n_samples)
        nearest = nearest_distances(features, known["rows"], self.n_neighbors + 1)
        is_itself = nearest[:, :1] < _SAME_ROW
        others = torch.where(is_itself, nearest[:, 1:], nearest[:, :-1])
        return -others.mean(1)

    def shapes(self, parts):
        n_features = parts.n_features
        columns = dict.fromkeys(("loc", "scale", "spread"), (n_features,))
        return {**columns, "rows": ("n_rows", 2 * n_features)}


class _SquaredResiduals(Score):
    """The squares behind the spread, as a score of its own to be taken over the training rows."""

    def score(self, module, x, known, n_samples):
        return scaled_residual(module, x, known["scale"]).square()  # (n_samples, n_features)


class _Features(Score):
    """What distances are taken between, (n_samples, 2 * n_features)."""

    def score(self, module, x, known, n_samples):
        scaled = (x.double() - known["loc"]) / known["scale"]
        residual = scaled_residual(module, x, known["scale"])
        return torch.cat([scaled, residual / known["spread"]], dim=1)
