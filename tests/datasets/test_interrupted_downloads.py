"""Downloads of MNIST and EMNIST that are slow, killed, or run in two processes at once."""

import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import skvae
from skvae.datasets import _emnist, _mnist, fetch_emnist, fetch_mnist

TIMEOUT = 60  # seconds; reached only by a test that fails

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


class Case(NamedTuple):
    name: str
    module: object
    fetch: object
    mirror: object  # a folder
    first_file: str  # name of the first download
    setup: str  # lines that patch the tables of files in another process


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


# Imports once what takes seconds, without torch, which the package would import; then runs the
# scripts that it receives, each in a fork.
RUNNER = f"""
import json, os, sys, traceback, types
package = types.ModuleType("skvae")
package.__path__ = {list(map(os.path.abspath, skvae.__path__))!r}
sys.modules["skvae"] = package
import skvae.datasets

for line in sys.stdin:
    script, output = json.loads(line)
    if runner := os.fork():
        _, status = os.waitpid(runner, 0)
        with open(output, "a") as file:
            print("exit", os.waitstatus_to_exitcode(status), file=file)
        continue
    status = 1
    try:
        for number, path in ((1, output), (2, output + ".err")):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        exec(script, {{}})
        status = 0
        while True:
            os.wait()  # for all that the script forked
    except ChildProcessError:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
"""


@pytest.fixture(scope="module")
def runner():
    """Process that runs scripts, one after the other."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    with process:  # closes its pipe and waits
        pass


@pytest.fixture
def start_python(runner, tmp_path):
    """Return a function that starts a script in another process and returns its file of output."""

    def start(script):
        output = tmp_path / "output"
        output.touch()
        print(json.dumps([script, str(output)]), file=runner.stdin, flush=True)
        return output

    return start


def script(case, address, home, before=""):
    """Script that runs `before`, fetches, and prints a digest of the data."""
    return f"""
import hashlib, os, shutil, time
{case.setup}
module._MIRRORS = ({address!r},)
{before}
bunch = fetch(subset="all", data_home={str(home)!r})
digest = hashlib.sha256(bunch.data.tobytes() + bunch.target.tobytes()).hexdigest()
os.write(1, digest.encode() + b"\\n")  # in one call, so that two processes do not mix their lines
"""


# A child that will be killed, and its parent that goes on after it.
TRY_AGAIN = """
if child := os.fork():
    print(child, flush=True)
    os.waitpid(child, 0)
"""


def expected_digest(case, serve, tmp_path, monkeypatch):
    """Digest of the same data, fetched in this process from another server."""
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror)[0],))
    bunch = case.fetch(subset="all", data_home=tmp_path / "apart")
    return hashlib.sha256(bunch.data.tobytes() + bunch.target.tobytes()).hexdigest()


def output(path):
    """Lines that a script printed until it ended without an error."""
    wait_for(lambda: "exit" in path.read_text())
    *lines, status = path.read_text().splitlines()
    assert status == "exit 0", Path(f"{path}.err").read_text()
    return lines


def kill_first(path):
    """Kill the child that TRY_AGAIN forked, and return its number as printed."""
    wait_for(lambda: "\n" in path.read_text())
    (child,) = path.read_text().splitlines()
    os.kill(int(child), signal.SIGKILL)
    return child


def wait_for(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.01)


def visible(folder):
    """Files that a fetcher would read, which excludes those in scratch folders."""
    return [name for name in os.listdir(folder) if not name.startswith(".skvae-")]


class Halves(http.server.SimpleHTTPRequestHandler):
    """Sends the first half of a file, sets `half_way`, and sends the rest once `go_on` is set."""

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
    """Sends a file in twenty pieces, with pauses."""

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


def test_a_slow_mirror_gives_the_same_data(case, serve, home, tmp_path, monkeypatch):
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror, Trickle)[0],))
    slow = case.fetch(data_home=home)
    monkeypatch.setattr(case.module, "_MIRRORS", (serve(case.mirror)[0],))
    np.testing.assert_array_equal(slow.data, case.fetch(data_home=tmp_path / "apart").data)


@needs_fork
def test_after_a_killed_download_the_next_one_succeeds(
    case, serve, start_python, halves, home, tmp_path, monkeypatch
):
    address, server = serve(case.mirror, halves)
    process = start_python(script(case, address, home, TRY_AGAIN))
    folder = home / case.name
    wait_for(halves.half_way.is_set)
    wait_for(lambda: list(folder.glob(".skvae-*/*")))
    child = kill_first(process)
    assert visible(folder) == []  # half a file is in a scratch folder
    halves.go_on.set()
    assert output(process) == [child, expected_digest(case, serve, tmp_path, monkeypatch)]
    assert server.requests.count(f"/{case.first_file}") == 2
    assert len(list(folder.glob(".skvae-*"))) == 1  # of the killed process


@needs_fork
def test_two_processes_can_download_at_once(
    case, serve, start_python, halves, home, tmp_path, monkeypatch
):
    """Both have received half of the same file before either can finish."""
    address, server = serve(case.mirror, halves)
    process = start_python(script(case, address, home, before="os.fork()"))
    wait_for(lambda: server.requests.count(f"/{case.first_file}") == 2)
    halves.go_on.set()
    assert output(process) == [expected_digest(case, serve, tmp_path, monkeypatch)] * 2
    names = os.listdir(home / case.name)
    assert len(names) == (4 if case.name == "mnist" else 5)
    assert names == visible(home / case.name)


@needs_fork
def test_after_killed_unpacking_the_archive_is_unpacked_again(
    emnist_case, serve, start_python, home, tmp_path, monkeypatch
):
    """The archive is complete, so the next process unpacks it without a download."""
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
    child = kill_first(process)
    expected = expected_digest(emnist_case, serve, tmp_path, monkeypatch)
    assert output(process) == [child, expected]
    assert server.requests == ["/gzip.zip"]
