"""Small data sets in place of the official ones, and mirrors that serve them on this machine."""

import hashlib
import http.server
import os
import threading
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

from skvae.datasets import _emnist, _mnist, fetch_emnist, write_idx
from skvae.datasets._idx import idx_sha256

N_TRAIN, N_TEST = 12, 7


@pytest.fixture(scope="session")
def emnist():
    """Letters of EMNIST, all or some of them, as `emnist.train` and `emnist.test`."""
    folder = os.environ.get("SKVAE_DATA")
    if not folder or not (Path(folder).expanduser() / "emnist").is_dir():
        pytest.skip("the environment variable SKVAE_DATA names no folder that holds emnist/")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*holds other data than the official EMNIST")
        parts = {
            part: fetch_emnist(subset=part, download_if_missing=False) for part in ("train", "test")
        }
    return Bunch(**parts)


def random_pairs(labels):
    """Images and labels of each subset, as in the files."""
    rng = np.random.default_rng(0)
    pairs = {}
    for subset, n_samples in (("train", N_TRAIN), ("test", N_TEST)):
        images = rng.integers(0, 256, size=(n_samples, 28, 28), dtype=np.uint8)
        pairs[subset] = images, rng.choice(labels, size=n_samples).astype(np.uint8)
    return pairs


def write_pairs(files, pairs, folder, suffix=""):
    """Write arrays under the names of the table `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    for subset, pair in pairs.items():
        for file, array in zip(files[subset], pair, strict=True):
            write_idx(folder / f"{file.name}{suffix}", array)


@pytest.fixture
def store():
    return write_pairs


@pytest.fixture
def small_mnist(monkeypatch):
    """Arrays in place of MNIST; the patched table of files makes them official."""
    pairs = random_pairs(range(10))
    table = {
        subset: tuple(
            file._replace(shape=array.shape, sha256=idx_sha256(array))
            for file, array in zip(_mnist._SUBSETS[subset], pair, strict=True)
        )
        for subset, pair in pairs.items()
    }
    monkeypatch.setattr(_mnist, "_SUBSETS", table)
    monkeypatch.setattr(_mnist, "_MIRRORS", ())  # no test uses a network
    return pairs


@pytest.fixture
def mnist_mirror(small_mnist, tmp_path):
    """Folder with the compressed files of the small MNIST."""
    folder = tmp_path / "mirror"
    write_pairs(_mnist._SUBSETS, small_mnist, folder, ".gz")
    return folder


@pytest.fixture
def small_emnist(monkeypatch):
    """Arrays in place of each split of EMNIST; the patched table of counts makes them official."""
    monkeypatch.setattr(_emnist, "_MIRRORS", ())
    splits = {
        name: split._replace(n_train=N_TRAIN, n_test=N_TEST)
        for name, split in _emnist._SPLITS.items()
    }
    monkeypatch.setattr(_emnist, "_SPLITS", splits)
    return {name: random_pairs(_emnist._collection(name).labels) for name in splits}


@pytest.fixture
def emnist_mirror(small_emnist, tmp_path, monkeypatch):
    """Folder with the archive of the small EMNIST; the patched digest makes it official."""
    folder = tmp_path / "mirror"
    for split, pairs in small_emnist.items():
        write_pairs(_emnist._collection(split).subsets, pairs, folder / "gzip", ".gz")
    archive = folder / "gzip.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted((folder / "gzip").iterdir()):
            content.write(path, f"gzip/{path.name}")
    declare(archive, monkeypatch)
    return folder


def declare(archive, monkeypatch):
    content = archive.read_bytes()
    monkeypatch.setattr(
        _emnist,
        "_ARCHIVE",
        _emnist._ARCHIVE._replace(size=len(content), md5=hashlib.md5(content).hexdigest()),
    )


@pytest.fixture
def serve(monkeypatch):
    """Return a function that serves a folder on the loopback interface; it returns the address."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    servers = []

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # some tests break connections off

    def start(folder, handler=http.server.SimpleHTTPRequestHandler):
        class Quiet(handler):
            def log_message(self, *args):
                server.requests.append(self.path)

        server = Server(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        server.requests = []
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return f"http://127.0.0.1:{server.server_port}/", server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
