"""The folder of a data set on the disk: finding it, finding a file in it, adding files whole."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from sklearn.datasets import get_data_home

_SCRATCH = ".skvae-"
_ABANDONED = 24 * 3600  # seconds without a change after which nobody can be at work any more

# What the disk is to blame for, and no mirror.
DISK_ERRORS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def data_folder(name, data_home=None):
    """Path of the folder `name` in `data_home`, which defaults as the public fetchers say."""
    if data_home is None:
        data_home = os.environ.get("SKVAE_DATA") or get_data_home()
    return Path(data_home).expanduser() / name


def find_file(folder, name):
    """Path of the file `name` in `folder`, plain or compressed, or None."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def scratch_folder(folder):
    """Temporary folder in `folder`: what is complete is renamed out of it, the rest goes.

    It lies there because a rename is atomic only within one file system.
    """
    return tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH)


@contextmanager
def receiving(folder):
    """Scratch folder in `folder`, which is made and tidied first, and named if it is unusable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with scratch_folder(folder) as scratch:
            yield Path(scratch)
    except OSError as exc:
        if exc.errno not in DISK_ERRORS:
            raise
        remedy = "make room and allow writing there, or name another 'data_home'"
        raise OSError(exc.errno, f"{exc.strerror}; {remedy}", str(folder)) from exc


def _remove_abandoned(folder):
    """Remove what killed processes left in `folder`, and nothing that may still grow."""
    for scratch in filter(Path.is_dir, folder.glob(f"{_SCRATCH}*")):
        with suppress(FileNotFoundError):  # its owner finished just now
            last_change = max(path.stat().st_mtime for path in (scratch, *scratch.iterdir()))
            if time.time() - last_change > _ABANDONED:
                shutil.rmtree(scratch, ignore_errors=True)
