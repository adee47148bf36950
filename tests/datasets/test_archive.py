import hashlib
import os
import re
import zipfile

import pytest

from skvae.datasets._archive import Archive, check_md5, unpack

NAMES = ["one.gz", "two.gz"]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def make(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as content:
        for name, data in members.items():
            content.writestr(name, data)
    return declared(path)


def declared(path):
    data = path.read_bytes()
    return Archive(path.name, "inside", len(data), hashlib.md5(data).hexdigest())


def test_only_the_named_files_are_unpacked(folder):
    members = {f"inside/{name}": name.encode() for name in (*NAMES, "three.gz")}
    archive = make(folder / "all.zip", members)
    unpack(archive, NAMES, folder, mirrors=())
    assert sorted(os.listdir(folder)) == ["all.zip", *NAMES]
    assert [(folder / name).read_bytes() for name in NAMES] == [b"one.gz", b"two.gz"]


def test_paths_stored_in_the_archive_are_never_used(folder):
    evil = ["../evil", "/tmp/skvae-evil", "inside/../../evil", "inside/../inside/one.gz"]
    members = {**dict.fromkeys(evil, b"evil"), "inside/one.gz": b"good"}
    archive = make(folder / "all.zip", members)
    unpack(archive, ["one.gz"], folder, mirrors=())
    assert (folder / "one.gz").read_bytes() == b"good"
    assert sorted(os.listdir(folder)) == ["all.zip", "one.gz"]
    assert not (folder.parent / "evil").exists()
    assert not os.path.exists("/tmp/skvae-evil")


def test_a_missing_member_raises_and_is_named(folder):
    archive = make(folder / "all.zip", {"inside/one.gz": b"one", "two.gz": b"elsewhere"})
    with pytest.raises(ValueError, match="Cannot unpack inside/two.gz from") as caught:
        unpack(archive, NAMES, folder, mirrors=())
    assert str(folder / "all.zip") in str(caught.value)
    assert sorted(os.listdir(folder)) == ["all.zip", "one.gz"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_with_a_wrong_checksum_raises(folder, compression):
    data = bytes(range(256)) * 40
    make(folder / "all.zip", {"inside/one.gz": data}, compression)
    content = bytearray((folder / "all.zip").read_bytes())
    content[100] ^= 0xFF
    (folder / "all.zip").write_bytes(content)
    with pytest.raises(ValueError, match="Cannot unpack inside/one.gz from"):
        unpack(declared(folder / "all.zip"), ["one.gz"], folder, mirrors=())
    assert os.listdir(folder) == ["all.zip"]


def test_a_file_that_is_not_an_archive_raises(folder):
    (folder / "all.zip").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="Cannot unpack.*not a zip file"):
        unpack(declared(folder / "all.zip"), NAMES, folder, mirrors=())


def test_an_archive_with_another_digest_raises(folder):
    archive = make(folder / "all.zip", {"inside/one.gz": b"one"})
    (folder / "all.zip").write_bytes(b"short")
    expected = f"expected {archive.size:,} bytes and {archive.md5}. Delete it"
    with pytest.raises(ValueError, match=f"5 bytes has MD5 .*{re.escape(expected)}"):
        unpack(archive, ["one.gz"], folder, mirrors=())


def test_the_digest_covers_the_whole_file(folder):
    path = folder / "large"
    path.write_bytes(os.urandom(3 << 20))
    archive = declared(path)
    assert check_md5(archive, path) is None
    with open(path, "ab") as end:
        end.write(b"x")
    with pytest.raises(ValueError, match="MD5"):
        check_md5(archive, path)
