"""One file for a JSON header and named tensors, checked and atomic; not their meaning.

The file is a safetensors file, so any tool of that format can list it, and reading it runs no code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor

from skvae._validation import require_folder

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

FORMAT_VERSION = 1
_SCRATCH = ".skvae-scratch-"  # begins the name of a file while it is being written
_KEY = "skvae"  # a single key, because safetensors writes several in no fixed order


def write_file(
    path: str | os.PathLike[str], header: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write a file, which appears whole or not at all.

    It is written beside its destination, flushed to the disk, and renamed. Equal content gives
    equal bytes.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier file of that name is unchanged.
    """
    # copied because tensors may share memory, which safetensors refuses
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    header = {"format": FORMAT_VERSION, "versions": _versions(), **header}
    header["sha256"] = _digest(header, tensors)
    write_bytes(path, safetensors.torch.save(tensors, {_KEY: _dumps(header)}))


def read_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors of a file that :func:`write_file` wrote.

    Raises
    ------
    ValueError
        If the file is of another kind, is damaged, or comes from a newer version.
    FileNotFoundError
        If the file does not exist.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        tensors = safetensors.torch.load(data)
        metadata = _metadata(data)
        header = json.loads(metadata.pop(_KEY))
        if metadata:
            raise ValueError(f"it has the unknown metadata {min(metadata)[:80]!r}")
        written = header["format"]
        if not isinstance(written, int) or written < 1:
            raise ValueError(f"its format version is {written!r}")
        if written <= FORMAT_VERSION and header["sha256"] != _digest(header, tensors):
            raise ValueError("its content does not match its checksum; save or copy it again")
    except Exception as exc:  # whatever safetensors, json or torch raises for such bytes
        raise unsound(path, exc) from exc
    if written > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {written}, but this version of skvae reads up to "
            f"{FORMAT_VERSION}. Install a newer skvae to load it."
        )
    return header, tensors


def unsound(path: str | os.PathLike[str], reason: object) -> ValueError:
    """Return the error for a file that cannot be used."""
    reason = f"{type(reason).__name__}: {reason}" if isinstance(reason, LookupError) else reason
    return ValueError(f"{path} cannot be used as a model of skvae: {str(reason)[:500]}.")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("skvae", "torch", "scikit-learn", "numpy")}


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")  # safetensors has checked that it fits
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata


def _dumps(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    header = {name: value for name, value in header.items() if name != "sha256"}
    digest = hashlib.sha256(_dumps(header).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file beside its destination, flush it to the disk, and rename it.

    A file that is replaced keeps its permissions, and a symbolic link stays one. Files that killed
    processes left half written in the folder are deleted.

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
        _write_beside(target, data)
    except OSError as exc:
        raise OSError(exc.errno, f"{exc.strerror}; the file was not written", str(path)) from exc
    _sync_folder(target.parent)


def _write_beside(target: Path, data: bytes) -> None:
    """Write a file of another name in the folder of the target, and rename it."""
    before = target.stat() if target.exists() else None
    with ExitStack() as held:
        scratch, file = _open_scratch(target.parent, 0o666 if before is None else before.st_mode)
        try:
            held.enter_context(file)
            file.write(data)
            file.flush()
            if before is not None:
                _take_permissions(scratch, before)
            os.fsync(file.fileno())
            if fcntl is None:  # Windows renames no file that is open, and has no lock to hold
                held.close()
            os.replace(scratch, target)
        finally:
            scratch.unlink(missing_ok=True)


def _open_scratch(folder: Path, mode: int) -> tuple[Path, BinaryIO]:
    """Create and lock a scratch file, never more open to others than the mode says."""
    mode = stat.S_IMODE(mode)
    while True:
        scratch = folder / f"{_SCRATCH}{secrets.token_hex(4)}"
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
