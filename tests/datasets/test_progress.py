import threading
import time

import pytest

from skvae.datasets import _progress
from skvae.datasets._progress import growth_bar


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(_progress, "_INTERVAL", 0.01)


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_bar_follows_the_growing_file_and_ends_at_its_size(tmp_path, capfd):
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
