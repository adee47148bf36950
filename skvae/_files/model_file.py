"""One file for a JSON header and named tensors, checked; not their meaning.

The file is a safetensors file, so any tool of that format can list it, and reading it runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from skvae._disk.replacing import replacing

FORMAT_VERSION = 1
# A header takes many times its size in memory while it is parsed. What grows with columns, levels
# and epochs is in tensors; a few thousand of them fit without a share of the size of the file.
_MOST_TEXT, _BYTES_PER_TEXT = 2**22, 8
_MOST_VALUES, _BYTES_PER_VALUE = 2**18, 64
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
    ValueError
        If it would hold more tensors or parameters than can be read.
    """
    data = file_bytes(header, tensors)
    with replacing(path) as scratch:
        scratch.write_bytes(data)


def file_bytes(header: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Return the content of a file.

    Raises
    ------
    ValueError
        If it would hold more tensors or parameters than can be read.
    """
    # copied because tensors may share memory, which safetensors refuses
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    header = {"format": FORMAT_VERSION, "versions": _versions(), **header}
    header.pop("sha256", None)
    header["sha256"] = digest_of(_dumps(header), tensors)
    data = safetensors.torch.save(tensors, {_KEY: _dumps(header)})
    _header_of(data)
    return data


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
        metadata = json.loads(_header_of(data)).get("__metadata__", {})
        tensors = safetensors.torch.load(data)
        del data
        text = metadata.pop(_KEY)
        if metadata:
            raise ValueError(f"it has the unknown metadata {min(metadata)[:80]!r}")
        header = json.loads(text)
        written = header["format"]
        if not isinstance(written, int) or written < 1:
            raise ValueError(f"its format version is {written!r}")
        stated = header["sha256"]
        rest = text.replace(f'"sha256":{json.dumps(stated)},', "", 1)
        if written <= FORMAT_VERSION and stated != digest_of(rest, tensors):
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


@cache  # as it parses the metadata of four packages
def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("skvae", "torch", "scikit-learn", "numpy")}


def _header_of(data: bytes) -> bytes:
    """Return the header of a safetensors file, unless it is too large for what it describes."""
    length = int.from_bytes(data[:8], "little")
    most = _MOST_TEXT + len(data) // _BYTES_PER_TEXT
    if length > most:
        raise ValueError(f"it has a header of {length} bytes, but at most {most} are allowed")
    header = data[8 : 8 + length]
    n_values = sum(header.count(mark) for mark in (b",", b"[", b"{"))
    most = _MOST_VALUES + len(data) // _BYTES_PER_VALUE
    if n_values > most:
        raise ValueError(f"it has {n_values} values in its header, but at most {most} are allowed")
    return header


def _dumps(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, allow_nan=False, separators=(",", ":"))


def digest_of(text: str, tensors: dict[str, Tensor]) -> str:
    """Return a digest of a text, such as a header without its checksum, and of named tensors."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
