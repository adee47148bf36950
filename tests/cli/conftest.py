"""Ways to run the command line, and the files that it works on."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skvae.cli import main

TINY = ("--network", "MLP((16,))", "--max-epochs", "2", "--random-state", "0")


class Finished(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C interrupts, also in the background of a shell, where it would be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def run():
    """Run the command in this process."""

    def run_here(*argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in argv])
        return Finished(code, out.getvalue(), err.getvalue())

    return run_here


@pytest.fixture(scope="session")
def process():
    """Run the command as its users do, at the price of a start."""

    def run_there(*argv):
        command = [sys.executable, "-m", "skvae", *map(str, argv)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return Finished(found.returncode, found.stdout, found.stderr)

    return run_there


@pytest.fixture(scope="session")
def fit(run):
    """Fit and save a tiny model, which must go well."""

    def fit_tiny(path, *argv):
        done = run("fit", "-o", path, *TINY, *argv)
        assert done.code == 0, done.err
        return path

    return fit_tiny


@pytest.fixture(scope="session")
def files(tmp_path_factory, fit):
    """A folder with a table, a transformer of digits, and a detector of the table."""
    folder = tmp_path_factory.mktemp("files")
    write_iris(folder / "iris.csv")
    fit(folder / "digits.skvae", "--data", "digits")
    options = ("--data", folder / "iris.csv", "--target", "kind", "--n-components", 2)
    fit(folder / "iris.skvae", "--detector", *options)
    return folder


def write_iris(path):
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    lines = [",".join([*map(str, row), name]) for row, name in zip(X, names, strict=True)]
    path.write_text("\n".join(["sl,sw,pl,pw,kind", *lines]) + "\n")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def unwritable(tmp_path):
    """A folder that takes no files."""
    folder = tmp_path / "unwritable"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    return folder
