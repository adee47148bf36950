"""Downloads from mirrors, with a progress bar and warnings that point at the user's line."""

import os
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPException

from sklearn.datasets import fetch_file
from tqdm import tqdm

from skvae.datasets._data_folder import DISK_ERRORS, receiving

_HERE = os.path.dirname(__file__)
_INTERVAL = 0.2  # seconds between two updates of the progress bar


def download(name, folder, mirrors, check, size=None):
    """Download the file `name` into `folder` from the first mirror that has a sound copy.

    `check(path)` raises a ValueError if the file is not the expected one. The file appears in
    `folder` only after this check, so that `folder` never holds a partial or corrupt download;
    processes that download the same file at the same time do not share a partial copy. If `size`
    is given, in bytes, a progress bar is shown.
    """
    failures = []
    for url in (f"{mirror}{name}" for mirror in mirrors):
        with receiving(folder) as scratch:
            try:
                path = _fetch(url, name, scratch, size)
                check(path)
            except (OSError, HTTPException, ValueError) as exc:
                if getattr(exc, "errno", None) in DISK_ERRORS:
                    raise
                failures.append(f"{url}: {exc}")
                warn_caller(f"Could not download {failures[-1]}")
                continue
            os.replace(path, folder / name)
            return
    raise OSError(
        f"Could not download {name} from any mirror. Check the network, or put the file into "
        f"{folder} yourself. Attempts:\n" + "\n".join(failures)
    )


@contextmanager
def growth_bar(folder, total, description):
    """Show on stderr the size of the files in `folder`, out of `total` bytes, while the body runs.

    scikit-learn's `fetch_file` does not report its progress.
    """
    done = threading.Event()
    with tqdm(total=total, unit="B", unit_scale=True, desc=description) as bar:
        watcher = threading.Thread(target=_watch, args=(folder, bar, done), daemon=True)
        watcher.start()
        try:
            yield bar
        finally:
            done.set()
            watcher.join()


def warn_caller(message):
    """Issue a warning that points at the nearest calling line outside this folder."""
    # From Python 3.12 on, skip_file_prefixes does the same.
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and os.path.dirname(frame.f_code.co_filename) == _HERE:
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, stacklevel=stacklevel)


def _fetch(url, name, folder, size):
    with nullcontext() if size is None else growth_bar(folder, size, name):
        return fetch_file(url, folder=folder, local_filename=name, n_retries=0)


def _watch(folder, bar, done):
    """Update `bar` at regular intervals, and once more when `done` is set."""
    finished = False
    while not finished:
        finished = done.wait(_INTERVAL)
        bar.update(_size(folder) - bar.n)


def _size(folder):
    """Return the total size of the files in `folder`, any of which may vanish in the meantime."""
    size = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                size += entry.stat().st_size
    return size
