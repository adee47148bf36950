"""A thousand fits in one process leave no memory, thread or open file behind."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from skvae import VAEAnomalyDetector
from skvae.networks import MLP

PROC = Path("/proc/self")


def footprint():
    """Give resident megabytes, threads, and open files of this process."""
    pages = int((PROC / "statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return megabytes, threading.active_count(), len(list((PROC / "fd").iterdir()))


@pytest.mark.slow
@pytest.mark.skipif(not (PROC / "fd").exists(), reason="the footprint is read from /proc")
def test_a_thousand_fits_leave_nothing_behind(capsys):
    X = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    at = {}
    for number in range(1, 1001):
        detector = VAEAnomalyDetector(
            4, network=MLP(hidden_layer_sizes=(64,)), max_epochs=2, random_state=number
        )
        detector.fit(X).score_samples(X)
        if number in (100, 1000):
            at[number] = footprint()
    with capsys.disabled():
        for number, (megabytes, *counts) in at.items():
            print(f"\nafter {number} fits: {megabytes:.1f} MB, threads and open files {counts}")
    assert at[1000][0] - at[100][0] < 10
    assert at[1000][1:] == at[100][1:]
