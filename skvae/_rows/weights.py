"""The rows to train on: as many copies of each row as its weight says, in a canonical order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_SORTED = 2**20  # values; sorting so many takes less than a hundredth of their fit
_MOST_COPIES = 100_000  # if there are fewer rows; more copies would only take more time
_MOST_VALUES = 10**8  # in all copies together


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a table, some of them perhaps several times.

    Parameters
    ----------
    X : ndarray of shape (n_copies, n_features)
        The copies of the rows. Those with positive weight occur at least once.
    source : ndarray of shape (n_copies,) or None, default=None
        Number of each row in the table from which it comes; None if X is that table.
    shares : ndarray of shape (n_copies,) or None, default=None
        Share of the epochs, in (0, 1], in which each row takes part. None is all of them, as is the
        case if all weights are whole numbers.
    """

    X: np.ndarray
    source: np.ndarray | None = None
    shares: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows in an epoch."""
        return n_drawn(self.X, self.shares)

    def drawn(self) -> np.ndarray:
        """Return as many copies as there are in an epoch, the same at every call."""
        return self.X if self.shares is None else self.X[draw(self.shares, self.n_rows)]

    def in_order_of_table(self) -> TrainingRows:
        """Return the same rows in the order of the table from which they come."""
        return self if self.source is None else self.take(self.source.argsort(kind="stable"))

    def take(self, chosen: Any) -> TrainingRows:
        """Return the copies at these places, which are numbers, a mask or a slice."""
        source = np.arange(len(self.X)) if self.source is None else self.source
        shares = None if self.shares is None else self.shares[chosen]
        return TrainingRows(self.X[chosen], source[chosen], shares)


def training_rows(X: np.ndarray, weights: np.ndarray | None) -> TrainingRows:
    """Return the rows of a table, each as often as its weight says.

    A row of weight 2.5 has three copies, each of which takes part in 2.5 of 3 epochs. Rows of
    weight zero are left out. Without weights there is one copy of each row.

    Up to a million values, the copies are put into a canonical order. Training then ends with the
    same weights to the bit whether a table holds copies or weights, and whatever the order of its
    rows. Larger tables keep their order, as sorting would need a second copy of them; weights and
    copies next to each other still give the same bits.

    Raises
    ------
    ValueError
        If the weights leave no row.
    """
    if weights is None:
        whole = TrainingRows(X)
        return whole if X.size > _MOST_SORTED else whole.take(_canonical_order(X))
    copies = _copies(weights, min(_MOST_COPIES, _MOST_VALUES // X.shape[1]))
    n_copies = np.ceil(copies).astype(np.int64)
    rows = np.repeat(np.arange(len(X)), n_copies)
    if len(rows) * X.shape[1] <= _MOST_SORTED:
        rows = rows[_canonical_order(X[rows])]
    shares = None if (copies == n_copies).all() else (copies[rows] / n_copies[rows])
    return TrainingRows(X[rows], rows, shares)


def n_drawn(X: Any, shares: np.ndarray | None) -> int:
    """Return the number of rows in an epoch."""
    return len(X) if shares is None else max(1, round(float(shares.sum())))


def draw(shares: np.ndarray, n_draws: int, offset: float = 0.5) -> np.ndarray:
    """Draw places in proportion to their shares, by systematic sampling (Madow & Madow, 1944).

    With an offset that is uniform in [0, 1) and as many draws as the sum of the shares, the
    expected number of times that a place is drawn is its share.
    """
    ends = np.cumsum(shares)
    points = (np.arange(n_draws) + offset) * (ends[-1] / n_draws)
    return np.minimum(np.searchsorted(ends, points, side="right"), len(shares) - 1)


def _copies(weights: np.ndarray, most: int) -> np.ndarray:
    """Return the number of copies of each row, as a fraction: its weight, if the sum allows.

    Weights that sum to less than one per row, as probabilities do, are scaled up to that sum;
    weights that sum to more than `most`, as those of surveys may do, are scaled down.
    """
    n_rows = np.count_nonzero(weights)
    relative = weights / weights.max()  # the sum of large weights could overflow
    total, sum_of_relative = float(relative.sum()) * float(weights.max()), relative.sum()
    allowed = min(max(total, n_rows), max(most, n_rows))
    copies = weights if allowed == total else relative * (allowed / sum_of_relative)
    nearest = np.rint(copies)
    return np.where(np.isclose(copies, nearest, rtol=1e-9, atol=0), nearest, copies)


def _canonical_order(X: np.ndarray) -> np.ndarray:
    """Return the order of the rows by their first column, then the second, and so on.

    It depends on values alone, and not on the units of the columns. Tables of several columns are
    sorted 2 to 8 times as fast as by `numpy.lexsort`, as rows are compared as bytes.
    """
    values = np.add(X, 0.0, dtype=np.float64, order="C")  # which turns -0.0 into 0.0
    bits = values.view(np.uint64)
    bits = np.where(values < 0, ~bits, bits | np.uint64(1 << 63))  # ordered as the values are
    as_bytes = bits.astype(">u8").view(np.dtype((np.void, 8 * X.shape[1])))
    return as_bytes.ravel().argsort(kind="stable")
