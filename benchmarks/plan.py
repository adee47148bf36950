"""One epoch of more rows than this machine can take: measured steps, extrapolated to many workers.

    python benchmarks/plan.py [--rows 1000000000] [--features 50] [--batch 8192]
        [--workers 1 4 16 64] [--bandwidth 10] [--latency 50] [--repeats 3] [--json FILE]

With N workers, each computes a part of `batch` / N rows of every step. The time of such a part is
measured here, on one thread, with the default constructor. The time of sending is computed: a ring
all-reduce sends 2 (N - 1) / N times the bytes of all gradients from each worker, in 2 (N - 1)
messages. `bandwidth` is that of each worker, in Gbit/s, and `latency` that of a message, in
microseconds. Sending and computing do not overlap. "reads" is what each worker reads per second, as
every worker reads the rows of the whole batch (float32).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from _harness import Spread, arguments, report, take_turns

from skvae import VAETransformer

N_STEPS = 20
BYTES = 4  # of a gradient, and of a value


def main():
    settings = arguments(
        __doc__,
        rows=1_000_000_000,
        features=50,
        batch=8192,
        workers=[1, 4, 16, 64],
        bandwidth=10.0,
        latency=50.0,
    )
    parts = {n: max(1, settings.batch // n) for n in settings.workers}
    times = take_turns({n: partial(step, parts[n], settings) for n in parts}, settings.repeats)
    n_bytes = BYTES * n_weights(settings)
    rows = [planned(n, parts[n], Spread.of(times[n]).median, n_bytes, settings) for n in parts]
    title = f"{settings.rows:,} rows of {settings.features} features, batches of {settings.batch:,}"
    report(f"{title}, {settings.bandwidth:g} Gbit/s", rows, settings)


def step(n_rows, settings):
    """Return the seconds of a step on so many rows."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(8, settings.features))
    X = rng.normal(size=(N_STEPS * n_rows, 8)) @ factors
    X += rng.normal(size=X.shape)
    vae = VAETransformer(batch_size=n_rows, max_epochs=2, precision="float32", random_state=0)
    vae.fit(X.astype(np.float32))
    return float(vae.history_["duration"][1]) / N_STEPS


def n_weights(settings):
    """Return the number of weights of the default model."""
    model = VAETransformer(max_epochs=1, random_state=0).fit(np.eye(8, settings.features))
    return sum(weights.numel() for weights in model.module_.parameters())


def planned(n_workers, n_rows, compute, n_bytes, settings):
    """Return the row of the table for one number of workers, whose gradients have `n_bytes`."""
    sent = 2 * (n_workers - 1) / n_workers * n_bytes
    send = 8e-9 * sent / settings.bandwidth + 2e-6 * (n_workers - 1) * settings.latency
    rows_per_second = settings.batch / (compute + send)
    return {
        "workers": n_workers,
        "rows per worker": n_rows,
        "compute, ms": 1e3 * compute,
        "send, ms": 1e3 * send,
        "sent, MB": sent / 1e6,
        "rows/s": rows_per_second,
        "reads, MB/s": BYTES * settings.features * rows_per_second / 1e6,
        "hours per epoch": settings.rows / rows_per_second / 3600,
    }


if __name__ == "__main__":
    main()
