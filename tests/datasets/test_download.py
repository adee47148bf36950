import errno
import os
import threading
import time
import warnings

import pytest

from skvae.datasets import _data_folder, _download
from skvae.datasets._download import download, growth_bar, warn_caller


def accept(path):
    pass


@pytest.fixture
def mirror(tmp_path, serve):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "file").write_bytes(b"content" * 1000)
    return serve(folder)[0]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "data"


def test_download_makes_the_folder_and_leaves_the_file_alone_in_it(mirror, folder):
    assert download("file", folder, (mirror,), accept) is None
    assert os.listdir(folder) == ["file"]
    assert (folder / "file").read_bytes() == b"content" * 1000


def test_what_was_checked_is_renamed_at_once(mirror, folder):
    def check(path):
        seen.append((path.stat().st_ino, (folder / "file").exists()))

    seen = []
    download("file", folder, (mirror,), check)
    assert seen == [((folder / "file").stat().st_ino, False)]


@pytest.mark.parametrize("size", [None, 7000])
def test_bar_on_stderr_for_a_known_size(mirror, folder, capfd, size):
    download("file", folder, (mirror,), accept, size=size)
    out, err = capfd.readouterr()
    assert out == ""
    assert ("file: 100%" in err) is (size is not None)


@pytest.mark.parametrize(
    ("module", "step"), [(_download, "fetch_file"), (_data_folder, "scratch_folder")]
)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_that_refuses_is_named_and_no_other_mirror_is_tried(
    mirror, folder, monkeypatch, code, module, step
):
    def refuse(*args, **kwargs):
        calls.append(args)
        raise OSError(code, os.strerror(code))

    calls = []
    monkeypatch.setattr(module, step, refuse)
    message = f"{os.strerror(code)}; make room and allow writing there, or name another 'data_home'"
    with pytest.raises(OSError, match=message) as caught:
        download("file", folder, (mirror, mirror), accept)
    assert str(folder) in str(caught.value)
    assert caught.value.errno == code
    assert len(calls) == 1
    assert os.listdir(folder) == []


def test_a_file_in_the_place_of_the_folder_is_named(mirror, tmp_path):
    (tmp_path / "home").write_bytes(b"")
    with pytest.raises(OSError, match="make room and allow writing there") as caught:
        download("file", tmp_path / "home" / "data", (mirror,), accept)
    assert str(tmp_path / "home" / "data") in str(caught.value)


def test_a_write_that_the_system_stops(mirror, folder, start_python):
    """A real one: the kernel refuses files of more than 1,000 bytes to the process."""
    pytest.importorskip("resource", reason="limits of a process are a matter of POSIX")
    process = start_python(f"""
import resource
from pathlib import Path
from skvae.datasets._download import download

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    download("file", Path({str(folder)!r}), ({mirror!r},), lambda path: None)
except OSError as exc:
    print(exc)
""")
    out, err = process.communicate(timeout=60)
    assert err == ""
    assert "File too large; make room" in out
    assert str(folder) in out
    assert os.listdir(folder) == []


# The progress bar.


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(_download, "_INTERVAL", 0.01)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bar_follows_the_growing_file_and_ends_at_its_size(often, tmp_path, capfd):
    with growth_bar(tmp_path, 1000, "file") as bar, open(tmp_path / "part", "wb") as part:
        assert bar.total == 1000
        for size in (300, 700):
            part.truncate(size)
            wait_for(lambda size=size: bar.n == size)
        part.truncate(1000)
    assert bar.n == 1000
    assert "file: 100%" in capfd.readouterr().err


def test_bar_survives_what_vanishes(tmp_path):
    (tmp_path / "scratch").mkdir()
    with growth_bar(tmp_path / "scratch", 10, "file") as bar:
        (tmp_path / "scratch").rmdir()
    assert bar.n == 0


def test_no_thread_outlives_a_failure(tmp_path, capfd):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), growth_bar(tmp_path, 10, "file"):
        raise KeyboardInterrupt
    others = {type(thread).__name__ for thread in threading.enumerate()} & {"TMonitor"}
    assert threading.active_count() - len(others) <= before


# Warnings.


def test_warning_points_at_the_line_outside_the_folder():
    with pytest.warns(UserWarning, match="^look here$") as caught:
        warn_caller("look here")
    assert caught[0].filename == __file__


def deeply_inside(depth):
    """Call `warn_caller` from under `depth` frames that seem to lie in skvae/datasets."""
    source = "def inside(depth):\n    warn_caller('deep') if depth == 1 else inside(depth - 1)\n"
    names = {"warn_caller": warn_caller}
    exec(compile(source, _download.__file__, "exec"), names)
    names["inside"](depth)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_depth_does_not_matter(depth):
    with pytest.warns(UserWarning, match="deep") as caught:
        deeply_inside(depth)
    assert caught[0].filename == __file__
    assert caught[0].lineno == deeply_inside.__code__.co_firstlineno + 5


def test_each_place_warns_once_by_default():
    """As any other warning: the registry that counts is the caller's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_caller("again")
    assert len(caught) == 1
