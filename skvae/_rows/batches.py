"""The rows of a fit: how often each takes part, by its weight, in which order, in which batches.

There is one permutation per epoch, gathered slice by slice, and no work per row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from skvae._rows.arrays import has_gaps
from skvae._rows.source import SlicedRows, Source

_MOST_SORTED = 2**20  # values; sorting so many takes less than a hundredth of their fit
_MOST_COPIES = 100_000  # if there are fewer rows; more copies would only take more time
_MOST_VALUES = 10**8  # in all copies together


class Part(NamedTuple):
    """The part of a batch that one of several processes evaluates.

    Parameters
    ----------
    rows : slice
        Its rows.
    n_rows : int
        Number of rows in the batch.
    weight : float
        Share of the batch that the part stands for.
    """

    rows: slice
    n_rows: int
    weight: float

    @property
    def size(self) -> int:
        """Number of rows in the part."""
        return self.rows.stop - self.rows.start


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a table, some of them perhaps several times.

    Parameters
    ----------
    X : ndarray or Source of shape (n_copies, n_features)
        The copies of the rows. Each row of positive weight has at least one, however light it is,
        so that a likelihood is built for all values that occur.
    source : ndarray of shape (n_copies,) or None, default=None
        Number of each row in the table from which it comes; None if X is that table.
    shares : ndarray of shape (n_copies,) or None, default=None
        Share of the epochs, in (0, 1], in which each row takes part. None is all of them, as is the
        case if all weights are whole numbers.
    """

    X: Any
    source: np.ndarray | None = None
    shares: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows in an epoch."""
        return n_drawn(self.X, self.shares)

    def drawn(self) -> Any:
        """Return as many copies as there are in an epoch, the same at every call."""
        return self.X if self.shares is None else taken(self.X, draw(self.shares, self.n_rows))

    def sample(self) -> np.ndarray:
        """Return the same as an array: of rows that do not fit in memory, evenly spaced ones."""
        drawn = self.drawn()
        return drawn.sample if isinstance(drawn, Source) else drawn

    def in_order_of_table(self) -> TrainingRows:
        """Return the same rows in the order of the table from which they come."""
        return self if self.source is None else self.take(self.source.argsort(kind="stable"))

    def take(self, chosen: Any) -> TrainingRows:
        """Return the copies at these places, which are numbers, a mask or a slice."""
        source = np.arange(len(self.X)) if self.source is None else self.source
        shares = None if self.shares is None else self.shares[chosen]
        return TrainingRows(taken(self.X, chosen), source[chosen], shares)


def taken(X: Any, chosen: Any) -> Any:
    """Return the rows at these places, which are numbers, a mask or a slice."""
    return X.take(chosen) if isinstance(X, Source) else X[chosen]


def training_rows(X: Any, weights: np.ndarray | None) -> TrainingRows:
    """Return the rows of a table, each as often as its weight says.

    A row of weight 2.5 has three copies, each of which takes part in 2.5 of 3 epochs. Rows of
    weight zero are left out. Without weights there is one copy of each row.

    Up to a million values, the copies are put into a canonical order. Training then ends with the
    same weights to the bit whether a table holds copies or weights, and whatever the order of its
    rows. Larger tables keep their order, as sorting would need a second copy of them; weights and
    copies next to each other still give the same bits.
    """
    if weights is None:
        whole = TrainingRows(X)
        is_large = isinstance(X, Source) or X.size > _MOST_SORTED
        return whole if is_large else whole.take(_canonical_order(X))
    copies = _copies(weights, min(_MOST_COPIES, _MOST_VALUES // X.shape[1]))
    n_copies = np.ceil(copies).astype(np.int64)
    rows = np.repeat(np.arange(len(X)), n_copies)
    if len(rows) * X.shape[1] <= _MOST_SORTED:
        rows = rows[_canonical_order(X[rows])]
    shares = None if (copies == n_copies).all() else (copies[rows] / n_copies[rows])
    if isinstance(X, SlicedRows) and shares is not None:
        raise ValueError(
            "Rows on disk take whole numbers as 'sample_weight'. Round the weights, or pass an "
            "array in memory."
        )
    return TrainingRows(taken(X, rows), rows, shares)


def with_values(rows: TrainingRows) -> TrainingRows:
    """Return the rows without those of which every value is missing, as they teach nothing."""
    if not has_gaps(rows.X):
        return rows
    X = rows.X
    is_empty = X.is_empty() if isinstance(X, Source) else np.isnan(X).all(axis=1)
    return rows.take(~is_empty) if is_empty.any() else rows


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


def n_batches(n_rows: int, batch_size: int) -> int:
    """Return the number of batches: a single row at the end goes into the batch before.

    Batch normalisation needs two rows to train on.
    """
    alone = n_rows % batch_size == 1 and 1 < batch_size < n_rows
    return -(-n_rows // batch_size) - alone


class Batches:
    """Iterate over a tensor in mini-batches of ``(x, x)``: an autoencoder's target is its input.

    The rows are gathered batch by batch, so that an epoch needs no second copy of the data. If the
    rows are not on the device already (:func:`resident`), each batch is copied there while the
    previous one is being processed. Without a generator the rows come in order.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        With the attributes ``X``, a tensor (n_samples, n_features) or a source, and ``y``, the
        shares of the passes in which the rows take part, or None for all.
    batch_size : int
    generator : torch.Generator or None
        Source of the order, a fresh one at every pass.
    device : torch.device or str
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ):
        self.x: Any = dataset.X
        self.shares = dataset.y
        self.n_rows = n_drawn(self.x, self.shares)
        self.batch_size: int = batch_size
        self.generator: torch.Generator | None = generator
        self.device = torch.device(device)

    def __len__(self) -> int:
        return n_batches(self.n_rows, self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if isinstance(self.x, SlicedRows) and self.generator is not None:
            batches = self._shuffled(self.generator)
        elif isinstance(self.x, Source):
            batches = self._made_dense()
        else:
            batches = self._here() if self.x.device.type == self.device.type else self._staged()
        for x in batches:
            yield x, x

    def _here(self) -> Iterator[Tensor]:
        if self.generator is None:
            yield from self._split(self.x)
            return
        for rows in self._split(self._order().to(self.x.device)):
            yield self.x.index_select(0, rows)

    def _made_dense(self) -> Iterator[Tensor]:
        for rows in self._split(self._order()):
            yield torch.from_numpy(self.x[rows.numpy()]).to(self.device)

    def _shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield batches of rows that are read in stretches, as single ones would take too long."""
        seed = int(torch.randint(2**62, (), generator=generator))
        sizes = iter([len(batch) for batch in self._split(torch.arange(len(self.x)))])
        parts: list[np.ndarray] = []
        missing = next(sizes)  # rows of the present batch
        for rows, order in self.x.shuffled(seed):
            while len(order):
                parts.append(rows[order[:missing]])
                missing, order = missing - len(parts[-1]), order[missing:]
                if not missing:
                    yield torch.from_numpy(np.concatenate(parts)).to(self.device)
                    parts, missing = [], next(sizes, 0)

    def _staged(self) -> Iterator[Tensor]:
        batches = self._split(self._order())
        n_rows = max(map(len, batches))
        buffers = cycle([Stage(self.x, n_rows, self.device) for _ in range(2)])
        for rows, stage in zip(batches, buffers, strict=False):
            yield stage.send(rows)

    def _split(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Split rows, or their numbers, into batches, of which the last is as large as it gets."""
        ends = [self.batch_size * batch for batch in range(1, len(self))]
        return rows.tensor_split(ends)

    def _order(self) -> Tensor:
        if self.generator is None:
            return torch.arange(len(self.x))
        order = torch.randperm(len(self.x), generator=self.generator)
        if self.shares is None:
            return order
        offset = float(torch.rand((), generator=self.generator))
        return order[torch.from_numpy(draw(self.shares[order.numpy()], self.n_rows, offset))]


class Stage:
    """A buffer of page-locked memory, from which a batch is copied while the processor goes on.

    Parameters
    ----------
    x : Tensor of shape (n_samples, n_features)
        All rows, in ordinary memory.
    n_rows : int
        Number of rows in the buffer.
    device : torch.device
        The device to which rows are sent.
    """

    def __init__(self, x: Tensor, n_rows: int, device: torch.device):
        self.x = x
        self.device = device
        on_gpu = device.type == "cuda"
        self._buffer = torch.empty((n_rows, *x.shape[1:]), dtype=x.dtype, pin_memory=on_gpu)
        self._left = torch.cuda.Event() if on_gpu else None

    def send(self, rows: Tensor) -> Tensor:
        """Return the rows on the device, or on their way there."""
        if self._left is not None:
            self._left.synchronize()  # the previous batch has left the buffer
        batch = torch.index_select(self.x, 0, rows, out=self._buffer[: len(rows)])
        sent = batch.to(self.device, copy=True, non_blocking=True)
        if self._left is not None:
            self._left.record()
        return sent


def resident(x: Tensor | Source, device: torch.device | str) -> Tensor | Source:
    """Return the rows on the device if half of its free memory holds them, else as they are."""
    device = torch.device(device)
    if isinstance(x, Source) or device.type != "cuda" or x.nbytes > _free_memory(device) // 2:
        return x
    return x.to(device)


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


def _free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0]
