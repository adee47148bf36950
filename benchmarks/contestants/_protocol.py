"""The steps that all contestants share: read a job, warm up, time the training, compute the ELBO.

This file needs NumPy only, so it runs in every environment.

A contestant defines ``train(X, job, after_epoch) -> Model`` and ends in ``main(train, ...)``. Every
call of ``train`` builds everything anew, as a user's fit does. If the library trains epoch by
epoch, ``after_epoch(model)`` is called after each; an exception from it ends the training.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WARM_UP_ROWS = 300
CHUNK_ROWS = 1000


class Model(NamedTuple):
    """A trained model as functions of arrays, with notes about its training.

    `encode` maps rows to mean and log variance of q(z|x), `decode_logits` maps latent rows to the
    logits of p(x|z). Without them there is no ELBO.
    """

    encode: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None
    decode_logits: Callable[[np.ndarray], np.ndarray] | None = None
    notes: dict[str, Any] = {}


Train = Callable[[np.ndarray, dict[str, Any], Callable[[Model], None]], Model]


class Enough(Exception):
    """Ends training once the threshold or the time limit is passed."""


def main(train: Train, *packages: str) -> None:
    """Run the job of the command line and print one line of JSON: measurements and versions."""
    job = json.loads(sys.argv[1])
    X_train, X_test = (np.load(Path(job["data"], f"{name}.npy")) for name in ("X_train", "X_test"))
    with contextlib.redirect_stdout(sys.stderr):  # some libraries print
        train(X_train[:WARM_UP_ROWS], {**job, "epochs": 1}, _go_on)
        measure = time_to_quality if job.get("by_epoch") else whole_fit
        result = measure(train, X_train, X_test, job)
    print(json.dumps({**result, "versions": {name: _version(name) for name in packages}}))


def whole_fit(train: Train, X_train: np.ndarray, X_test: np.ndarray, job: dict) -> dict[str, Any]:
    """Time the whole training and compute the ELBO of the test rows."""
    start = time.perf_counter()
    model = train(X_train, job, _go_on)
    seconds, peak = time.perf_counter() - start, peak_rss_mb()
    return {
        "seconds": seconds,
        "elbo": elbo(model, X_test) if model.encode else None,
        "n_steps": model.notes.get("n_steps") or _full_steps(len(X_train), job),
        "peak_rss_mb": peak,
        **model.notes,
    }


def _full_steps(n_rows: int, job: dict) -> int:
    return job["epochs"] * math.ceil(n_rows / job["batch_size"])


def time_to_quality(
    train: Train, X_train: np.ndarray, X_test: np.ndarray, job: dict
) -> dict[str, Any]:
    """Train until the ELBO of the test rows passes the threshold, or the time or epochs run out.

    The ELBO is computed after every epoch, with the clock stopped.
    """
    seconds, elbos = 0.0, []
    start = time.perf_counter()

    def after_epoch(model: Model) -> None:
        nonlocal seconds, start
        seconds += time.perf_counter() - start
        elbos.append(elbo(model, X_test))
        if elbos[-1] > job["threshold"] or seconds > job["cap_seconds"]:
            raise Enough
        start = time.perf_counter()

    with contextlib.suppress(Enough):
        train(X_train, job, after_epoch)
    return {
        "seconds": seconds,
        "elbo": max(elbos),
        "n_epochs": len(elbos),
    }


def elbo(model: Model, X: np.ndarray) -> float:
    """Return the mean ELBO of the rows in nats, with one draw per row, the same for all models.

    Values between 0 and 1 enter the Bernoulli cross-entropy as they are. The computation is in
    float64 and from logits, so that nothing is clipped.
    """
    noise = np.random.default_rng(0)
    total = 0.0
    for start in range(0, len(X), CHUNK_ROWS):
        x = X[start : start + CHUNK_ROWS]
        mean, log_var = (np.asarray(part, dtype=np.float64) for part in model.encode(x))
        z = mean + np.exp(log_var / 2) * noise.standard_normal(mean.shape)
        logits = np.asarray(model.decode_logits(z.astype(np.float32)), dtype=np.float64)
        cross_entropy = np.logaddexp(0, logits) - x * logits
        kl = 0.5 * (np.square(mean) + np.exp(log_var) - log_var - 1)
        total -= cross_entropy.sum() + kl.sum()
    return float(total / len(X))


def peak_rss_mb() -> float:
    """Return the peak resident memory so far, including imports and data.

    On Linux, VmHWM counts this program alone, whereas ru_maxrss can start from the parent's peak.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _go_on(model: Model) -> None:
    pass


def _version(package: str) -> str:
    found = getattr(sys.modules.get(package), "__version__", None)
    return found or metadata.version(package)
