"""Ways to run the command line, and the files that it reads."""

import contextlib
import io
import os
import signal
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from skvae.cli import main

NETWORK = ("--network", "MLP(hidden_layer_sizes=(16,))")
TINY = (*NETWORK, "--max-epochs", "2", "--random-state", "0")


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def interruptible():
    """Let SIGINT interrupt even if this process runs in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def run():
    """Run the command in this process, which does not import torch again."""

    def run_here(*argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in argv])
        return Finished(code, out.getvalue(), err.getvalue())

    return run_here


@pytest.fixture(scope="session")
def fit(run):
    """Fit and save a tiny model."""

    def fit_tiny(path, *argv):
        few = ("--n-estimators", 1) if "--imputer" in argv else ()
        done = run("fit", "-o", path, *TINY, *few, *argv)
        assert done.code == 0, done.err
        return path

    return fit_tiny


@pytest.fixture(scope="session")
def files(tmp_path_factory, fit):
    """A folder with a table, a transformer of the digits and a detector of the table."""
    folder = tmp_path_factory.mktemp("files")
    write_iris(folder / "iris.csv")
    fit(folder / "digits.skvae", "--data", "digits")
    options = ("--data", folder / "iris.csv", "--target", "kind", "--n-components", 2)
    fit(folder / "iris.skvae", "--detector", *options)
    return folder


@pytest.fixture(scope="session")
def customers(tmp_path_factory, fit):
    """A folder with a table of customers, and a detector and a transformer of it."""
    folder = tmp_path_factory.mktemp("customers")
    frame = customers_frame()
    frame.to_csv(folder / "customers.csv", index=False)
    new = frame.head(12).assign(owes=lambda rows: rows["owes"].where(rows.index != 5, 9000.5))
    new.to_csv(folder / "new.csv", index=False)
    options = ("--data", folder / "customers.csv", "--id", "customer", "--n-components", 2)
    options += ("--prior", "normal")
    fit(folder / "vae.skvae", *options)
    fit(folder / "detector.skvae", "--detector", "--calibration-fraction", 0.25, *options)
    return folder


def customers_frame(n_rows=60):
    rng = np.random.default_rng(0)
    days = pd.to_timedelta(rng.integers(0, 900, n_rows), "D")
    return pd.DataFrame(
        {
            "customer": [f"c{number:03}" for number in range(n_rows)],
            "plan": rng.choice(["basic", "plus"], n_rows),
            "age": rng.integers(18, 80, n_rows),
            "owes": rng.normal(100, 20, n_rows).round(2),
            "vip": rng.random(n_rows) < 0.3,
            "since": pd.Timestamp("2020-01-01") + days,
        }
    )


def write_iris(path):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    lines = [",".join([*map(str, row), name]) for row, name in zip(X, names, strict=True)]
    path.write_text("\n".join(["sl,sw,pl,pw,kind", *lines]) + "\n")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unwritable(tmp_path):
    """A folder in which no file can be created."""
    folder = tmp_path / "unwritable"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user can write to every folder")
    return folder
