"""Peak memory of fit, transform and score_samples beyond the libraries and the data.

    python benchmarks/memory.py [--networks mlp conv] [--methods fit transform score_samples]
        [--rows 10000 60000] [--inputs float32 float64 uint8 mapped] [--repeats 3] [--json FILE]

Every figure comes from a fresh process, in which a model was fitted to 256 rows and the data were
read before the measurement starts. The rows hold grey levels from 0 to 255, and fits run for one
epoch. All networks and numbers of rows are measured in float32, the other inputs with the first
network and the largest number of rows. "mapped" is a float32 file mapped read-only, as joblib
passes large arrays to its workers.
"""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from _harness import Spread, arguments, report, take_turns
from _images import images
from _processes import fresh_process

PROGRAM = """
import json, sys
import numpy as np
from _processes import peak_bytes
from skvae import VAETransformer

file, kind, network, method = sys.argv[1:]
few = np.load(file, mmap_mode="r")[:256].copy()
vae = VAETransformer(network=network, max_epochs=1, random_state=0).fit(few)
vae.score_samples(few)
X = np.load(file, mmap_mode="r" if kind == "mapped" else None)
X.max()  # pages of a mapped file count once they are read
before = peak_bytes()
getattr(vae, method)(X)
print(json.dumps(peak_bytes() - before))
"""


def main():
    settings = arguments(
        __doc__,
        networks=["mlp", "conv"],
        methods=["fit", "transform", "score_samples"],
        rows=[10_000, 60_000],
        inputs=["float32", "float64", "uint8", "mapped"],
        data="mnist",
    )
    networks, most = settings.networks, max(settings.rows)
    grid = [
        *product(networks, settings.methods, ["float32"], settings.rows),
        *product(networks[:1], settings.methods, settings.inputs, [most]),
    ]
    grid = list(dict.fromkeys(grid))
    with tempfile.TemporaryDirectory() as folder:
        files = _write_files(Path(folder), {job[2:] for job in grid}, settings.data)
        jobs = {job: partial(_measure, files[job[2:]], job) for job in grid}
        peaks = take_turns(jobs, settings.repeats)
    table = [_row(job, peaks[job]) for job in grid]
    report("Peak memory beyond libraries and data", table, settings)


def _write_files(folder, inputs, data):
    grey_levels = 255 * images(max(n_rows for _, n_rows in inputs), data)
    files = {}
    for kind, n_rows in inputs:
        files[kind, n_rows] = folder / f"{kind}-{n_rows}.npy"
        dtype = "float32" if kind == "mapped" else kind
        np.save(files[kind, n_rows], grey_levels[:n_rows].astype(dtype))
    return files


def _measure(file, job):
    network, method, kind, _ = job
    return fresh_process(PROGRAM, file, kind, network, method)


def _row(job, peaks):
    network, method, kind, n_rows = job
    added = Spread.of([peak / 2**20 for peak in peaks])
    return {
        "network": network,
        "method": method,
        "input": kind,
        "rows": n_rows,
        "added MB": added,
        "added bytes per row": added.median * 2**20 / n_rows,
    }


if __name__ == "__main__":
    main()
