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


def test_download_creates_the_folder_with_only_the_file_in_it(mirror, folder):
    assert download("file", folder, (mirror,), accept) is None
    assert os.listdir(folder) == ["file"]
    assert (folder / "file").read_bytes() == b"content" * 1000


def test_the_checked_file_is_moved_and_not_copied(mirror, folder):
    def check(path):
        seen.append((path.stat().st_ino, (folder / "file").exists()))

    seen = []
    download("file", folder, (mirror,), check)
    assert seen == [((folder / "file").stat().st_ino, False)]


@pytest.mark.parametrize("size", [None, 7000])
def test_a_progress_bar_is_shown_if_the_size_is_given(mirror, folder, capfd, size):
    download("file", folder, (mirror,), accept, size=size)
    out, err = capfd.readouterr()
    assert out == ""
    assert ("file: 100%" in err) is (size is not None)


@pytest.mark.parametrize(
    ("module", "step"), [(_download, "fetch_file"), (_data_folder, "scratch_folder")]
)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_error_names_the_folder_and_no_other_mirror_is_tried(
    mirror, folder, monkeypatch, code, module, step
):
    def refuse(*args, **kwargs):
        calls.append(args)
        raise OSError(code, os.strerror(code))

    calls = []
    monkeypatch.setattr(module, step, refuse)
    message = (
        f"{os.strerror(code)}; free some space and allow writing there, or pass another 'data_home'"
    )
    with pytest.raises(OSError, match=message) as caught:
        download("file", folder, (mirror, mirror), accept)
    assert str(folder) in str(caught.value)
    assert caught.value.errno == code
    assert len(calls) == 1
    assert os.listdir(folder) == []


def test_a_file_in_place_of_the_folder_raises(mirror, tmp_path):
    (tmp_path / "home").write_bytes(b"")
    with pytest.raises(OSError, match="free some space and allow writing there") as caught:
        download("file", tmp_path / "home" / "data", (mirror,), accept)
    assert str(tmp_path / "home" / "data") in str(caught.value)


def test_a_write_that_the_system_stops_names_the_folder(mirror, folder):
    """The limit is real: the kernel stops the process from writing more than 1,000 bytes."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large; free some space") as caught:
            download("file", folder, (mirror,), accept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(folder) in str(caught.value)
    assert os.listdir(folder) == []


# The progress bar.


@pytest.fixture(autouse=True)
def short_interval(monkeypatch):
    monkeypatch.setattr(_download, "_INTERVAL", 0.01)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_bar_follows_the_size_of_the_file(tmp_path, capfd):
    with growth_bar(tmp_path, 1000, "file") as bar, open(tmp_path / "part", "wb") as part:
        assert bar.total == 1000
        for size in (300, 700):
            part.truncate(size)
            wait_for(lambda size=size: bar.n == size)
        part.truncate(1000)
    assert bar.n == 1000
    assert "file: 100%" in capfd.readouterr().err


def test_the_bar_tolerates_a_folder_that_vanishes(tmp_path):
    (tmp_path / "scratch").mkdir()
    with growth_bar(tmp_path / "scratch", 10, "file") as bar:
        (tmp_path / "scratch").rmdir()
    assert bar.n == 0


def test_no_thread_remains_after_an_error(tmp_path, capfd):
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), growth_bar(tmp_path, 10, "file"):
        raise KeyboardInterrupt
    others = {type(thread).__name__ for thread in threading.enumerate()} & {"TMonitor"}
    assert threading.active_count() - len(others) <= before


# Warnings.


def test_a_warning_points_at_the_line_outside_the_package_folder():
    with pytest.warns(UserWarning, match="^look here$") as caught:
        warn_caller("look here")
    assert caught[0].filename == __file__


def deeply_inside(depth):
    """Call `warn_caller` through `depth` frames of a file that seems to lie in skvae/datasets."""
    source = "def inside(depth):\n    warn_caller('deep') if depth == 1 else inside(depth - 1)\n"
    names = {"warn_caller": warn_caller}
    exec(compile(source, _download.__file__, "exec"), names)
    names["inside"](depth)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_warning_points_outside_at_any_depth_of_calls(depth):
    with pytest.warns(UserWarning, match="deep") as caught:
        deeply_inside(depth)
    assert caught[0].filename == __file__
    assert caught[0].lineno == deeply_inside.__code__.co_firstlineno + 5


def test_each_line_warns_once_by_default():
    """The default filter counts warnings in the caller's registry."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_caller("again")
    assert len(caught) == 1
