"""In-memory mini-batches: one permutation an epoch, gathered slice by slice, no per-row work."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor


class Batches:
    """Iterate over a tensor in mini-batches of ``(x, x)``: an autoencoder's target is its input.

    The rows are gathered batch by batch, so that an epoch needs no second copy of the data, and
    moved to the device as they go. Without a generator the rows come in order.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset with an attribute ``X``, the tensor (n_samples, n_features)
    batch_size : int
    generator : torch.Generator or None
        Decides the order, a fresh one at every pass.
    device : torch.device or str
    """

    def __init__(self, dataset, batch_size, generator=None, device="cpu"):
        self.x: Tensor = dataset.X
        self.batch_size: int = batch_size
        self.generator: torch.Generator | None = generator
        self.device = torch.device(device)

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.generator is None:
            slices = self.x.split(self.batch_size)
        else:
            order = torch.randperm(len(self.x), generator=self.generator)
            slices = (self.x.index_select(0, rows) for rows in order.split(self.batch_size))
        for x in slices:
            x = x.to(self.device, non_blocking=True)
            yield x, x
