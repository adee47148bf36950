"""Peak memory on rows of 784 features, each measured in a new process."""

import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import re, resource, sys
from pathlib import Path
import numpy as np
from skvae import VAETransformer
from skvae.networks import MLP

def peak():
    if sys.platform == "linux":  # its ru_maxrss starts at the peak of the parent process
        return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**10
    scale = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale

job, dtype = sys.argv[1:3]
small = np.random.default_rng(0).random((256, 784), dtype=np.float32)
vae = VAETransformer(8, network=MLP(hidden_layer_sizes=(32,)), max_epochs=1, random_state=0)
vae.fit(small)  # loads libraries and starts thread pools
if sys.argv[3:] and sys.argv[3].endswith(".parquet"):
    import pyarrow.dataset, pyarrow.parquet
    X = sys.argv[3]
    vae.set_params(batch_size=4096)
elif sys.argv[3:]:
    X = np.load(sys.argv[3], mmap_mode="r")
else:
    X = np.empty((60_000, 784), dtype=dtype)
    scale = 255 if dtype == "uint8" else 1
    for start in range(0, len(X), 256):
        X[start : start + 256] = (scale * small)[: len(X) - start]
before = peak()
getattr(vae, job)(X)
print(peak() - before)
"""

ONE_COPY = 60_000 * 784 * 4 / 2**20  # MB of float32
SHUFFLED = 32  # MB of rows from disk that are shuffled together
OVERHEAD = 40  # MB for batches, gradients and the allocator


def _added_peak(job, dtype, *path):
    command = [sys.executable, "-c", PROGRAM, job, dtype, *map(str, path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    megabytes = float(run.stdout)
    print(f"{job} of {dtype}: {megabytes:.0f} MB above the data")
    return megabytes


@pytest.mark.parametrize(
    "dtype",
    ["float32", *(pytest.param(other, marks=pytest.mark.slow) for other in ("float64", "uint8"))],
)
def test_fit_adds_at_most_one_copy_of_the_data(dtype):
    copies = 1 if dtype == "uint8" else 0  # bytes are cast to float32 once, floats are shared
    assert _added_peak("fit", dtype) < copies * ONE_COPY + OVERHEAD


@pytest.mark.parametrize(
    "job", ["transform", pytest.param("score_samples", marks=pytest.mark.slow)]
)
def test_rows_are_evaluated_in_chunks(job):
    assert _added_peak(job, "float32") < OVERHEAD


@pytest.mark.parametrize(
    ("n_rows", "job"),
    [(30_000, "fit"), (160_000, "fit"), (160_000, "score_samples")],  # 0.5 GB
)
@pytest.mark.slow
def test_memory_does_not_grow_with_rows_on_disk(tmp_path, n_rows, job):
    X = np.lib.format.open_memmap(tmp_path / "X.npy", "w+", np.float32, (n_rows, 784))
    for start in range(0, n_rows, 1000):
        X[start : start + 1000] = np.linspace(0, 1, 784, dtype=np.float32)
    del X
    assert _added_peak(job, "float32", tmp_path / "X.npy") < 5 * SHUFFLED + OVERHEAD


@pytest.mark.slow
def test_a_parquet_file_is_not_read_whole_into_memory(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="an optional dependency")
    parquet = pytest.importorskip("pyarrow.parquet", reason="an optional dependency")
    column = np.random.default_rng(0).normal(size=2_500_000).astype(np.float32)
    table = pyarrow.table({f"x{j}": np.roll(column, j) for j in range(50)})  # 0.5 GB
    parquet.write_table(table, tmp_path / "X.parquet", row_group_size=len(column))
    # 386 MB; the scanner of pyarrow's datasets takes 1,269 MB
    assert _added_peak("fit", "float32", tmp_path / "X.parquet") < 640
