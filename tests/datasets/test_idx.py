import gzip
import os
import struct

import numpy as np
import pytest

from skvae.datasets import _idx, read_idx, write_idx

# IDX code and struct letter of each dtype.
CODES = {
    "uint8": (0x08, "B"),
    "int8": (0x09, "b"),
    "int16": (0x0B, "h"),
    "int32": (0x0C, "i"),
    "float32": (0x0D, "f"),
    "float64": (0x0E, "d"),
}
SHAPES = [(), (0,), (5,), (3, 0, 2), (2, 3), (2, 3, 4), (1, 2, 1, 2, 1, 2)]


def header(code, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def numbers(dtype, shape, seed=0):
    bits = np.random.default_rng(seed).integers(-100, 100, size=shape)
    return np.asarray(bits * 1.25).astype(dtype)


@pytest.fixture(params=["file", "file.gz"])
def path(request, tmp_path):
    return tmp_path / request.param


def put(path, content):
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", CODES)
def test_an_array_survives_a_round_trip(path, dtype, shape):
    array = numbers(dtype, shape)
    assert write_idx(path, array) is None
    back = read_idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.shape == shape
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


@pytest.mark.parametrize("dtype", CODES)
def test_the_bytes_agree_with_the_definition_of_the_format(tmp_path, dtype):
    """The expected bytes are made by struct, independently of NumPy's byte order."""
    values = [1, 2, 100, 3, 4, 5]
    write_idx(tmp_path / "plain", np.array(values, dtype=dtype).reshape(2, 3))
    code, letter = CODES[dtype]
    expected = header(code, 2, 3) + struct.pack(f">6{letter}", *values)
    assert (tmp_path / "plain").read_bytes() == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_any_memory_layout_is_written_in_c_order(path, order):
    array = np.arange(24, dtype=f"{order}i4").reshape(4, 6)
    write_idx(path, array.T[::2])
    np.testing.assert_array_equal(read_idx(path), array.T[::2])


def test_every_rank_up_to_32_is_stored(path):
    for rank in range(33):
        array = numbers("int16", (2,) * min(rank, 8) + (1,) * max(rank - 8, 0))
        write_idx(path, array)
        np.testing.assert_array_equal(read_idx(path), array)


def test_an_array_larger_than_a_chunk_survives_a_round_trip(path):
    array = np.tile(numbers("float64", (1000,)), 2000).reshape(2000, 1000)
    write_idx(path, array)
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize("before", [b"before", None], ids=["file", "no file"])
def test_a_failed_write_leaves_the_folder_unchanged(path, monkeypatch, before):
    def fail(*args, **kwargs):
        raise OSError("the disk is full")

    if before:
        path.write_bytes(before)
    monkeypatch.setattr(_idx, "_write_parts", fail)
    with pytest.raises(OSError, match="the disk is full"):
        write_idx(path, np.zeros(3, dtype=np.uint8))
    assert os.listdir(path.parent) == ([path.name] if before else [])
    assert not before or path.read_bytes() == before


def test_a_symbolic_link_is_kept_and_its_target_replaced(tmp_path):
    (tmp_path / "target").write_bytes(b"before")
    (tmp_path / "link.gz").symlink_to(tmp_path / "target")
    write_idx(tmp_path / "link.gz", np.arange(3, dtype=np.uint8))
    assert (tmp_path / "link.gz").is_symlink()
    assert read_idx(tmp_path / "target").tolist() == [0, 1, 2]
    assert gzip.decompress((tmp_path / "target").read_bytes())[-3:] == b"\0\1\2"


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "any").touch()
    write_idx(tmp_path / "x", np.zeros(3, dtype=np.uint8))
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_writing_to_a_missing_folder_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere' does not exist; create it first"):
        write_idx(tmp_path / "nowhere" / "x", np.zeros(3, dtype=np.uint8))


def test_str_paths_are_accepted(tmp_path):
    write_idx(str(tmp_path / "x.gz"), np.zeros(3, dtype=np.int8))
    assert read_idx(str(tmp_path / "x.gz")).tolist() == [0, 0, 0]


