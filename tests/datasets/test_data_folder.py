import errno
import os
import time

import pytest

from skvae.datasets._data_folder import receiving, scratch_folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "home" / "data"


def test_errors_other_than_of_the_disk_are_not_changed(folder):
    error = OSError(errno.ECONNRESET, "reset")
    with pytest.raises(ConnectionResetError) as caught, receiving(folder):
        raise error
    assert caught.value is error


def test_scratch_folders_of_killed_processes_are_removed_after_a_day(folder):
    """A running process changes its scratch folder, so only unchanged folders are removed."""
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


def test_a_scratch_folder_is_removed_after_an_error(tmp_path):
    def work():
        with scratch_folder(tmp_path) as scratch:
            open(os.path.join(scratch, "part"), "wb").close()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert os.listdir(tmp_path) == []
