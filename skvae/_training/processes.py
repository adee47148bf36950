"""The processes in which a fit runs, if a launcher such as torchrun has started several.

All of them have all rows, the same seed and so the same batches. Each evaluates the loss of its
part of a batch; the gradients are added up before every step, so that all take the same one.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from skvae._rows.batches import Part

_PATIENCE = timedelta(minutes=30)  # with a process that has not come as far as the others


class Processes:
    """The processes that train one model together, as seen from one of them.

    A single process, which is the default, adds nothing up and computes as if there were no group.

    Parameters
    ----------
    rank : int, default=0
        Number of this process.
    size : int, default=1
        Number of processes.
    """

    def __init__(self, rank: int = 0, size: int = 1):
        self.rank = rank
        self.size = size
        self.is_to_stop = False  # set by a signal; the others are told in the next step

    def part_of(self, n_rows: int) -> Part:
        """Return the part of a batch that this process evaluates.

        A batch of fewer rows than processes leaves some without a row of their own. They evaluate
        one with weight zero.
        """
        start, stop = (n_rows * rank // self.size for rank in (self.rank, self.rank + 1))
        return Part(slice(start, max(stop, start + 1)), n_rows, (stop - start) / n_rows)

    def add_up(self, values: Tensor) -> None:
        """Replace values by their sum over the processes."""
        if self.size > 1:
            with _losses_explained():
                dist.all_reduce(values)

    def add_up_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their sum over the processes.

        Raises
        ------
        KeyboardInterrupt
            In all processes, if one of them is to stop.
        """
        if self.size == 1:
            return
        gradients = [one.grad for one in weights if one.grad is not None]
        to_stop = gradients[0].new_tensor([float(self.is_to_stop)])
        total = torch.cat([one.reshape(-1) for one in [*gradients, to_stop]])
        self.add_up(total)
        *sums, n_to_stop = total.split([one.numel() for one in [*gradients, to_stop]])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view_as(gradient))
        if float(n_to_stop):  # for which a GPU waits once per step
            raise KeyboardInterrupt

    def copy_from_first(self, values: Tensor) -> None:
        """Replace values by those of the first process."""
        if self.size > 1:
            with _losses_explained():
                dist.broadcast(values, src=0)

    def common_seed(self, seed: int, device: str) -> int:
        """Return the seed of the first process."""
        if self.size == 1:
            return seed
        value = torch.tensor([seed], device=device)
        self.copy_from_first(value)
        return int(value)

    def check_rows(self, sample: np.ndarray, n_rows: int, device: str) -> None:
        """Check that all processes have the same rows.

        Raises
        ------
        ValueError
            If they have not.
        """
        found = [n_rows, *sample.shape, zlib.crc32(np.ascontiguousarray(sample).data.cast("B"))]
        lowest = torch.tensor(found, device=device)
        highest = lowest.clone()
        with _losses_explained():
            dist.all_reduce(lowest, dist.ReduceOp.MIN)
            dist.all_reduce(highest, dist.ReduceOp.MAX)
        if not torch.equal(lowest, highest):
            raise ValueError(
                f"The {self.size} processes that train together were given different rows (process "
                f"{self.rank} has {n_rows}). Pass all rows to each of them, and an integer as "
                "'random_state', by which rows are set aside or hidden."
            )


def processes() -> Processes:
    """Return the group of this process, which it joins if a launcher has started several.

    Workers and threads of a process train alone.
    """
    if not is_launched():
        return Processes()
    if not dist.is_initialized():
        dist.init_process_group(timeout=_PATIENCE)
        atexit.register(_leave)
    return Processes(dist.get_rank(), dist.get_world_size())


def is_launched() -> bool:
    """Return whether a launcher has started this process as one of several."""
    if not dist.is_available() or multiprocessing.parent_process() is not None:
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return dist.is_initialized() or (several and {"RANK", "MASTER_ADDR"} <= os.environ.keys())


def gpu_of_process() -> str:
    """Return the GPU of this process: its own if several were started on this machine."""
    place = int(os.environ.get("LOCAL_RANK", "0"))
    return f"cuda:{place}" if is_launched() and place < torch.cuda.device_count() else "cuda"


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _losses_explained() -> Iterator[None]:
    """Explain the error of a process that has lost the others."""
    try:
        yield
    except RuntimeError as exc:
        raise RuntimeError(
            "Training in several processes ended, because one of them is gone or has stopped "
            "training. Its own error, if it had one, is in its output. All processes must call the "
            "same 'fit'. The estimator is as it was before; a checkpoint of Autosave, if there is "
            "one, holds the last epoch."
        ) from exc
