"""The bytes of compressed rows: magic, version, digests, the description of the rows, the bits."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

MAGIC = b"skvz"
VERSION = 1
_CHECKSUM, _MODEL, _PROBE, _ROWS = 8, 8, 4, 8  # bytes of digests
_MOST_HEADER = 2**26  # bytes of a description


@dataclass(frozen=True)
class Container:
    """Compressed rows, with what is needed to decode them.

    Parameters
    ----------
    model, probe, rows : bytes
        Digests of the model, of what it computes for fixed inputs, and of the rows.
    header : dict
        Plain values that describe the rows.
    payload : bytes
        The bits, in whole words.
    """

    model: bytes
    probe: bytes
    rows: bytes
    header: dict[str, Any]
    payload: bytes

    def pack(self) -> bytes:
        """Return the container as bytes."""
        text = json.dumps(self.header, separators=(",", ":"), ensure_ascii=False)
        header = zlib.compress(text.encode("utf-8", "surrogatepass"), 9)
        digests = self.model[:_MODEL] + self.probe[:_PROBE] + self.rows[:_ROWS]
        body = digests + len(header).to_bytes(4, "little") + header + self.payload
        start = MAGIC + bytes([VERSION])
        return start + _checksum(start + body) + body

    @classmethod
    def unpack(cls, data: bytes) -> Container:
        """Return the container that `pack` returned as bytes.

        Raises
        ------
        ValueError
            If it is another file, of a newer version, or damaged.
        """
        if data[: len(MAGIC)] != MAGIC:
            raise ValueError("The data are not rows that skvae.compress returned.")
        start, rest = data[: len(MAGIC) + 1], data[len(MAGIC) + 1 :]
        checksum, body = rest[:_CHECKSUM], rest[_CHECKSUM:]
        if len(start) < len(MAGIC) + 1 or checksum != _checksum(start + body):
            raise ValueError(
                "The compressed rows are damaged: they were cut or altered. Copy the file again, "
                "or compress the rows again."
            )
        if start[-1] != VERSION:
            raise ValueError(
                f"The compressed rows have format version {start[-1]}, but this version of skvae "
                f"reads version {VERSION}. Use the version of skvae that compressed them."
            )
        digests, body = body[: _MODEL + _PROBE + _ROWS], body[_MODEL + _PROBE + _ROWS :]
        size, body = int.from_bytes(body[:4], "little"), body[4:]
        return cls(
            digests[:_MODEL],
            digests[_MODEL : _MODEL + _PROBE],
            digests[_MODEL + _PROBE :],
            _header_of(body[:size]),
            body[size:],
        )

    def is_of_model(self, digest: bytes) -> bool:
        """Return whether the rows were compressed by the model with this digest."""
        return self.model[:_MODEL] == digest[:_MODEL]

    def has_probe(self, digest: bytes) -> bool:
        """Return whether the model computed what has this digest."""
        return self.probe[:_PROBE] == digest[:_PROBE]

    def holds(self, digest: bytes) -> bool:
        """Return whether the rows have this digest."""
        return self.rows[:_ROWS] == digest[:_ROWS]


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECKSUM]


def _header_of(data: bytes) -> dict[str, Any]:
    """Return the description of the rows, whose size is bounded before it is read."""
    inflate = zlib.decompressobj()
    text = inflate.decompress(data, _MOST_HEADER)
    if not inflate.eof:
        raise ValueError("The compressed rows have a description that is too long or cut.")
    return json.loads(text.decode("utf-8", "surrogatepass"))
