"""In-memory mini-batches: one permutation per epoch, gathered slice by slice, no per-row work."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from skvae._rows.weights import draw, n_drawn


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
        With the attributes ``X``, the tensor (n_samples, n_features), and ``y``, the shares of the
        passes in which the rows take part, or None for all.
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
        self.x: Tensor = dataset.X
        self.shares = dataset.y
        self.n_rows = n_drawn(self.x, self.shares)
        self.batch_size: int = batch_size
        self.generator: torch.Generator | None = generator
        self.device = torch.device(device)

    def __len__(self) -> int:
        return n_batches(self.n_rows, self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self._here() if self.x.device.type == self.device.type else self._staged()
        for x in batches:
            yield x, x

    def _here(self) -> Iterator[Tensor]:
        if self.generator is None:
            yield from self._split(self.x)
            return
        for rows in self._split(self._order().to(self.x.device)):
            yield self.x.index_select(0, rows)

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


def resident(x: Tensor, device: torch.device | str) -> Tensor:
    """Return the rows on the device if half of its free memory holds them, else as they are."""
    device = torch.device(device)
    if device.type != "cuda" or x.nbytes > _free_memory(device) // 2:
        return x
    return x.to(device)


def _free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0]
