"""Many fits in one process do not leak memory, threads or open files."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from tests.helpers import FEW_TREES

PROC = Path("/proc/self")


def footprint():
    """Return the resident megabytes, threads and open files of this process."""
    pages = int((PROC / "statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return megabytes, threading.active_count(), len(list((PROC / "fd").iterdir()))


# the short run allows more memory, because caches are still growing after five fits
@pytest.mark.skipif(not (PROC / "fd").exists(), reason="the footprint is read from /proc")
@pytest.mark.parametrize(
    ("first", "last", "megabytes"),
    [(5, 15, 30), pytest.param(100, 500, 10, marks=pytest.mark.slow)],
)
def test_fits_do_not_leak(capsys, first, last, megabytes):
    X = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    at = {}
    for number in range(1, last + 1):
        detector = VAEAnomalyDetector(
            4,
            network=MLP(hidden_layer_sizes=(64,)),
            anomaly_score=FEW_TREES,
            max_epochs=2,
            random_state=number,
        )
        detector.fit(X).score_samples(X)
        if number in (first, last):
            at[number] = footprint()
    with capsys.disabled():
        for number, (resident, *counts) in at.items():
            print(f"\nafter {number} fits: {resident:.1f} MB, threads and open files {counts}")
    assert at[last][0] - at[first][0] < megabytes
    assert all(np.less_equal(at[last][1:], at[first][1:]))  # threads and open files
