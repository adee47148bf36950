"""Zip archives of data files: downloaded once, checked, and unpacked file by file."""

import hashlib
import os
import shutil
import zipfile
import zlib
from functools import partial
from typing import NamedTuple

from skvae.datasets._data_folder import receiving
from skvae.datasets._download import download


class Archive(NamedTuple):
    """Description of a published zip archive."""

    name: str
    inside: str  # folder in the archive that holds the files
    size: int  # bytes
    md5: str  # guards against accidents only; no stronger digest is published


def unpack(archive, names, folder, mirrors):
    """Unpack the files `names` of `archive` in `folder`, after downloading it if it is missing.

    The archive is kept. Files are written under the given names only; paths stored in the archive
    are never used. A file appears in `folder` only when it is complete.
    """
    path = folder / archive.name
    if not path.is_file():
        check = partial(check_md5, archive)
        download(archive.name, folder, mirrors, check, size=archive.size)
    else:
        _check_local(archive, path)
    with receiving(folder) as scratch:
        for name in names:
            _copy_member(path, f"{archive.inside}/{name}", scratch / name)
            os.replace(scratch / name, folder / name)


def check_md5(archive, path):
    """Raise a ValueError unless the file at `path` has the digest of `archive`."""
    with open(path, "rb") as raw:
        digest = hashlib.file_digest(raw, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    if digest != archive.md5:
        raise ValueError(
            f"{path} of {path.stat().st_size:,} bytes has MD5 {digest}; expected {archive.size:,} "
            f"bytes and {archive.md5}."
        )


def _check_local(archive, path):
    try:
        check_md5(archive, path)
    except ValueError as exc:
        raise ValueError(f"{exc} Delete it, so that it can be downloaded again.") from exc


def _copy_member(path, member, target):
    try:
        with (
            zipfile.ZipFile(path) as content,
            content.open(member) as source,
            open(target, "wb") as out,
        ):
            shutil.copyfileobj(source, out)
    except (KeyError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        raise ValueError(f"Cannot unpack {member} from {path} ({exc}).") from exc
