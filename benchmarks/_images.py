"""Rows for the benchmarks: images of MNIST, or noise of the same shape if MNIST is missing."""

from __future__ import annotations

import sys

import numpy as np

N_PIXELS = 28 * 28


def images(n_rows: int, data: str) -> np.ndarray:
    """Return the first training images of MNIST ("mnist") or uniform "noise", float32 in [0, 1]."""
    if data == "noise":
        return noise(n_rows, N_PIXELS)
    if data != "mnist":
        sys.exit(f"--data must be mnist or noise, got {data!r}.")
    from skvae.datasets import fetch_mnist

    X = fetch_mnist(subset="train").data
    if n_rows > len(X):
        sys.exit(f"{n_rows} rows were asked for, but MNIST has {len(X)} training images.")
    return X[:n_rows].copy()


def noise(n_rows: int, n_features: int) -> np.ndarray:
    """Return uniform noise in [0, 1]: the cost of a step does not depend on the values."""
    return np.random.default_rng(0).random((n_rows, n_features), dtype=np.float32)