def test_writing_compresses_by_suffix_and_reading_decompresses_by_content(tmp_path):
    array = np.arange(200, dtype=np.uint8)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "a", array)
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == (tmp_path / "a").read_bytes()
    (tmp_path / "a.gz").rename(tmp_path / "b")
    (tmp_path / "a").rename(tmp_path / "c.gz")
    np.testing.assert_array_equal(read_idx(tmp_path / "b"), array)
    np.testing.assert_array_equal(read_idx(tmp_path / "c.gz"), array)


def test_compressed_bytes_depend_only_on_the_array(tmp_path):
    array = np.arange(200, dtype=np.uint8)
    for name in ("one.gz", "two.gz"):
        write_idx(tmp_path / name, array)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_several_gzip_members_are_read_as_one_file(tmp_path):
    halves = (header(8, 4) + b"ab", b"cd")
    (tmp_path / "x").write_bytes(b"".join(map(gzip.compress, halves)))
    assert read_idx(tmp_path / "x").tobytes() == b"abcd"


@pytest.mark.parametrize("value", [[1, 2], [True], ["a"], [1j], [None]], ids=repr)
def test_writing_other_dtypes_raises_and_keeps_the_file(tmp_path, value):
    path = tmp_path / "kept"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="cannot hold 'array' of dtype.*uint8, int8.*Convert it"):
        write_idx(path, value)
    assert path.read_bytes() == b"before"


def test_writing_dimensions_too_large_for_the_header_raises(tmp_path):
    endless = np.broadcast_to(np.uint8(0), (1 << 32,))
    with pytest.raises(ValueError, match=r"must be less than 2\*\*32"):
        write_idx(tmp_path / "x", endless)


def test_reading_a_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends after 0 bytes"),
        (b"\0\0\x08", "ends after 3 bytes"),
        (b"\0\0\x08\x03\0\0\0\x01", "before the last of 3 dimensions"),
        (header(8, 4) + b"abc", r"shape \(4,\) of uint8, which is 4 bytes"),
        (header(8, 4) + b"abcde", r"shape \(4,\) of uint8, which is 4 bytes, but more follow"),
        (header(0x0C, 2) + b"1234567", "which is 8 bytes"),
        (header(8, 0, 5) + b"x", "0 bytes, but more follow"),
        (b"\x01\0\x08\x01\0\0\0\x01x", "01 00 08 01"),
        (b"\0\x01\x08\x01\0\0\0\x01x", "00 01 08 01"),
        (header(0x0A, 1) + b"x", "one of 08, 09, 0b, 0c, 0d, 0e"),
        (b"<!DOCTYPE html><html>404</html>", "may be another kind of file"),
        (header(8, 2**32 - 1) + b"x", "4294967295 bytes"),
        (header(0x0E, *[2**32 - 1] * 40) + b"x" * 50, "more than a file of its size can hold"),
        (header(8, *[2**32 - 1] * 255), "more than a file of its size can hold"),
        (header(8, 0, *[2**32 - 1] * 4), "NumPy cannot hold shape"),
        (header(8, *[1] * 65) + b"x", "NumPy cannot hold shape"),
    ],
)
def test_unsound_content_raises_with_the_name_of_the_file(path, content, reason):
    put(path, content)
    with pytest.raises(ValueError, match=reason) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def damaged(compressed):
    """Contents of a damaged gzip file, by kind of damage."""
    middle = len(compressed) // 2
    flipped = bytes([compressed[middle] ^ 0xFF])
    return {
        "only magic": compressed[:2],
        "in gzip header": compressed[:8],
        "half": compressed[:middle],
        "no checksum": compressed[:-8],
        "last byte lost": compressed[:-1],
        "flipped": compressed[:middle] + flipped + compressed[middle + 1 :],
        "wrong checksum": compressed[:-8] + b"\0\0\0\0" + compressed[-4:],
        "garbage behind": compressed + b"garbage",
    }


@pytest.mark.parametrize("kind", damaged(b"12345678"))
def test_a_damaged_gzip_stream_raises_with_the_name_of_the_file(tmp_path, kind):
    path = tmp_path / "images.gz"
    content = header(8, 3000) + np.random.default_rng(0).bytes(3000)
    path.write_bytes(damaged(gzip.compress(content))[kind])
    with pytest.raises(ValueError, match="gzip stream is damaged|only|more follow") as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
