"""IDX files, the array format of MNIST and EMNIST: reading, writing and digests."""

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from skvae._disk.replacing import replacing

_DTYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20  # bytes per read
_MAX_DEFLATE_RATIO = 1032  # deflate cannot expand further (zlib's technical details)


def read_idx(path):
    """Read an array from an IDX file, plain or compressed with gzip.

    Parameters
    ----------
    path : str or path-like
        The file. Compression is recognised by its content, not by its name.

    Returns
    -------
    array : ndarray
        A new, writable array in native byte order, of dtype uint8, int8, int16, int32, float32
        or float64.

    Raises
    ------
    ValueError
        If the file is not an IDX file, is shorter or longer than its header declares, or is
        damaged. The message names the file.

    See Also
    --------
    write_idx : Write an array to an IDX file.

    Notes
    -----
    An IDX file consists of two zero bytes, one byte for the dtype, one byte for the rank, the
    shape as big-endian 32-bit integers, and the elements in C order, big-endian [1]_.

    Memory grows with the bytes that are read, not with the size that the header declares, and
    reading stops as soon as the file exceeds that size. A header that declares more than a file
    of its size can hold, at the highest compression ratio of gzip, raises an error at once. A file
    that holds what its header declares is read, even if it is a gigabyte of zeros compressed to a
    megabyte.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits",
       http://yann.lecun.com/exdb/mnist/

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skvae.datasets import read_idx, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "corners-idx2-short.gz"
    ...     write_idx(path, np.array([[0, 1], [2, 300]], dtype=np.int16))
    ...     read_idx(path)
    array([[  0,   1],
           [  2, 300]], dtype=int16)
    """
    return read_first(path, None)


def read_first(path, n_first):
    """Return the first entries along the first dimension, or all for None, as `read_idx` does.

    No more of the file is read than they need.
    """
    path = Path(path)
    with open(path, "rb") as raw:
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        capacity = os.fstat(raw.fileno()).st_size * (_MAX_DEFLATE_RATIO if compressed else 1)
        try:
            if not compressed:
                return _read_stream(raw, path, capacity, n_first)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read_stream(stream, path, capacity, n_first)
        except (EOFError, gzip.BadGzipFile, zlib.error) as exc:
            raise _error(path, f"its gzip stream is damaged or cut short ({exc})") from exc


def write_idx(path, array):
    r"""Write an array to an IDX file.

    Parameters
    ----------
    path : str or path-like
        The file. It is compressed if its name ends in ``.gz``, and the same array always gives
        the same bytes. An existing file is replaced atomically when the new one is complete, with
        its permissions and links kept, and remains unchanged if writing fails.

    array : array-like
        Array of dtype uint8, int8, int16, int32, float32 or float64, in any byte order. Other
        dtypes cannot be stored.

    Raises
    ------
    ValueError
        If the array has another dtype, or a shape that the header cannot hold.
    OSError
        If the folder does not exist or the file cannot be written.

    See Also
    --------
    read_idx : Read an array from an IDX file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skvae.datasets import write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "three-idx1-ubyte"
    ...     write_idx(path, np.array([7, 8, 9], dtype=np.uint8))
    ...     path.read_bytes()
    b'\x00\x00\x08\x01\x00\x00\x00\x03\x07\x08\t'
    """
    path = Path(path)
    array = np.asarray(array)
    parts = _header(array), _payload(array)  # raises before the disk is touched
    with replacing(path) as scratch, open(scratch, "wb") as raw:
        _write_parts(raw, parts, compress=path.suffix == ".gz")


def idx_sha256(array):
    """Return the SHA-256 digest of the uncompressed IDX file that holds `array`."""
    digest = hashlib.sha256(_header(array))
    digest.update(_payload(array))
    return digest.hexdigest()


def _write_parts(raw, parts, *, compress):
    if not compress:
        raw.writelines(parts)
        return
    with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as stream:
        stream.writelines(parts)


def _read_stream(stream, path, capacity, n_first):
    """Read header and elements from `stream`, which holds at most `capacity` bytes."""
    dtype, shape = _read_header(stream, path)
    n_bytes = math.prod(shape) * dtype.itemsize
    declared = f"its header declares shape {shape} of {dtype}, which is {n_bytes} bytes"
    if n_bytes > capacity:
        raise _error(path, f"{declared}, more than a file of its size can hold")
    if n_first is not None and shape and n_first < shape[0]:
        shape = (n_first, *shape[1:])
        n_bytes = math.prod(shape) * dtype.itemsize
        stream = io.BytesIO(stream.read(n_bytes))
    buffer = bytearray()
    while chunk := stream.read(min(_CHUNK, n_bytes + 1 - len(buffer))):
        buffer += chunk
        if len(buffer) > n_bytes:
            raise _error(path, f"{declared}, but more follow")
    if len(buffer) < n_bytes:
        raise _error(path, f"{declared}, but only {len(buffer)} follow")
    big_endian = np.frombuffer(buffer, dtype=dtype.newbyteorder(">"))
    try:
        # Arrays of bytes have no byte order and are not copied.
        return big_endian.astype(dtype, copy=False).reshape(shape)
    except ValueError as exc:
        raise _error(path, f"NumPy cannot hold shape {shape} ({exc})") from exc


def _read_header(stream, path):
    magic = stream.read(4)
    if len(magic) < 4:
        raise _error(path, f"it ends after {len(magic)} bytes, within its header")
    if magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise _error(
            path,
            f"it begins with the bytes {magic.hex(' ')}; expected two zeros, one of "
            f"{', '.join(f'{code:02x}' for code in _DTYPES)}, and the rank. "
            "It may be another kind of file",
        )
    rank = magic[3]
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise _error(path, f"its header ends before the last of {rank} dimensions")
    return _DTYPES[magic[2]], struct.unpack(f">{rank}I", sizes)


def _header(array):
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        raise ValueError(
            f"An IDX file cannot hold 'array' of dtype {array.dtype}; expected one of "
            f"{', '.join(map(str, _CODES))}. Convert it first with array.astype(...)."
        )
    if max(array.shape, default=0) >= 1 << 32:
        raise ValueError(
            f"An IDX file cannot hold 'array' of shape {array.shape}: each dimension must be less "
            "than 2**32. Split it first."
        )
    return struct.pack(f">2x2B{array.ndim}I", code, array.ndim, *array.shape)


def _payload(array):
    """Return the elements as bytes in big-endian C order, without a copy if they are stored so."""
    ordered = np.asarray(array, dtype=array.dtype.newbyteorder(">"), order="C")
    return ordered.reshape(-1).view(np.uint8)


def _error(path, reason):
    return ValueError(f"{path} is not a sound IDX file: {reason}.")
