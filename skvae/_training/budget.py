"""What ``"auto"`` means in training: epochs, batches, weight decay, device and precision."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from skvae._rows.batches import n_batches
from skvae._training.processes import gpu_of_process

MIN_STEPS = 1000
EARLY_STOPPING_CEILING = 10  # with early stopping, "auto" allows this many times the budget
_PSEUDO_ROWS = 20.0
_LEAST_SHARE = 0.03
_WIDE_ROWS = 256


class Budget(NamedTuple):
    """How many epochs to train, the batch size, and how strongly to shrink the weights."""

    max_epochs: int
    batch_size: int
    weight_decay: float


def training_budget(
    n_samples: int, batch_size: int | str = "auto", *, of_table: bool = False
) -> Budget:
    """Fit the training budget to the number of rows.

    A step costs the same whatever the table, so the budget is counted in optimiser steps:
    ``max(1000, 20 * sqrt(n_samples))``, rounded up to whole epochs. A small table is seen many
    times, a large one a few times. The batch is 64 rows, or 128 from 10,000 rows up. It
    is twice as large from 2,000 rows up of a data frame with names or dates, whose draws gain by
    it. The weight decay stands for a fixed Gaussian prior on the weights, whose share of the loss
    per row falls as ``1 / n_samples``; it is ``1000 / n_samples``, at most 1.

    Parameters
    ----------
    n_samples : int
        Rows in the training set.
    batch_size : int or "auto"
        A batch size that was chosen already, or "auto".
    of_table : bool, default=False
        Whether the rows are those of a data frame with names or dates.

    Returns
    -------
    budget : Budget

    Examples
    --------
    >>> training_budget(150)
    Budget(max_epochs=334, batch_size=64, weight_decay=1.0)
    >>> training_budget(60_000)
    Budget(max_epochs=11, batch_size=128, weight_decay=0.016666666666666666)
    """
    if batch_size == "auto":
        batch_size = 64 if n_samples < 10_000 else 128
        if of_table and n_samples >= 2000:
            batch_size *= 2
    steps_per_epoch = n_batches(n_samples, int(batch_size))
    n_steps = max(MIN_STEPS, 20 * math.sqrt(n_samples))
    return Budget(
        max_epochs=math.ceil(n_steps / steps_per_epoch),
        batch_size=int(batch_size),
        weight_decay=min(1.0, 1000 / n_samples),
    )


def pseudo_row_share(n_samples: int, n_features: int, n_components: int) -> float:
    """Return the share of pseudo-rows in a batch, by what the training rows can support.

    A linear model has ``n_features * n_components`` loadings. Their number per row, times 20, is
    the number of pseudo-rows to that many rows. A share below 3 % is none at all, as larger tables
    do not gain by it: with the default of 16 components, 250 rows of 6 features or 570 rows of 30
    have no pseudo-rows.

    Parameters
    ----------
    n_samples : int
        Rows in the training set.
    n_features : int
        Columns in the training set.
    n_components : int
        Number of latent dimensions, of which at most `n_features` count.

    Returns
    -------
    share : float
        In [0, 1).

    Examples
    --------
    >>> round(pseudo_row_share(50, 30, 8), 2)
    0.66
    >>> pseudo_row_share(500, 8, 16)
    0.0
    """
    n_loadings = n_features * min(n_components, n_features)
    n_pseudo = _PSEUDO_ROWS * n_loadings / n_samples
    share = n_pseudo / (n_pseudo + n_samples)
    return share if share >= _LEAST_SHARE else 0.0


def warmup_epochs(max_epochs: int, early_stopping: bool, is_needed: bool) -> float:
    """Return the epochs over which the weight of the KL term grows, unless the objective says.

    Likelihoods with heavy tails or bins gain little from the first, rough latent vectors, and so do
    counts and bits of which fewer than a tenth are not zero, such as words in texts. Without a
    warm-up the KL term then drives all dimensions onto the prior, from which they do not return.
    The prior of a classifier, a mixture for each class, draws them together as well: a warm-up
    gains up to 6 nats on four small tables (benchmarks/quality/README.md, "Few labels"). It takes a
    third of the epochs, or of those that the budget would be without early stopping. Other models
    have none, with which two components of iris keep 0.3 nats.
    """
    if not is_needed:
        return 0.0
    return max_epochs / (3 * EARLY_STOPPING_CEILING if early_stopping else 3)


def one_cycle(progress: float) -> float:
    """Return the learning rate at a share of the run, relative to its mean.

    A linear warm-up to twice the mean over the first quarter, then half a cosine down to zero
    (Smith & Topin, 2019): large steps while they help, small ones to settle.
    """
    if progress < 0.25:
        return 8 * progress
    return 1 + math.cos(math.pi * (progress - 0.25) / 0.75)


def resolve_device(device: str | torch.device) -> str:
    """Return the device to train on; "auto" is a CUDA GPU if there is one, else the CPU.

    Several processes that train together on one machine have a GPU each.
    """
    if device == "auto":
        return gpu_of_process() if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(exc).splitlines()[0]} "
            "Choose device='cpu' or device='auto'."
        ) from exc
    return str(device)


def resolve_precision(precision: str, device: str, width: int) -> str:
    """Return the precision of the matrix products during training.

    "auto" is bfloat16 if the processor multiplies it natively and the encoder sees enough values
    per row for the products to outweigh the casts, else float32.
    """
    if precision != "auto":
        return precision
    wide = width >= _WIDE_ROWS
    return "bfloat16" if wide and _multiplies_bfloat16(device) else "float32"


def _multiplies_bfloat16(device: str) -> bool:
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # an older torch cannot tell, and emulated bfloat16 is slower than float32
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
