"""Randomness: private torch generators from ``random_state``, and the fixed draws of the scores.

The global generators of Python, NumPy and torch keep their states.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import qmc
from sklearn.utils import check_random_state

_lock = threading.RLock()  # torch's default generators are one set for all threads
_SCORE_SEED = 20160301  # any constant: it makes scores a function of the model and the row alone


def draw_seed(random_state: Any) -> int:
    """Turn a ``random_state`` into one integer seed; ``None`` takes fresh entropy."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    return int(check_random_state(random_state).randint(2**31 - 1))


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new, seeded torch generator."""
    return torch.Generator(device=device).manual_seed(seed)


@contextmanager
def isolated_rng(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's default generators inside the block and restore them after it.

    Needed for weight initialisation, dropout and users' own modules, which draw from the default
    generator and do not accept another. Only one thread is inside at a time, so that concurrent
    fits draw the same numbers as consecutive ones. On a GPU, convolutions are deterministic inside.
    """
    device = torch.device(device)
    on_gpu = device.type == "cuda"
    states = torch.random.fork_rng(devices=[device] if on_gpu else [])
    with _lock, states, _deterministic_convolutions():
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def _deterministic_convolutions() -> Iterator[None]:
    """Keep cuDNN, inside the block, from algorithms that add in a random order."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def _renew_lock() -> None:
    """Give a forked child a new lock: the old one may be held by a thread that it lacks."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@lru_cache(maxsize=32)
def _sobol_normal(n_samples: int, n_components: int) -> np.ndarray:
    block = qmc.Sobol.MAXDIM  # a Sobol sequence has at most 21,201 dimensions
    columns = [
        qmc.Sobol(min(block, n_components - start), rng=np.random.default_rng(_SCORE_SEED + start))
        # a whole power of two keeps the balance of the sequence, and SciPy silent
        .random_base2(max(n_samples - 1, 0).bit_length())[:n_samples]
        for start in range(0, n_components, block)
    ]
    draws = ndtri(np.clip(np.hstack(columns), 1e-12, 1 - 1e-12))
    draws /= np.sqrt(np.mean(draws**2, axis=0))
    draws.flags.writeable = False
    return draws


def fixed_normal_draws(n_samples: int, n_components: int) -> np.ndarray:
    """Return the scrambled Sobol normal draws that all rows share when they are scored.

    Every dimension is rescaled to second moment one, so that a quadratic log density is averaged
    exactly whatever the number of draws: the entropy of q(z|x) never depends on luck.

    Returns
    -------
    draws : read-only ndarray of shape (n_samples, n_components), float64
    """
    return _sobol_normal(n_samples, n_components)
