"""
A table that is larger than memory
==================================

Readings of thirty sensors in a file of 1.2 million rows. The model is trained and applied without
reading the file into memory: twice as many rows need twice the time and the same memory.
"""

import tempfile
import time
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skvae import VAEAnomalyDetector
from skvae.networks import MLP

# %%
# The file
# --------
# Three hidden causes determine thirty readings, which are written as 16-bit integers, part by part.
# Rows may as well come from HDF5, Zarr, Parquet or a function that returns chunks; see
# :doc:`/user_guide/large`.

n_rows, n_features, n_part = 1_200_000, 30, 100_000
folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "readings.npy")

rng = np.random.default_rng(0)
mixing = rng.normal(size=(3, n_features)).astype(np.float32)
file = np.lib.format.open_memmap(path, "w+", np.int16, (n_rows, n_features))
for start in range(0, n_rows, n_part):
    causes = rng.standard_normal((n_part, 3), dtype=np.float32)
    noise = rng.integers(-50, 50, (n_part, n_features), dtype=np.int8)
    file[start : start + n_part] = 500 * np.sin(causes @ mixing) + noise
file.flush()

readings = np.load(path, mmap_mode="r")
print(f"{len(readings):,} rows, {path.stat().st_size / 1e6:.0f} MB on disk")
print(f"{8e-6 * readings.size:.0f} MB as an array of float64 in memory")

# %%
# Training
# --------
# A memory map goes into ``fit`` as an array does. Tables of up to 16 million values are read into
# memory; of larger ones, short stretches are read in a random order. The budget of one epoch and
# the small network keep this page fast. ``tracemalloc`` measures the memory that NumPy allocates;
# the operating system may keep parts of the file in memory as long as nothing else needs it.

detector = VAEAnomalyDetector(
    n_components=3,
    network=MLP(hidden_layer_sizes=(64,)),
    anomaly_score="elbo",
    batch_size=8192,
    max_epochs=1,
    learning_rate=1e-2,
    contamination=0.01,
    random_state=0,
)
tracemalloc.start()
for part in (readings[: n_rows // 2], readings):
    tracemalloc.reset_peak()
    started = time.process_time()
    detector.fit(part)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    print(f"{len(part):,} rows: peak of {peak / 1e6:.0f} MB, {seconds:.1f} s of processor time")
tracemalloc.stop()

# %%
# Scores, block by block
# ----------------------
# Methods read the file block by block, too; only the result is in memory. Here are the scores of
# every tenth row, and of as many rows in which two sensors were exchanged:

rows = readings[::10]
exchanged = rows.copy()
exchanged[:, [4, 7]] = exchanged[:, [7, 4]]
scores = {"as measured": rows, "two sensors exchanged": exchanged}
scores = {name: detector.score_samples(X) for name, X in scores.items()}
for name, values in scores.items():
    print(f"{name}: {np.mean(values < detector.offset_):.3f} of {len(values):,} rows flagged")

figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
bins = np.linspace(*np.quantile(np.concatenate(list(scores.values())), [0.001, 1]), 80)
for (name, values), colour in zip(scores.items(), ("#0072B2", "#D55E00"), strict=True):
    ax.hist(values, bins, alpha=0.65, color=colour, label=name)
ax.axvline(detector.offset_, color="black", linestyle="--", label="threshold")
ax.set(xlabel="ELBO in nats (higher is more normal)", ylabel="rows")
ax.legend(frameon=False)
plt.show()

del readings, rows, part, file
folder.cleanup()
