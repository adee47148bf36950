"""Thousands of damaged IDX files: each raises an error with its name or is read correctly."""

import gzip
import io
import math
import struct
import sys
import tracemalloc
import zlib

import numpy as np
import pytest

from skvae.datasets import read_idx

N_FILES = 10_000
FORMATS = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
READER = 4 << 20  # bytes that reading any file may take, for buffers of gzip, zlib and chunks


def oracle(content):
    """Type, shape and native bytes by the definition of the format, or None for other content.

    It shares no code with `read_idx` and may use any amount of memory.
    """
    try:
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        zero, code, rank = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{rank}I", content[4 : 4 + 4 * rank])
        body, width = content[4 + 4 * rank :], struct.calcsize(FORMATS[code])
    except (EOFError, KeyError, OSError, struct.error, zlib.error):
        return None
    if zero or len(body) != width * math.prod(shape):
        return None
    native = bytearray(body)
    for byte in range(width if sys.byteorder == "little" else 0):
        native[byte::width] = body[width - 1 - byte :: width]
    return np.dtype(FORMATS[code]), shape, bytes(native)


def sound(rng):
    """Bytes of a small IDX file of a random dtype and a rank of 0 to 5."""
    code = int(rng.choice(list(FORMATS)))
    shape = [int(size) for size in rng.integers(0, 5, size=rng.integers(0, 6))]
    n_bytes = int(np.prod(shape, dtype=int)) * struct.calcsize(FORMATS[code])
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape) + rng.bytes(n_bytes)


def truncated(content, rng):
    return content[: rng.integers(0, len(content) + 1)]


def lengthened(content, rng):
    return content + rng.bytes(rng.integers(1, 20))


def wrong_magic(content, rng):
    return rng.bytes(4) + content[4:]


def absurd_dimensions(content, rng):
    sizes = rng.choice([0, 1, 2, 2**16, 2**31, 2**32 - 1], size=rng.integers(1, 12))
    code = int(rng.choice(list(FORMATS)))
    header = struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *map(int, sizes))
    return header + content if rng.random() < 0.5 else header


def another_rank(content, rng):
    return content[:3] + rng.bytes(1) + content[4:]


def random_bytes(content, rng):
    return rng.bytes(rng.integers(0, 60))


def bits_flipped(content, rng):
    flipped = bytearray(content)
    for position in rng.integers(0, len(content), size=rng.integers(1, 4)):
        flipped[position] ^= 1 << rng.integers(0, 8)
    return bytes(flipped)


def unchanged(content, rng):
    return content


def compressed(content, rng):
    return gzip.compress(content, mtime=0)


def damaged_gzip(content, rng):
    return bits_flipped(gzip.compress(content, mtime=0), rng)


def truncated_gzip(content, rng):
    return truncated(gzip.compress(content, mtime=0), rng)


def gzip_with_garbage(content, rng):
    return gzip.compress(content, mtime=0) + rng.bytes(rng.integers(1, 20))


def gzip_with_padding(content, rng):
    return gzip.compress(content, mtime=0) + bytes(rng.integers(1, 20))


def members(content, rng):
    cut = rng.integers(0, len(content) + 1)
    parts = [content[:cut], b"", content[cut:]]
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def bomb(content, rng):
    """64 KiB of zeros after a header that declares any size."""
    return gzip.compress(absurd_dimensions(bytes(1 << 16), rng), mtime=0)


MUTATIONS = [
    *(truncated, lengthened, wrong_magic, absurd_dimensions, another_rank, random_bytes),
    *(bits_flipped, unchanged, compressed, damaged_gzip, truncated_gzip, gzip_with_garbage),
    *(gzip_with_padding, members, bomb),
]
ALWAYS_RIGHT = {unchanged, compressed, gzip_with_padding, members}


def outcome(path):
    """Array that `read_idx` returns, or message of its ValueError; other errors fail the test."""
    try:
        return read_idx(path)
    except ValueError as exc:
        return str(exc)


def beyond_numpy(dtype, shape):
    """Whether NumPy may reject the shape: a rank above 32, or an empty array with huge strides."""
    return len(shape) > 32 or math.prod(filter(None, shape)) * dtype.itemsize >= 2**63


@pytest.fixture
def rewrite(tmp_path):
    """Return a function that writes content to a file, always the same one for speed."""
    with open(tmp_path / "images", "wb", buffering=0) as raw:

        def put(content):
            raw.seek(0)
            raw.write(content)
            raw.truncate()
            return tmp_path / "images"

        yield put


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
def test_each_file_raises_with_its_name_or_is_read_correctly(rewrite, mutate):
    rng = np.random.default_rng(MUTATIONS.index(mutate))
    n_right, n_files = 0, -(-N_FILES // len(MUTATIONS))
    for content in (mutate(sound(rng), rng) for _ in range(n_files)):
        path = rewrite(content)
        got, expected = outcome(path), oracle(content)
        if isinstance(got, str):
            assert got.startswith(f"{path} is not a sound IDX file: ")
            assert got.endswith(".")
            assert expected is None or beyond_numpy(*expected[:2])
        else:
            assert (got.dtype, got.shape, got.tobytes()) == expected
            n_right += 1
    assert n_right == n_files or mutate not in ALWAYS_RIGHT
    assert n_right < n_files or mutate in ALWAYS_RIGHT


def peak_of(path):
    tracemalloc.start()
    try:
        array = outcome(path)
        return array, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def deflated_zeros(prefix, n_zeros):
    """Compressed `prefix` and zeros, made in pieces so that the test itself uses little memory."""
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as stream:
        stream.write(prefix)
        for _ in range(n_zeros >> 20):
            stream.write(bytes(1 << 20))
    return file.getvalue()


def declares(code, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


@pytest.mark.parametrize(
    ("header", "n_zeros", "limit"),
    [
        (declares(0x08, 1 << 20, 1 << 20), 1 << 20, READER),
        (declares(0x08, 1 << 20, 1 << 20), 1 << 26, READER),
        (declares(0x0E, *[2**32 - 1] * 255), 1 << 20, READER),
        (declares(0x08, 10), 1 << 26, READER),
        (declares(0x0E), 1 << 26, READER),
        (b"", 1 << 26, READER),
        (declares(0x08, (1 << 24) + 1), 1 << 24, (1 << 25) + READER),
    ],
    ids=["terabyte", "terabyte, 64 MiB", "rank 255", "ten", "one", "no header", "one too few"],
)
def test_bombs_raise_before_memory_grows(tmp_path, header, n_zeros, limit):
    """If the header declares less, or more than the file can hold, only one chunk is read."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(deflated_zeros(header, n_zeros))
    array, peak = peak_of(path)
    assert array.startswith(f"{path} is not a sound IDX file: ")
    assert peak < limit


def test_a_large_array_in_a_small_file_is_read(tmp_path):
    """32 MiB of zeros, compressed to 32 KiB, are a sound file if the header declares them."""
    path = tmp_path / "zeros.gz"
    path.write_bytes(deflated_zeros(declares(0x08, 32, 1 << 20), 32 << 20))
    array, peak = peak_of(path)
    assert array.shape == (32, 1 << 20)
    assert not array.any()
    assert peak < 1.5 * (32 << 20) + READER


def test_small_files_never_take_much_memory(rewrite):
    rng = np.random.default_rng(0)
    for i in range(20 * len(MUTATIONS)):
        path = rewrite(MUTATIONS[i % len(MUTATIONS)](sound(rng), rng))
        assert peak_of(path)[1] < READER
