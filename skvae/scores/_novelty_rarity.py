"""How far a row is from all training rows, and how rare it is among them."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._validation import Interval, StrOptions
from skvae.scores import _forest
from skvae.scores._neighbors import (
    ReferenceRows,
    evenly_spaced,
    exact_nearest,
    squared_distances,
    without_itself,
)
from skvae.scores._ranks import quantiles, rank

_N_SUBSETS = 128
_SUBSET_ROWS = 8
_CALIBRATION_ROWS = 2000
_SHORTEST = 1e-3  # added to a distance before its logarithm is taken
_TAIL = 0.1  # share of the training rows from which the tail is extrapolated
_DIGITS = 4  # of latent coordinates in the forest; those beyond depend on the batch
# distance from the nearest rows, from random subsets, anomaly by the forest
_RARITY_WEIGHTS = (0.5, 1.0, 2.0)


class NoveltyRarity(Score):
    """Minus the novelty of a row to the training rows, and minus its rarity among them.

    If the training rows are all normal, an outlier is a row unlike any of them: its distance from
    the nearest training row decides. If the training rows hold outliers themselves, that distance
    says nothing about them, and groups of similar outliers are close to one another: the share of
    the training rows near a row decides. This score is the sum of both.

    Parameters
    ----------
    novelty : float, default=2.0
        Weight of the novelty. Training rows have a novelty of zero. Set it to 0 if new rows should
        be scored as the training rows are, and to 10 or more if all training rows are known to be
        normal.
    n_neighbors : int, default=5
        Number of neighbours in the local part of the rarity, at most one less than the number of
        rows kept.
    n_estimators : int, default=100
        Number of isolation trees.
    max_rows : int or "auto", default="auto"
        Largest number of training rows to keep, at least two; they are evenly spaced. They are part
        of the model and of its file. "auto" keeps 10,000, or fewer if those would hold more than
        2**21 numbers, at two per feature: 1,337 images of 784 pixels.

    See Also
    --------
    ResidualNeighbors : Uses the distances alone.

    Notes
    -----
    Distances are those of :class:`ResidualNeighbors`, between standardised rows beside their
    standardised residuals. All quantities become logarithms of tail probabilities, ``-log p``,
    where p is the share of the training rows with a larger value of the quantity, each compared
    with the others; beyond the largest tenth, p is extrapolated by an exponential distribution. So
    the score is in nats.

    - Novelty: the distance from the nearest training row, which is the row itself for a training
      row; the part of ``-log p`` above log 2, so that nothing closer than the median counts.
    - Rarity: the weighted mean of three parts. Weight 1/2: the mean distance from the nearest
      training rows, the row itself excepted. Weight 1: the mean distance from the nearest row of a
      random subset of eight training rows, over 128 subsets [1]_; a group of outliers is rarely
      found in a subset, so its members do not vouch for one another. Weight 2: the anomaly score of
      an isolation forest [2]_ on the standardised row beside its posterior mean.

    If more training rows were given than are kept, those not kept have a novelty as new rows do.

    References
    ----------
    .. [1] Pang, Ting & Albrecht (2015), "LeSiNN: Detecting Anomalies by Identifying Least Similar
       Nearest Neighbours".
    .. [2] Liu, Ting & Zhou (2008), "Isolation Forest".

    Examples
    --------
    Twenty copies of one outlier among a hundred normal rows:

    >>> import numpy as np
    >>> from skvae import VAEAnomalyDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X = np.vstack([X, np.full((20, 4), 6.0)])
    >>> detector = VAEAnomalyDetector(2, anomaly_score="novelty_rarity", random_state=0).fit(X)
    >>> scores = detector.score_samples(X)
    >>> bool(scores[200:].max() < np.quantile(scores[:200], 0.01))
    True
    """

    unit = "nats"
    _parameter_constraints: dict = {
        "novelty": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
    }

    def __init__(self, *, novelty=2.0, n_neighbors=5, n_estimators=100, max_rows="auto"):
        self.novelty = novelty
        self.n_neighbors = n_neighbors
        self.n_estimators = n_estimators
        self.max_rows = max_rows

    def build(self, module, X, n_samples):
        known, kept = ReferenceRows(self.max_rows).build(module, X, n_samples)
        embedding = _inference.encode_mean(module, kept).astype(np.float64)
        known["subsets"] = _subsets(len(kept))
        inputs = _forest_inputs(known["rows"], torch.from_numpy(embedding))
        known |= _forest.grow(inputs.numpy(), self.n_estimators)
        sampled = evenly_spaced(len(kept), _CALIBRATION_ROWS)
        values = torch.cat(
            [
                self._quantities(known["rows"][own], inputs[own], known, own)
                for own in torch.from_numpy(sampled).split(500)
            ]
        )
        return {**known, **_tails(values.numpy())}

    def __call__(self, module, x, known, n_samples):
        vectors = ReferenceRows.vectors(module, x, known)
        inputs = _forest_inputs(vectors, module.encode(x)[0].double())
        values = self._quantities(vectors, inputs, known)
        novelty, *rarity = (
            _log_tail(value, *tail)
            for value, *tail in zip(
                values.T, known["quantiles"], known["start"], known["excess"], strict=True
            )
        )
        weighted = sum(
            weight * part for weight, part in zip(_RARITY_WEIGHTS, rarity, strict=True)
        ) / sum(_RARITY_WEIGHTS)
        return -(self.novelty * (novelty - math.log(2)).clamp(min=0) + weighted)

    def shapes(self, parts):
        n_splits = 2**_forest.DEPTH - 1
        return {
            **ReferenceRows.shapes(parts),
            "subsets": ("n_subsets", "subset_rows"),
            "split_feature": (self.n_estimators, n_splits),
            "split_value": (self.n_estimators, n_splits),
            "path_length": (self.n_estimators, n_splits + 1),
            "quantiles": (4, "n_quantiles"),
            "start": (4,),
            "excess": (4,),
        }

    def _quantities(
        self, vectors: Tensor, inputs: Tensor, known: dict[str, Tensor], own: Tensor | None = None
    ) -> Tensor:
        """Return what is compared with the training rows, (n_samples, 4), larger if unusual.

        With the indices of their `own` rows among those kept, rows are compared with the others.
        """
        rows = known["rows"]
        squared = squared_distances(vectors, rows)  # (n_samples, n_rows)
        if own is not None:
            squared[torch.arange(len(own)), own] = math.inf
        nearest = exact_nearest(vectors, rows, squared, self.n_neighbors + 1)
        others = nearest[:, :-1] if own is not None else without_itself(nearest)
        subsets = known["subsets"].long().clamp(0, len(rows) - 1)
        from_subsets = squared[:, subsets].amin(2).sqrt().mean(1)
        distances = torch.stack([nearest[:, 0], others.mean(1), from_subsets], dim=1)
        isolation = _forest.anomaly(inputs, known)
        return torch.cat([(distances + _SHORTEST).log(), isolation[:, None]], dim=1)


def _subsets(n_rows: int) -> Tensor:
    """Return the rows of random subsets, in all of which together rows are equally frequent."""
    size = min(_SUBSET_ROWS, n_rows)
    rng = np.random.default_rng(0)
    n_shuffles = -(-_N_SUBSETS // (n_rows // size))
    shuffles = [rng.permutation(n_rows)[: n_rows // size * size] for _ in range(n_shuffles)]
    return torch.from_numpy(np.concatenate(shuffles).reshape(-1, size)[:_N_SUBSETS].astype(float))


def _forest_inputs(vectors: Tensor, embedding: Tensor) -> Tensor:
    """Return standardised rows, the first half of the vectors, beside their posterior means."""
    return torch.cat(
        [vectors[:, : vectors.shape[1] // 2], embedding.round(decimals=_DIGITS)], dim=1
    )


def _tails(values: np.ndarray) -> dict[str, Tensor]:
    """Return quantiles, where the tail starts, and its mean excess, of every column of `values`."""
    start = np.quantile(values, 1 - _TAIL, axis=0)
    beyond = np.ma.masked_less_equal(values - start, 0)
    excess = beyond.mean(axis=0).filled(0.0)
    spread = values.std(axis=0)
    least = np.where(spread > 0, 1e-3 * spread, 1.0)  # if all training rows are copies: e-folds
    return {
        "quantiles": quantiles(values.T),
        "start": torch.from_numpy(start),
        "excess": torch.from_numpy(np.maximum(excess, least)),
    }


def _log_tail(values: Tensor, quantiles: Tensor, start: Tensor, excess: Tensor) -> Tensor:
    """Return ``-log p``, where p is the share of the training rows beyond each value."""
    within = -(1 - rank(values, quantiles)).clamp(min=_TAIL).log()
    return torch.where(values > start, (values - start) / excess - math.log(_TAIL), within)
