"""Files that are written whole or not at all, whatever they hold."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

_SCRATCH = ".skvae-scratch-"  # begins the name of a file while it is being written
_LONGEST_SUFFIX = 20  # the name of a scratch file is short, however long that of the file


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path of an empty file with the same ending, to be written in the block.

    After the block, it is flushed to the disk and renamed to the given path. A file that is
    replaced keeps its permissions, and a symbolic link stays one. Files that killed processes left
    half written in the folder are deleted.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier file of that name is unchanged.
    """
    path = Path(path)
    require_folder(path)
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EEXIST, "exists and is not a file; choose another name", str(path))
    try:
        _remove_abandoned(target.parent)
        with _beside(target, path.suffix) as scratch:  # of a link, whose ending says what is in it
            yield scratch
    except OSError as exc:
        problem = f"{exc.strerror or exc}; the file was not written"
        raise OSError(exc.errno, problem, str(path)) from exc
    _sync_folder(target.parent)


def require_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a file to be written if its folder does not exist.

    Raises
    ------
    FileNotFoundError or NotADirectoryError
        Naming the file and the folder.
    """
    folder = Path(path).parent
    if not folder.is_dir():
        number, problem = errno.ENOENT, "does not exist; create it first"
        if folder.exists():
            number, problem = errno.ENOTDIR, "is a file; choose another folder"
        raise OSError(number, f"cannot be written: {str(folder)!r} {problem}", str(path))


@contextmanager
def _beside(target: Path, suffix: str) -> Iterator[Path]:
    """Yield a file of another name in the folder of the target, and rename it after the block."""
    before = target.stat() if target.exists() else None
    mode = 0o666 if before is None else before.st_mode
    scratch, file = _open_scratch(target.parent, suffix, mode)
    try:
        with file:
            yield scratch
            if before is not None:
                _take_permissions(scratch, before)
            os.fsync(file.fileno())
            if fcntl is not None:  # Windows renames no file that is open, and has no lock to hold
                os.replace(scratch, target)
        if fcntl is None:
            os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)


def _open_scratch(folder: Path, suffix: str, mode: int) -> tuple[Path, BinaryIO]:
    """Create and lock a scratch file, never more open to others than the mode says."""
    mode = stat.S_IMODE(mode) | stat.S_IWUSR  # it is opened again to be written
    suffix = suffix if len(suffix) < _LONGEST_SUFFIX else ""
    while True:
        scratch = folder / f"{_SCRATCH}{secrets.token_hex(4)}{suffix}"
        file = open(scratch, "xb", opener=lambda path, flags: os.open(path, flags, mode))  # noqa: SIM115
        if _lock(file) and os.fstat(file.fileno()).st_nlink:
            return scratch, file
        file.close()  # deleted as abandoned between its creation and its lock


def _take_permissions(scratch: Path, before: os.stat_result) -> None:
    """Give a file the permissions and, where the system allows it, the owner of another."""
    now = scratch.stat()
    if os.name == "posix" and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with suppress(OSError):
            os.chown(scratch, before.st_uid, before.st_gid)
    if now.st_mode != before.st_mode:
        os.chmod(scratch, stat.S_IMODE(before.st_mode))


def _remove_abandoned(folder: Path) -> None:
    """Delete the scratch files of killed processes; those of running ones are locked."""
    for scratch in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError):  # of another user, or just renamed
            if stat.S_ISREG(scratch.lstat().st_mode):
                with open(scratch, "rb") as file:
                    if _lock(file):
                        scratch.unlink()


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed, also by a kill; False if another process has locked it."""
    if fcntl is None:  # Windows deletes no file that is open
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no locks
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Flush the folder, so that the rename survives a power cut, if the system allows it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot flush folders
        pass
    finally:
        os.close(descriptor)
