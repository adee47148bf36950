import errno
import os
import time

import pytest

from skvae.datasets._data_folder import receiving, scratch_folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "data"


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
