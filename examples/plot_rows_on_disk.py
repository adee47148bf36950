"""
A table that is larger than memory
==================================

Readings of thirty sensors in a file of 1.4 million rows, which is never read into memory as a
whole. Twice as many rows take longer, but hardly more memory.
"""

import tempfile
import tracemalloc
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skvae import VAETransformer
from skvae.networks import MLP

# %%
# The file
# --------
# Two hidden causes determine thirty readings, which are written as 16-bit integers, part by part.

n_rows, n_features, n_part = 1_400_000, 30, 100_000
folder = tempfile.TemporaryDirectory()
path = Path(folder.name, "readings.npy")

rng = np.random.default_rng(0)
mixing = rng.normal(size=(2, n_features)).astype(np.float32)
file = np.lib.format.open_memmap(path, "w+", np.int16, (n_rows, n_features))
for start in range(0, n_rows, n_part):
    causes = rng.standard_normal((n_part, 2), dtype=np.float32)
    noise = rng.integers(-50, 50, (n_part, n_features), dtype=np.int8)
    file[start : start + n_part] = 500 * np.sin(causes @ mixing) + noise
file.flush()

readings = np.load(path, mmap_mode="r")
print(f"{len(readings):,} rows, {path.stat().st_size / 1e6:.0f} MB on disk")
print(f"{8e-6 * readings.size:.0f} MB if it were an array of float64 in memory")

# %%
# Training
# --------
# A memory map goes into ``fit`` as an array does, and so do arrays of HDF5 and Zarr, and Parquet
# files; see :doc:`/user_guide/large`. Up to 16 million values are read into memory; of larger
# tables, short stretches are read in a random order. A single epoch and a small network keep this
# page fast.
#
# ``tracemalloc`` measures the memory that Python and NumPy allocate. The operating system keeps
# parts of the file in memory as well, as long as nothing else needs the space.

vae = VAETransformer(
    n_components=2,
    network=MLP(hidden_layer_sizes=(64,)),
    batch_size=8192,
    max_epochs=1,
    learning_rate=5e-3,
    random_state=0,
)
tracemalloc.start()
for part in (readings[: n_rows // 2], readings):
    tracemalloc.reset_peak()
    vae.fit(part)
    print(f"{len(part):,} rows  peak of {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")

# %%
# Embedding
# ---------
# ``transform`` reads the file block by block, too. Only the result is in memory:

tracemalloc.reset_peak()
before, _ = tracemalloc.get_traced_memory()
Z = vae.transform(readings)
_, peak = tracemalloc.get_traced_memory()
tracemalloc.stop()
print(f"embedding of {Z.nbytes / 1e6:.0f} MB, peak of {(peak - before) / 1e6:.0f} MB")

figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
density = ax.hexbin(*Z.T, gridsize=80, bins="log", cmap="magma_r", linewidths=0)
figure.colorbar(density, label="rows")
ax.set(xlabel="latent dimension 0", ylabel="latent dimension 1", title=f"{len(Z):,} rows")
plt.show()

# %%
# The file is deleted:

del part, readings, file
folder.cleanup()
