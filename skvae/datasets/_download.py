"""Downloads from mirrors, their progress bar, and warnings that name the line of the caller."""

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
_INTERVAL = 0.2  # seconds between two looks at the disk


def download(name, folder, mirrors, check, size=None):
    """Bring the file `name` into `folder` from the first mirror that has it whole.

    `check(path)` raises a ValueError if the file is not the expected one. A file shows up in
    `folder` only after that, so that neither an interrupted nor a corrupt download is ever met
    there, and of several processes that bring the same file each has its own until it is whole.
    With a `size` in bytes, a progress bar is shown.
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
                warn_caller(f"Could not use {failures[-1]}")
                continue
            os.replace(path, folder / name)
            return
    raise OSError(
        f"Could not download {name} from any mirror. Check the network, or put the file into "
        f"{folder} yourself. What was tried:\n" + "\n".join(failures)
    )


@contextmanager
def growth_bar(folder, total, description):
    """Show on stderr how the files in `folder` grow towards `total` bytes while the body runs."""
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
    """Warn at the nearest line outside this folder that led here."""
    # Python 3.12 does this with skip_file_prefixes.
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back and os.path.dirname(frame.f_code.co_filename) == _HERE:
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, stacklevel=stacklevel)


def _fetch(url, name, folder, size):
    with nullcontext() if size is None else growth_bar(folder, size, name):
        return fetch_file(url, folder=folder, local_filename=name, n_retries=0)


def _watch(folder, bar, done):
    """Bring `bar` up to date again and again, and once more when all is done."""
    finished = False
    while not finished:
        finished = done.wait(_INTERVAL)
        bar.update(_size(folder) - bar.n)


def _size(folder):
    """Bytes in the files of `folder`, of which any may be renamed or deleted meanwhile."""
    size = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                size += entry.stat().st_size
    return size
