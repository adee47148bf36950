"""Downloads as they happen: slow, killed, and in several processes at once; MNIST and EMNIST."""

import hashlib
import http.server
import os
import signal
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

from skvae.datasets import _emnist, _mnist, fetch_emnist, fetch_mnist

TIMEOUT = 60  # seconds; none of the tests waits so long unless it fails


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


class Case(NamedTuple):
    name: str
    module: object
    fetch: object
    mirror: object  # a folder
    first_file: str  # that is downloaded
    setup: str  # lines that declare the small data set official in another process


@pytest.fixture
def mnist_case(mnist_mirror):
    setup = (
        "from skvae.datasets._collection import IdxFile\n"
        "from skvae.datasets import _mnist as module, fetch_mnist as fetch\n"
        f"module._SUBSETS = {_mnist._SUBSETS!r}\n"
    )
    return Case("mnist", _mnist, fetch_mnist, mnist_mirror, "train-images-idx3-ubyte.gz", setup)


@pytest.fixture
def emnist_case(emnist_mirror):
    setup = (
        "from skvae.datasets._archive import Archive\n"
        "from skvae.datasets import _emnist as module, fetch_emnist as fetch\n"
        "_Split = module._Split\n"
        f"module._SPLITS = {_emnist._SPLITS!r}\n"
        f"module._ARCHIVE = {_emnist._ARCHIVE!r}\n"
    )
    return Case("emnist", _emnist, fetch_emnist, emnist_mirror, "gzip.zip", setup)


@pytest.fixture(params=["mnist", "emnist"])
def case(request):
    return request.getfixturevalue(f"{request.param}_case")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def script(case, address, home, before=""):
    """What another process does: import, `before`, fetch, and print a digest of what it got."""
    return f"""
import hashlib, os, shutil, time
{case.setup}
module._MIRRORS = ({address!r},)
{before}
bunch = fetch(subset="all", data_home={str(home)!r})
digest = hashlib.sha256(bunch.data.tobytes() + bunch.target.tobytes()).hexdigest()
os.write(1, digest.encode() + b"\\n")  # at once, so that two processes do not mix their lines
"""


# One import serves two processes: a child that will be killed, and its parent that starts after it.
TRY_AGAIN = """
if child := os.fork():
    print(child, flush=True)
    os.waitpid(child, 0)
"""


def expected_digest(case, serve, tmp_path, monkeypatch):
    """What the process must have got, fetched here and from another server."""
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror)[0],))
    bunch = case.fetch(subset="all", data_home=tmp_path / "apart")
    return hashlib.sha256(bunch.data.tobytes() + bunch.target.tobytes()).hexdigest()


def output(process):
    """Lines that the process prints until it ends well."""
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    return out.split()


def kill_first(process):
    """Kill the child that TRY_AGAIN made."""
    os.kill(int(process.stdout.readline()), signal.SIGKILL)


def wait_for(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.01)


def visible(folder):
    """Files that a fetcher could take for good, scratch aside."""
    return [name for name in os.listdir(folder) if not name.startswith(".skvae-")]


class Halves(http.server.SimpleHTTPRequestHandler):
    """Sends the first half of a file, then `half_way`, and the second half after `go_on`."""

    half_way: threading.Event
    go_on: threading.Event

    def copyfile(self, source, outputfile):
        content = source.read()
        middle = len(content) // 2
        outputfile.write(content[:middle])
        outputfile.flush()
        self.half_way.set()
        self.go_on.wait(TIMEOUT)
        outputfile.write(content[middle:])


class Trickle(http.server.SimpleHTTPRequestHandler):
    """Sends a file in twenty small pieces, with pauses."""

    def copyfile(self, source, outputfile):
        content = source.read()
        step = -(-len(content) // 20)
        for start in range(0, len(content), step):
            outputfile.write(content[start : start + step])
            outputfile.flush()
            time.sleep(0.01)


@pytest.fixture
def halves():
    handler = type("Halves", (Halves,), {"half_way": threading.Event(), "go_on": threading.Event()})
    yield handler
    handler.go_on.set()


def test_slow_mirror(case, serve, home, tmp_path, monkeypatch):
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror, Trickle)[0],))
    slow = case.fetch(data_home=home)
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror)[0],))
    np.testing.assert_array_equal(slow.data, case.fetch(data_home=tmp_path / "apart").data)


@needs_fork
def test_killed_in_the_middle_and_started_again(
    case, serve, start_python, halves, home, tmp_path, monkeypatch
):
    address, server = serve(case.mirror, halves)
    process = start_python(script(case, address, home, TRY_AGAIN))
    folder = home / case.name
    wait_for(halves.half_way.is_set)
    wait_for(lambda: list(folder.glob(".skvae-*/*")))
    kill_first(process)
    assert visible(folder) == []  # half a file lies there, where no fetcher looks
    halves.go_on.set()
    assert output(process) == [expected_digest(case, serve, tmp_path, monkeypatch)]
    assert server.requests.count(f"/{case.first_file}") == 2
    assert len(list(folder.glob(".skvae-*"))) == 1  # of the killed one; it goes after a day


@needs_fork
def test_two_processes_at_once(case, serve, start_python, halves, home, tmp_path, monkeypatch):
    """Both are in the middle of the same file before either may finish."""
    address, server = serve(case.mirror, halves)
    process = start_python(script(case, address, home, before="os.fork()"))
    wait_for(lambda: server.requests.count(f"/{case.first_file}") == 2)
    halves.go_on.set()
    assert output(process) == [expected_digest(case, serve, tmp_path, monkeypatch)] * 2
    names = os.listdir(home / case.name)
    assert len(names) == (4 if case.name == "mnist" else 5)
    assert names == visible(home / case.name)


@needs_fork
def test_killed_while_unpacking(emnist_case, serve, start_python, home, tmp_path, monkeypatch):
    """The archive is there and whole, the files are not: the next one unpacks without a network."""
    stop_half_way = """
def half(source, target):
    target.write(source.read(100))
    target.flush()
    time.sleep(60)

if child == 0:
    shutil.copyfileobj = half
"""
    address, server = serve(emnist_case.mirror)
    process = start_python(script(emnist_case, address, home, TRY_AGAIN + stop_half_way))
    folder = home / "emnist"
    wait_for(lambda: any(part.stat().st_size == 100 for part in folder.glob(".skvae-*/*.gz")))
    assert visible(folder) == ["gzip.zip"]
    kill_first(process)
    assert output(process) == [expected_digest(emnist_case, serve, tmp_path, monkeypatch)]
    assert server.requests == ["/gzip.zip"]
