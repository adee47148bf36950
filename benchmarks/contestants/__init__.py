"""Contestants of the training benchmarks, each run as a process in its own environment.

A job is a dictionary with the data, the network and the length of training. A contestant is a
script that takes one job as JSON and prints one line of JSON, see ``_protocol.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
PEERS = os.environ.get("SKVAE_PEERS", str(HERE.parent / "peers"))

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

Job = dict[str, Any]
Result = dict[str, Any]


class Contestant(NamedTuple):
    """A script, its environment (None is that of the benchmark itself), and its options."""

    script: str
    environment: str | None = None
    variables: dict[str, str] = {}
    options: Job = {}
    networks: tuple[str, ...] = ("mlp", "conv")


CONTESTANTS = {
    "matmul-float32": Contestant("matmul.py", options={"precision": "float32"}, networks=("mlp",)),
    "matmul-bfloat16": Contestant(
        "matmul.py", options={"precision": "bfloat16"}, networks=("mlp",)
    ),
    "bare": Contestant("bare.py"),
    "skvae-float32": Contestant("skvae_fit.py", options={"precision": "float32"}),
    "skvae-auto": Contestant("skvae_fit.py", options={"precision": "auto"}),
    "skorch": Contestant("skorch_net.py"),
    "pythae": Contestant("pythae_vae.py", "pythae"),
    "pyod": Contestant("pyod_vae.py", "pyod", networks=("mlp",)),
    "keras-tf": Contestant("keras_vae.py", "keras-tf", {"KERAS_BACKEND": "tensorflow"}),
    "keras-torch": Contestant("keras_vae.py", "keras-torch", {"KERAS_BACKEND": "torch"}),
}


def interpreter(contestant: Contestant, peers: str | Path = PEERS) -> Path | None:
    """Return the Python that runs the contestant; None if its environment is not installed."""
    if contestant.environment is None:
        return Path(sys.executable)
    python = Path(peers, contestant.environment, "bin", "python")
    return python if python.exists() else None


def selected(table: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the entries of the table with these names; exit with a list if one is unknown."""
    unknown = [name for name in names if name not in table]
    if unknown:
        raise SystemExit(f"No contestant is called {unknown[0]!r}; there are {', '.join(table)}.")
    return {name: table[name] for name in names}


def obstacle(contestant: Contestant, network: str, peers: str | Path = PEERS) -> str | None:
    """Return the reason why a contestant cannot take part; None if it can."""
    if network not in contestant.networks:
        return f"has no {network} network"
    if interpreter(contestant, peers) is None:
        return "not installed"
    return None


def run(contestant: Contestant, job: Job, peers: str | Path = PEERS) -> Result:
    """Run a contestant on a job and return its measurements.

    Raises
    ------
    RuntimeError
        If its process fails, with the end of its stderr.
    """
    job = {**job, **contestant.options}
    command = [interpreter(contestant, peers), HERE / contestant.script, json.dumps(job)]
    done = subprocess.run(
        command, env=_variables(contestant, job["threads"]), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{contestant.script} failed on {job}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _variables(contestant: Contestant, threads: int) -> dict[str, str]:
    """Return environment variables that set the same number of threads for every library."""
    variables = {**os.environ, **contestant.variables, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if contestant.environment is not None:
        variables.pop("PYTHONPATH", None)  # it names folders for the Python of the benchmark
    return variables | dict.fromkeys(THREADS, str(threads))


def turns(
    contestant: Contestant, job: Job, peers: str | Path, measure: Callable[..., Result] = run
) -> Callable[[], Result]:
    """Return a function that runs the contestant once per call, each time with a new seed."""
    seeds = count()
    return lambda: measure(contestant, {**job, "seed": next(seeds)}, peers)


def seconds(results: list[Result]) -> list[float]:
    """Return the seconds of every turn."""
    return [result["seconds"] for result in results]


def versions(result: Result) -> str:
    """Return the packages that took part and their versions."""
    return ", ".join(f"{package} {found}" for package, found in result["versions"].items())


@contextlib.contextmanager
def stored_rows(data: str, n_rows: int) -> Iterator[str]:
    """Write X_train.npy and X_test.npy to a temporary folder that all contestants read.

    `data` is "mnist" or an .npz file that holds X_train and X_test, flattened 28x28 images in
    [0, 1]; only the first `n_rows` of the training rows are used.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, X in zip(("X_train", "X_test"), _rows(data), strict=True):
            X = X[:n_rows] if name == "X_train" else X
            np.save(Path(folder, f"{name}.npy"), np.ascontiguousarray(X, dtype=np.float32))
        yield folder


def _rows(data: str) -> Iterable[np.ndarray]:
    if data == "mnist":
        from skvae.datasets import fetch_mnist

        return [fetch_mnist(subset=part, return_X_y=True)[0] for part in ("train", "test")]
    with np.load(data) as arrays:
        return arrays["X_train"], arrays["X_test"]
