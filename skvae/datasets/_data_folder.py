"""Location of data files on disk, and scratch folders from which complete files are moved there."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from sklearn.datasets import get_data_home

_SCRATCH = ".skvae-"
_ABANDONED = 24 * 3600  # seconds without a change after which a scratch folder is abandoned

# Errors of the local disk, not of a mirror.
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
    """Return the path of the folder `name` in `data_home`; None is the default of the fetchers."""
    if data_home is None:
        data_home = os.environ.get("SKVAE_DATA") or get_data_home()
    return Path(data_home).expanduser() / name


def find_file(folder, name):
    """Return the path of the file `name` in `folder`, plain or compressed, or None."""
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def scratch_folder(folder):
    """Create a temporary folder in `folder`, from which complete files are moved into place.

    It lies in `folder` because renaming is atomic only within one file system.
    """
    return tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH)


@contextmanager
def receiving(folder):
    """Yield a scratch folder in `folder`, which is created if missing and cleaned up first.

    Errors of the disk are raised with the name of `folder` and a remedy.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        with scratch_folder(folder) as scratch:
            yield Path(scratch)
    except OSError as exc:
        if exc.errno not in DISK_ERRORS:
            raise
        remedy = "free some space and allow writing there, or pass another 'data_home'"
        raise OSError(exc.errno, f"{exc.strerror}; {remedy}", str(folder)) from exc


def _remove_abandoned(folder):
    """Remove the scratch folders of killed processes; those of running ones have recent changes."""
    for scratch in filter(Path.is_dir, folder.glob(f"{_SCRATCH}*")):
        with suppress(FileNotFoundError):  # another process has just removed it
            last_change = max(path.stat().st_mtime for path in (scratch, *scratch.iterdir()))
            if time.time() - last_change > _ABANDONED:
                shutil.rmtree(scratch, ignore_errors=True)
