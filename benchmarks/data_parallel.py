"""Rows per second of one fit in one process and in two that torchrun starts, and their agreement.

    python benchmarks/data_parallel.py [--rows 60000] [--widths 256 1024] [--batch-sizes 128 1024]
        [--epochs 1] [--processes 2] [--repeats 3] [--data mnist] [--json FILE]

The networks have two layers of the given width, with an activation without kinks. All fits have the
same seed and global batch. Each process has one thread. Seconds are those of `fit` on the wall
clock, after a small fit for warm-up, so the machine has to have as many free cores as processes.
"difference" is the distance between the weights after both fits, divided by their norm.
"""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from _harness import Spread, arguments, ratios, report, take_turns
from _processes import json_of

PROGRAM = """
import json, os, sys, time
import numpy as np
import torch
from _images import images
from skvae import VAETransformer
from skvae.networks import MLP

torch.set_num_threads(1)
data, rows, width, batch_size, n_epochs, path = sys.argv[1:]
X = images(int(rows), data)
vae = VAETransformer(
    network=MLP(hidden_layer_sizes=(int(width), int(width)), activation="silu"),
    likelihood="bernoulli",
    batch_size=int(batch_size),
    max_epochs=int(n_epochs),
    precision="float32",
    device="cpu",
    random_state=0,
)
vae.fit(X[: 4 * int(batch_size)])
start = time.perf_counter()
vae.fit(X)
seconds = time.perf_counter() - start
if os.environ.get("RANK", "0") == "0":
    np.save(path, torch.cat([one.detach().ravel() for one in vae.module_.parameters()]).numpy())
    print(json.dumps(seconds), flush=True)
"""


def main():
    settings = arguments(
        __doc__,
        repeats=3,
        rows=60_000,
        widths=[256, 1024],
        batch_sizes=[128, 1024],
        epochs=1,
        processes=2,
        data="mnist",
    )
    table = []
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "train.py"
        script.write_text(PROGRAM, "utf-8")
        for width, batch_size in product(settings.widths, settings.batch_sizes):
            table += compare(script, width, batch_size, settings)
    report("The same fit in several processes", table, settings)


def compare(script, width, batch_size, settings):
    counts = [1, settings.processes]
    paths = {count: script.with_name(f"weights-{count}.npy") for count in counts}
    rest = (width, batch_size, settings.epochs)
    jobs = {
        count: partial(_fit, script, count, settings.data, settings.rows, *rest, paths[count])
        for count in counts
    }
    times = take_turns(jobs, settings.repeats)
    alone, together = (np.load(paths[count]) for count in counts)
    difference = np.linalg.norm(alone - together) / np.linalg.norm(alone)
    n_rows = settings.rows * settings.epochs
    return [
        {
            "width": width,
            "batch": batch_size,
            "processes": count,
            "rows/s": n_rows / Spread.of(times[count]).median,
            "seconds": ratios(times[count], times[1]),
            "difference": f"{difference:.1e}" if count > 1 else "",
        }
        for count in counts
    ]


def _fit(script, count, *arguments_):
    """Return the seconds of a fit in so many processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    program = [*(launcher if count > 1 else []), str(script), *map(str, arguments_)]
    return json_of(program, OMP_NUM_THREADS="1")


if __name__ == "__main__":
    main()
