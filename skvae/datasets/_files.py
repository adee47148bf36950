"""Finding a data file on the disk, or bringing it from a mirror; its content is not known here."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPException
from pathlib import Path

from sklearn.datasets import fetch_file, get_data_home

from skvae.datasets._progress import growth_bar
from skvae.datasets._warn import warn_caller

_SCRATCH = ".skvae-"
_ABANDONED = 24 * 3600  # seconds without a change after which nobody can be at work any more

# What the disk is to blame for, and no mirror.
_DISK_ERRORS = {
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
        if exc.errno not in _DISK_ERRORS:
            raise
        remedy = "make room and allow writing there, or name another 'data_home'"
        raise OSError(exc.errno, f"{exc.strerror}; {remedy}", str(folder)) from exc


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
                if getattr(exc, "errno", None) in _DISK_ERRORS:
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


def _fetch(url, name, folder, size):
    with nullcontext() if size is None else growth_bar(folder, size, name):
        return fetch_file(url, folder=folder, local_filename=name, n_retries=0)


def _remove_abandoned(folder):
    """Remove what killed processes left in `folder`, and nothing that may still grow."""
    for scratch in filter(Path.is_dir, folder.glob(f"{_SCRATCH}*")):
        with suppress(FileNotFoundError):  # its owner finished just now
            last_change = max(path.stat().st_mtime for path in (scratch, *scratch.iterdir()))
            if time.time() - last_change > _ABANDONED:
                shutil.rmtree(scratch, ignore_errors=True)
