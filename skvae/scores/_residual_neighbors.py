"""The nearest training rows, by what the inputs are and by what the model leaves unexplained."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import torch

from skvae import _inference
from skvae._validation import Interval
from skvae.likelihoods._scaling import measure
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
        statistics = measure(X, getattr(module.likelihood, "scaling", "auto"))
        known = {
            "loc": torch.from_numpy(statistics.loc),
            "scale": torch.from_numpy(statistics.scale),
        }
        squares = _over_rows(lambda m, x: _residuals(m, x, known).square(), module, X).mean(0)
        known["spread"] = torch.from_numpy(np.sqrt(squares) + _LEAST_SPREAD)
        kept = X[np.linspace(0, len(X) - 1, min(self.max_rows, len(X))).astype(int)]
        rows = _over_rows(lambda m, x: _features(m, x, known), module, kept)
        return {**known, "rows": torch.from_numpy(rows)}

    def score(self, module, x, known, n_samples):
        features = _features(module, x, known)
        # not by a matrix product, in whose rounding errors small distances are lost
        distances = torch.cdist(
            features, known["rows"], compute_mode="donot_use_mm_for_euclid_dist"
        )
        n_found = min(self.n_neighbors + 1, distances.shape[1])
        nearest = distances.topk(n_found, dim=1, largest=False).values  # in ascending order
        is_itself = nearest[:, :1] < _SAME_ROW
        others = torch.where(is_itself, nearest[:, 1:], nearest[:, : n_found - 1])
        return -others.mean(1)

    def shapes(self, parts):
        n_features = parts.n_features
        columns = dict.fromkeys(("loc", "scale", "spread"), (n_features,))
        return {**columns, "rows": ("n_rows", 2 * n_features)}


def _over_rows(function, module, X):
    return _inference.map_rows(function, module, np.ascontiguousarray(X)).astype(np.float64)


def _residuals(module, x, known):
    mean, _ = module.encode(x)
    return (x.double() - module.likelihood.mean(module.decode(mean))) / known["scale"]


def _features(module, x, known):
    scaled = (x.double() - known["loc"]) / known["scale"]
    return torch.cat([scaled, _residuals(module, x, known) / known["spread"]], dim=1)
