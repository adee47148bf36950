"""Rows on disk beside the same rows in memory: rows per second, peak of memory, and likelihood.

    python benchmarks/disk.py [--rows 400000] [--features 50] [--text 0] [--epochs 1]
        [--repeats 3] [--json FILE]

The rows are drawn from ten groups, each with a covariance of its own, and the file is sorted by
group. Each contestant runs in a process of its own: the array in memory, the memory map, and the
same rows in a Parquet file, if pyarrow is installed. IncrementalPCA on the memory map is the rival.
With `--text`, the rows begin with so many columns of text, each of which names the group of the row
in half of the rows and another one otherwise, and a table in memory is compared with Parquet.
"Seconds" and "rows/s" are those of the whole fit, by the processor's time, measuring included;
"added MB" is the peak above libraries and the array in memory. The log-likelihood is that of every
997th row.
"""

from __future__ import annotations

import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _harness import Spread, arguments, report, take_turns
from _processes import fresh_process

N_GROUPS = 10
PROGRAM = """
import json, sys, time, warnings
import numpy as np
from _processes import peak_bytes
from sklearn.decomposition import IncrementalPCA
from skvae import VAETransformer

kind, path, n_epochs = sys.argv[1:]
warnings.filterwarnings("ignore", "X does not have valid feature names")  # as Parquet files have
few = np.random.default_rng(0).random((256, 8))
VAETransformer(max_epochs=1, random_state=0).fit(few)
mapped = np.load(path, mmap_mode="r")
held_out = mapped[::997].copy()
stored = path.replace(".npy", ".parquet")
if kind.startswith("table"):
    from pyarrow import parquet
    held_out = parquet.read_table(path.removesuffix("rows.npy") + "held_out.parquet")
    VAETransformer(max_epochs=1, random_state=0).fit(held_out)
    X = parquet.read_table(stored) if kind == "table in memory" else stored
else:
    in_memory = {"memory": lambda: np.array(mapped), "Parquet": lambda: stored}
    X = in_memory.get(kind, lambda: mapped)()
before, start = peak_bytes(), time.process_time()
if kind == "IncrementalPCA":
    IncrementalPCA(8, batch_size=10_000).fit(X)
    likelihood = float("nan")
else:
    vae = VAETransformer(8, max_epochs=int(n_epochs), random_state=0).fit(X)
    likelihood = None
seconds, added = time.process_time() - start, (peak_bytes() - before) / 2**20
if likelihood is None:
    likelihood = vae.score(held_out)
print(json.dumps([seconds, added, likelihood]))
"""


def main():
    settings = arguments(__doc__, repeats=3, rows=400_000, features=50, text=0, epochs=1)
    kinds = ["memory", "memory map", "IncrementalPCA"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write_sorted(path, settings.rows, settings.features)
        if settings.text:
            kinds = ["table in memory", "table in Parquet"]
            _write_parquet(path, settings.text)
        elif find_spec("pyarrow"):
            kinds.insert(2, "Parquet")
            _write_parquet(path)
        jobs = {k: partial(fresh_process, PROGRAM, k, path, settings.epochs) for k in kinds}
        found = take_turns(jobs, settings.repeats)
    title = f"{settings.rows:,} rows of {settings.features} features, {settings.epochs} epochs"
    title += f", and {settings.text} columns of text" if settings.text else ""
    report(title, [_row(kind, found[kind], settings) for kind in kinds], settings)


def write_sorted(path, n_rows, n_features):
    """Write rows of ten groups, one group after the other."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, n_features))
    for rows in np.array_split(np.arange(n_rows), N_GROUPS):
        centre, factors = 2 * rng.normal(size=n_features), rng.normal(size=(5, n_features))
        noise = 0.3 * rng.normal(size=(len(rows), n_features))
        X[rows] = centre + rng.normal(size=(len(rows), 5)) @ factors + noise
    X.flush()


def _write_parquet(path, n_text=0):
    import pyarrow
    from pyarrow import parquet

    X = np.load(path, mmap_mode="r")
    table = pyarrow.table(_text(len(X), n_text) | {f"x{j}": x for j, x in enumerate(X.T)})
    parquet.write_table(table, path.with_suffix(".parquet"))
    held_out = table.take(np.arange(0, len(table), 997))  # a process that reads all has them all
    parquet.write_table(held_out, path.with_name("held_out.parquet"))


def _text(n_rows, n_columns):
    """Return columns of text, half of which says the group of the row."""
    rng, names = np.random.default_rng(0), np.array([f"group {i}" for i in range(N_GROUPS)])
    groups = np.repeat(range(N_GROUPS), [len(r) for r in np.array_split(range(n_rows), N_GROUPS)])
    drawn = (rng.integers(0, N_GROUPS, n_rows) for _ in range(n_columns))
    shown = (np.where(rng.random(n_rows) < 0.5, groups, codes) for codes in drawn)
    return {f"text {j}": names[codes] for j, codes in enumerate(shown)}


def _row(kind, found, settings):
    seconds, added, likelihood = zip(*found, strict=True)
    n_seen = settings.rows * settings.epochs
    return {
        "rows": kind,
        "seconds": Spread.of(list(seconds)),
        "rows/s": Spread.of([n_seen / second for second in seconds]),
        "added MB": Spread.of(list(added)),
        "log-likelihood": likelihood[0],
    }


if __name__ == "__main__":
    main()
