"""One file for a JSON header and named tensors, checked and atomic; not what they mean.

The file is a safetensors file, so any tool of that format can list it, and reading it runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

FORMAT_VERSION = 1
SCRATCH = ".{name}.{token}.tmp"  # name of a file while it is being written
_KEY = "skvae"  # one key alone: safetensors writes several in no fixed order


def write_file(path: str | os.PathLike, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a file that is either there whole or not there at all.

    It is written beside its destination, flushed to the disk, and renamed. Equal content makes
    equal bytes.

    Raises
    ------
    OSError
        If the folder or the disk cannot take it; a file that was there before is still there.
    """
    # copies of its own: tensors may share memory, or lie on another device
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    header = {"format": FORMAT_VERSION, "versions": _versions(), **header}
    header["sha256"] = _digest(header, tensors)
    write_bytes(path, safetensors.torch.save(tensors, {_KEY: _dumps(header)}))


def read_file(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return header and tensors of a file that :func:`write_file` wrote.

    Raises
    ------
    ValueError
        If the file is anything else, is damaged, or comes from a newer version.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(_metadata(data)[_KEY])
        written = header["format"]
        if not isinstance(written, int) or written < 1:
            raise ValueError(f"its format version is {written!r}")
        if written <= FORMAT_VERSION and header.pop("sha256") != _digest(header, tensors):
            raise ValueError("its content does not match its checksum; save it or fetch it anew")
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as exc:
        raise unsound(path, exc) from exc
    if written > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {written}, but this version of skvae reads up to "
            f"{FORMAT_VERSION}. Install a newer skvae to load it."
        )
    return header, tensors


def unsound(path: str | os.PathLike, reason: object) -> ValueError:
    """Return the error for a file that cannot be used."""
    reason = f"{type(reason).__name__}: {reason}" if isinstance(reason, LookupError) else reason
    return ValueError(f"{path} cannot be used as a model of skvae: {str(reason)[:500]}.")


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("skvae", "torch", "scikit-learn", "numpy")}


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")  # safetensors has checked that it fits
    return json.loads(data[8 : 8 + length]).get("__metadata__", {})


def _dumps(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, allow_nan=False, separators=(",", ":"))


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(_dumps(header).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write a file beside its destination, flush it to the disk, and rename it."""
    path = Path(path)
    scratch = path.with_name(SCRATCH.format(name=path.name, token=secrets.token_hex(4)))
    try:
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last, where the system lets a folder be flushed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # nor do some network file systems flush them
        pass
    finally:
        os.close(descriptor)
