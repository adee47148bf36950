"""Comparison of a row with the training rows: distances from them, and its rank among them."""

# Over 500 lines: a score enters one file, whichever of the comparisons it needs.

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.ensemble import IsolationForest
from torch import Tensor

from skvae._model import inference as _inference
from skvae._parts import Score
from skvae._rows.arrays import evenly_spaced, has_gaps
from skvae._scaling import LARGEST_SCALED, measure, winsorized
from skvae._validation import Interval, StrOptions

_LEAST_SPREAD = 0.01  # of a residual, in units of the scale; an exact column has spread zero
_SAME_ROW = 1e-3  # a smaller distance is due to rounding: the row itself, or a copy of it
_MOST_ROWS = 10_000
_MOST_NUMBERS = 2**21  # 16 MB in the model and in its file
_N_SUBSETS = 128
_SUBSET_ROWS = 8
_CALIBRATION_ROWS = 2000
_SHORTEST = 1e-3  # added to a distance before its logarithm is taken
_TAIL = 0.1  # share of the training rows from which the tail is extrapolated
_MOST_QUANTILES = 1001
_TIE = 1e-6  # of the range: scores that differ by less are equal but for rounding
_ROUNDING = 1e-12  # of the values: the same if they are all equal
_LARGEST_VALUE = 1e30  # in the forest, which scikit-learn grows in single precision
_TREE_ROWS = 256  # per tree (Liu et al., 2008, section 4.2)
_TREE_DEPTH = 8  # log2 of that; deeper paths are estimated by their mean length
_EULER = 0.5772156649015329


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
        be scored as the training rows are.
    n_neighbors : int, default=5
        Number of nearest training rows, of all and of the likelier half.
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
    - Rarity: the mean of two parts. The first is itself the mean over three distances: from the
      nearest training rows, the row itself excepted; from the nearest of those training rows that
      are in the more likely half under the model; and from the nearest row of a random subset of
      eight, over 128 subsets [1]_. The second part is the anomaly score of an isolation forest [2]_
      on the standardised row. A group of outliers is rarely in the likelier half or in a small
      subset, and is isolated as a whole, so that its members do not vouch for one another.

    If more training rows were given than are kept, those not kept have a novelty as new rows do.

    Missing values are replaced by what the model expects, which brings a row closer to others. Its
    distances are therefore divided by the square root of its share of observed values.

    References
    ----------
    .. [1] Pang, Ting & Albrecht (2015), "LeSiNN: Detecting Anomalies by Identifying Least Similar
       Nearest Neighbours".
    .. [2] Liu, Ting & Zhou (2008), "Isolation Forest".

    Examples
    --------
    Twenty copies of one outlier among two hundred normal rows:

    >>> import numpy as np
    >>> from sklearn.metrics import roc_auc_score
    >>> from skvae import VAEAnomalyDetector
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> X = np.vstack([X, np.full((20, 4), 6.0)])
    >>> detector = VAEAnomalyDetector(
    ...     2, anomaly_score="novelty_rarity", max_epochs=20, random_state=0
    ... ).fit(X)
    >>> auroc = roc_auc_score(np.arange(220) >= 200, -detector.score_samples(X))
    >>> bool(auroc > 0.95)
    True
    """

    unit = "nats"
    accepts_gaps = True
    reads_sparse = True
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
        known, kept, observed = ReferenceRows(self.max_rows).build(module, X, n_samples)
        log_likelihood = _inference.score(module, kept, "log_likelihood", n_samples)
        known |= {"core": _likelier_half(log_likelihood), "subsets": _subsets(len(kept))}
        known |= grown_forest(_values(known["rows"], known).numpy(), self.n_estimators)
        sampled = evenly_spaced(len(kept), _CALIBRATION_ROWS)
        values = torch.cat(
            [
                self._quantities(known["rows"][own], observed[own], known, own)
                for own in torch.from_numpy(sampled).split(500)
            ]
        )
        return {**known, **_tails(values.numpy())}

    def __call__(self, module, x, known, n_samples):
        vectors, observed = ReferenceRows.vectors(module, x, known)
        values = self._quantities(vectors, observed, known)
        tails = torch.stack(
            [
                _log_tail(value, *tail)
                for value, *tail in zip(
                    values.T, known["quantiles"], known["start"], known["excess"], strict=True
                )
            ]
        )  # (5, n_samples)
        novelty = (tails[0] - math.log(2)).clamp(min=0)
        rarity = (tails[1:4].mean(0) + tails[4]) / 2
        return -(self.novelty * novelty + rarity)

    def shapes(self, sizes):
        n_splits = 2**_TREE_DEPTH - 1
        return {
            **ReferenceRows.shapes(sizes),
            "core": ("n_core",),
            "subsets": ("n_subsets", "subset_rows"),
            "split_feature": (self.n_estimators, n_splits),
            "split_value": (self.n_estimators, n_splits),
            "path_length": (self.n_estimators, n_splits + 1),
            "quantiles": (5, "n_quantiles"),
            "start": (5,),
            "excess": (5,),
        }

    def _quantities(
        self,
        vectors: Tensor,
        observed: Tensor,
        known: dict[str, Tensor],
        own: Tensor | None = None,
    ) -> Tensor:
        """Return what is compared with the training rows, (n_samples, 5), larger if unusual.

        `observed` is the share of observed values of each row, (n_samples,). With the indices of
        their `own` rows among those kept, rows are compared with the others.
        """
        rows = known["rows"]
        core, subsets = (known[name].long().clamp(0, len(rows) - 1) for name in ("core", "subsets"))
        squared = squared_distances(vectors, rows)  # (n_samples, n_rows)
        if own is not None and len(rows) > 1:
            squared[torch.arange(len(own)), own] = math.inf
        without_own = without_itself if own is None else without_last
        n_nearest = self.n_neighbors + 1
        nearest = exact_nearest(vectors, rows, squared, n_nearest)
        in_core = exact_nearest(vectors, rows[core], squared[:, core], n_nearest)
        in_subsets = squared[:, subsets].amin(2).sqrt()
        means = [part.mean(1) for part in (without_own(nearest), without_own(in_core), in_subsets)]
        distances = torch.stack([nearest[:, 0], *means], dim=1) / observed.sqrt()[:, None]
        isolated = isolation(_values(vectors, known), known)
        return torch.cat([(distances + _SHORTEST).log(), isolated[:, None]], dim=1)


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

    Missing values are replaced by what the model expects, which brings a row closer to others. Its
    distances are therefore divided by the square root of its share of observed values.

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

    accepts_gaps = True
    reads_sparse = True
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
        vectors, observed = ReferenceRows.vectors(module, x, known)
        nearest = nearest_distances(vectors, known["rows"], self.n_neighbors + 1)
        return -without_itself(nearest).mean(1) / observed.sqrt()

    def shapes(self, sizes):
        return ReferenceRows.shapes(sizes)


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

    accepts_gaps = True
    reads_sparse = True
    _parameter_constraints: dict = {"n_neighbors": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def build(self, module, X, n_samples):
        return {"embedding": torch.from_numpy(_inference.encode_mean(module, X).astype(np.float64))}

    def __call__(self, module, x, known, n_samples):
        mean, _ = module.encode(x)
        return -nearest_distances(mean.double(), known["embedding"], self.n_neighbors).mean(1)

    def shapes(self, sizes):
        return {"embedding": ("n_rows", sizes.n_components)}


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
        """Return what `vectors` needs to know, `rows` among it, and the rows of X that are kept.

        The last of the three is their share of observed values, (n_kept,).
        """
        completed = _inference.complete(module, X) if has_gaps(X) else X
        kind, known = _units(module, completed)
        observed = _share_observed(torch.from_numpy(self.keep(X, len(known["loc"]))))
        kept = self.keep(completed, len(known["loc"]))
        vectors = _inference.evaluate(_Vectors(), module, kept, known, n_samples)
        known["spread"] = torch.from_numpy(_spread(vectors, len(known["loc"]), kind))
        known["rows"] = torch.from_numpy(vectors) / known["spread"]
        return known, kept, observed

    def keep(self, X, n_measured):
        """Return the rows of X that are kept."""
        most = self.max_rows
        if most == "auto":
            most = min(_MOST_ROWS, max(2, _MOST_NUMBERS // (n_measured + X.shape[1])))
        return X[evenly_spaced(len(X), most)]

    @staticmethod
    def vectors(module, x, known):
        """Return what distances are measured between, and the shares of observed values.

        Returns
        -------
        vectors : Tensor of shape (n_samples, n_measured + n_features)
        observed : Tensor of shape (n_samples,)
        """
        completed = _inference.complete_rows(module, x)
        return _Vectors()(module, completed, known, 1) / known["spread"], _share_observed(x)

    @staticmethod
    def shapes(sizes):
        """Return the shapes of what `build` returns."""
        n_measured, n_vectors = sizes.n_measured, sizes.n_measured + sizes.n_features
        columns = dict.fromkeys(("loc", "scale"), (n_measured,))
        return {**columns, "spread": (n_vectors,), "rows": ("n_rows", n_vectors)}


class _Vectors(Score):
    """Standardised rows beside their residuals, as a score so that they are computed in chunks."""

    def __call__(self, module, x, known, n_samples):
        likelihood = module.likelihood
        if likelihood.n_measured is None:
            scaled = (x.double() - known["loc"]) / known["scale"]
            residual = (x.double() - module(x)) / known["scale"]
        else:
            outputs = module.decode(module.encode(x)[0])
            scaled, residual = likelihood.measured(x), likelihood.residuals(x, outputs)
        vectors = torch.cat([scaled.double(), residual.double()], dim=1)
        return vectors.clamp(-LARGEST_SCALED, LARGEST_SCALED)


def _share_observed(x: Tensor) -> Tensor:
    """Return the share of observed values of every row, of an empty one as if there were one."""
    return (~x.isnan()).double().mean(1).clamp(min=1 / x.shape[1])


def _units(module, X):
    """Return the kind of scaling, and centre and scale; 0 and 1 if the likelihood measures rows."""
    n_measured = module.likelihood.n_measured
    if n_measured is None:
        scaling = measure(X, module.likelihood.scaling)
        kind, loc, scale = scaling.kind, scaling.loc, scaling.scale
    else:
        kind, loc, scale = "feature", np.zeros(n_measured), np.ones(n_measured)
    return kind, {"loc": torch.from_numpy(loc), "scale": torch.from_numpy(scale)}


def _spread(vectors, n_measured, kind):
    """Return by what the standardised rows and their residuals are divided."""
    inputs, residuals = np.split(np.square(winsorized(vectors)).mean(axis=0), [n_measured])
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
    return exact_nearest(points, rows, squared_distances(points, rows), n_nearest)


def squared_distances(points: Tensor, rows: Tensor) -> Tensor:
    """Return squared distances by a matrix product, (n_points, n_rows).

    The difference of large squares loses digits, so that a small distance is due to rounding.
    """
    ones = torch.ones_like(points[:, :1]), torch.ones_like(rows[:, :1])
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


def without_last(nearest: Tensor) -> Tensor:
    """Return one distance fewer, if there are two."""
    return nearest[:, : max(1, nearest.shape[1] - 1)]


def without_itself(nearest: Tensor) -> Tensor:
    """Return one distance fewer, if there are two: without the first if it is zero."""
    if nearest.shape[1] == 1:
        return nearest
    return torch.where(nearest[:, :1] == 0, nearest[:, 1:], nearest[:, :-1])


def _likelier_half(log_likelihood: np.ndarray) -> Tensor:
    """Return the indices of the rows with the highest log-likelihoods, at least two."""
    n_core = max(2, len(log_likelihood) // 2)
    likeliest = np.argsort(-log_likelihood, kind="stable")[:n_core]
    return torch.from_numpy(np.sort(likeliest).astype(float))


def _subsets(n_rows: int) -> Tensor:
    """Return the rows of random subsets, in all of which together rows are equally frequent."""
    size = min(_SUBSET_ROWS, n_rows)
    rng = np.random.default_rng(0)
    n_shuffles = -(-_N_SUBSETS // (n_rows // size))
    shuffles = [rng.permutation(n_rows)[: n_rows // size * size] for _ in range(n_shuffles)]
    return torch.from_numpy(np.concatenate(shuffles).reshape(-1, size)[:_N_SUBSETS].astype(float))


def _values(vectors: Tensor, known: dict[str, Tensor]) -> Tensor:
    """Return the standardised rows without their residuals, in the range of single precision."""
    return vectors[:, : len(known["loc"])].clamp(-_LARGEST_VALUE, _LARGEST_VALUE)


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
    beyond = values > start + _tolerance(quantiles)  # many rows may be tied at the start
    return torch.where(beyond, (values - start) / excess - math.log(_TAIL), within)


def quantiles(scores: np.ndarray) -> Tensor:
    """Return evenly spaced quantiles of every row of `scores`, (n_scores, n_quantiles)."""
    levels = np.linspace(0, 1, min(scores.shape[1], _MOST_QUANTILES))
    return torch.from_numpy(np.ascontiguousarray(np.quantile(scores, levels, axis=1).T))


def rank(scores: Tensor, quantiles: Tensor) -> Tensor:
    """Return the share of `quantiles` below each score, from 0 to 1; equal ones count half.

    Parameters
    ----------
    scores : Tensor of shape (n_samples,)
    quantiles : Tensor of shape (n_quantiles,)
        In ascending order.
    """
    scores = scores.clamp(quantiles[0], quantiles[-1])
    tolerance = _tolerance(quantiles)
    above = torch.searchsorted(quantiles, scores - tolerance)  # the first that is not less
    below = torch.searchsorted(quantiles, scores + tolerance, right=True) - 1  # the last not more
    above, below = (place.clamp(0, len(quantiles) - 1) for place in (above, below))
    first, last = torch.minimum(above, below), torch.maximum(above, below)
    gap = quantiles[last] - quantiles[first]
    between = (scores - quantiles[first]) / torch.where(gap > 0, gap, 1.0)
    share = torch.where(below < above, between, 0.5)  # else all from `above` to `below` are ties
    return (first + (last - first) * share) / max(len(quantiles) - 1, 1)


def _tolerance(quantiles: Tensor) -> Tensor:
    """Return the largest difference of two values that can be due to rounding, as in batches."""
    return _TIE * (quantiles[-1] - quantiles[0]) + _ROUNDING * quantiles.abs().max()


def grown_forest(rows: np.ndarray, n_trees: int) -> dict[str, Tensor]:
    """Grow an isolation forest (Liu et al., 2008).

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    n_trees : int

    Returns
    -------
    forest : dict of str to Tensor
        Every tree as a complete binary tree, one level after another: `split_feature` and
        `split_value` of shape (n_trees, 255), and the length of the path to each of the 256 leaves
        as `path_length`. Below a leaf that is reached early, all leaves have its path length.
    """
    forest = IsolationForest(
        n_estimators=n_trees, max_samples=min(_TREE_ROWS, len(rows)), random_state=0
    ).fit(rows)
    completed = [_complete(estimator.tree_) for estimator in forest.estimators_]
    names = ("split_feature", "split_value", "path_length")
    return {
        name: torch.from_numpy(np.stack(values))
        for name, values in zip(names, zip(*completed, strict=True), strict=True)
    }


def isolation(rows: Tensor, forest: dict[str, Tensor]) -> Tensor:
    """Return the anomaly score of rows, from 0 to 1 (Liu et al., 2008, equation 2)."""
    features = forest["split_feature"].long().clamp(0, rows.shape[1] - 1)
    tree = torch.arange(len(features), device=rows.device)
    slot = torch.zeros_like(
        rows[:, :1], dtype=torch.long
    )  # (n_samples, n_trees) from the first split
    for level in range(_TREE_DEPTH):
        node = 2**level - 1 + slot  # (n_samples, n_trees)
        value = rows.gather(1, features[tree, node])
        slot = 2 * slot + (value > forest["split_value"][tree, node])
    length = forest["path_length"][tree, slot].mean(1)
    return torch.exp2(-length / float(_mean_length(_TREE_ROWS)))


def _complete(tree) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features and values of all splits, and the path lengths of all leaves."""
    nodes, lengths = np.zeros(1, dtype=int), np.zeros(1)
    features, values = [], []
    for _ in range(_TREE_DEPTH):
        is_leaf = tree.children_left[nodes] == -1
        features.append(np.where(is_leaf, 0, tree.feature[nodes]))
        values.append(np.where(is_leaf, 0.0, tree.threshold[nodes]))
        children = np.stack([tree.children_left[nodes], tree.children_right[nodes]], axis=1)
        nodes = np.where(is_leaf[:, None], nodes[:, None], children).ravel()
        lengths = np.repeat(lengths + ~is_leaf, 2)
    lengths += _mean_length(tree.n_node_samples[nodes])
    return np.concatenate(features).astype(float), np.concatenate(values), lengths


def _mean_length(n_rows):
    """Return the mean length of a path among `n_rows` rows (Liu et al., 2008, equation 1)."""
    n_rows = np.asarray(n_rows, dtype=float)
    many = np.maximum(n_rows, 3)
    harmonic = 2 * (np.log(many - 1) + _EULER) - 2 * (many - 1) / many
    return np.where(n_rows <= 1, 0.0, np.where(n_rows == 2, 1.0, harmonic))
