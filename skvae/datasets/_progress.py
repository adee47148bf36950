"""A progress bar for a download that does not tell how far it has come."""

import os
import threading
from contextlib import contextmanager, suppress

from tqdm import tqdm

_INTERVAL = 0.2  # seconds between two looks at the disk


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
