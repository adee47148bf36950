import errno
import os
import time

import pytest

from skvae.datasets import _files
from skvae.datasets._files import download, receiving, scratch_folder


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


@pytest.mark.parametrize("step", ["fetch_file", "scratch_folder"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_a_disk_that_refuses_is_named_and_no_other_mirror_is_tried(
    mirror, folder, monkeypatch, code, step
):
    def refuse(*args, **kwargs):
        calls.append(args)
        raise OSError(code, os.strerror(code))

    calls = []
    monkeypatch.setattr(_files, step, refuse)
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
from skvae.datasets._files import download

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


def test_errors_that_are_not_of_the_disk_pass_unchanged(folder):
    error = OSError(errno.ECONNRESET, "reset")
    with pytest.raises(ConnectionResetError) as caught, receiving(folder):
        raise error
    assert caught.value is error


def test_what_killed_processes_left_is_removed_after_a_day(folder):
    """A process at work writes, so that only what has not changed for long is taken away."""
    folder.mkdir(parents=True)
    now = time.time()
    ages = {".skvae-old": 90_000, ".skvae-young": 60, "mine": 90_000}
    for name, age in ages.items():
        (folder / name).mkdir()
        (folder / name / "part").write_bytes(b"x")
        os.utime(folder / name / "part", (now, now - age))
        os.utime(folder / name, (now, now - 90_000))
    (folder / ".skvae-empty").mkdir()
    (folder / ".skvae-file").touch()
    kept = {".skvae-young", ".skvae-empty", ".skvae-file", "mine"}
    with receiving(folder) as scratch:
        assert set(os.listdir(folder)) == {*kept, scratch.name}
    assert set(os.listdir(folder)) == kept


def test_scratch_goes_when_its_work_fails(tmp_path):
    def work():
        with scratch_folder(tmp_path) as scratch:
            open(os.path.join(scratch, "part"), "wb").close()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert os.listdir(tmp_path) == []
