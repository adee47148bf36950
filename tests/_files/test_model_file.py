"""Model files: written whole or not at all, and refused if anything in them is wrong."""

import json
import os
import subprocess
import sys

import pytest
import safetensors
import torch

from skvae._disk import replacing as _replacing
from skvae._files.model_file import read_file, write_file

HEADER = {"kind": "model", "sizes": [3, 2.5, None]}
TENSORS = {
    "weights": torch.arange(6.0).reshape(2, 3),
    "count": torch.tensor(7),
    "empty": torch.zeros(0, 4),
    "half": torch.ones(3, dtype=torch.bfloat16),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.skvae"
    write_file(path, HEADER, TENSORS)
    return path


def rewrite(path, change):
    """Change the JSON header, leaving tensors and lengths valid."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["skvae"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header = change(header)
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(safetensors.torch.save(tensors, {"skvae": text}))


def test_header_and_tensors_come_back(path):
    header, tensors = read_file(path)
    assert {name: header[name] for name in HEADER} == HEADER
    assert header["format"] == 1
    assert set(header["versions"]) == {"skvae", "torch", "scikit-learn", "numpy"}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_the_file_is_a_safetensors_file(path):
    with safetensors.safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(TENSORS)


def test_equal_content_gives_equal_bytes_in_any_order(path, tmp_path):
    other = tmp_path / "other.skvae"
    write_file(other, dict(reversed(HEADER.items())), dict(reversed(TENSORS.items())))
    assert other.read_bytes() == path.read_bytes()


def test_tensors_that_share_memory_or_have_strides_are_written_correctly(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    views = {"whole": base, "transposed": base.T, "column": base[:, 1]}
    write_file(tmp_path / "views", {}, views)
    _, found = read_file(tmp_path / "views")
    assert all(torch.equal(found[name], views[name]) for name in views)


@pytest.mark.parametrize("where", [0, 4, 9, 60, -30, -1])
def test_a_flipped_bit_is_refused(path, where):
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="cannot be used as a model") as caught:
        read_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", [0, 3, 8, 100, -1])
def test_a_truncated_file_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="cannot be used as a model"):
        read_file(path)


def test_a_lengthened_file_is_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="cannot be used as a model"):
        read_file(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: {**header, "kind": "checkpoint"}, "does not match its checksum"),
        (lambda header: {**header, "format": 0}, "format version is 0"),
        (lambda header: {**header, "format": "1"}, "format version is '1'"),
        (lambda header: {**header, "format": 2}, "reads up to 1. Install a newer skvae"),
        (lambda header: {n: v for n, v in header.items() if n != "sha256"}, "sha256"),
        (lambda header: {n: v for n, v in header.items() if n != "format"}, "format"),
        (lambda header: [header], "cannot be used"),
        (lambda header: "not JSON", "cannot be used"),
        (lambda header: "[" * 100_000, "cannot be used"),
    ],
)
def test_a_changed_header_is_refused(path, change, message):
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        read_file(path)


def test_a_safetensors_file_without_our_header_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(safetensors.torch.save(TENSORS))
    with pytest.raises(ValueError, match="cannot be used as a model"):
        read_file(path)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e4m3fn, torch.uint16, torch.int8])
def test_tensors_of_unusual_types_come_back_or_are_refused(tmp_path, dtype):
    path = tmp_path / "unusual"
    tensors = {"x": torch.zeros(3, dtype=dtype)}
    header = {"format": 1, "versions": {}, "kind": "model", "sha256": "0"}
    path.write_bytes(safetensors.torch.save(tensors, {"skvae": json.dumps(header)}))
    with pytest.raises(ValueError, match="unusual cannot be used as a model .*checksum"):
        read_file(path)


def test_further_metadata_is_refused(path):
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    path.write_bytes(safetensors.torch.save(TENSORS, {**metadata, "more": "code"}))
    with pytest.raises(ValueError, match="unknown metadata 'more'"):
        read_file(path)


def test_a_missing_file_raises_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "absent")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(path, monkeypatch, failing):
    before = path.read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_replacing.os, failing, fail)
    with pytest.raises(OSError, match="No space left on device; the file was not") as caught:
        write_file(path, {"kind": "other"}, {})
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_file_has_the_permissions_of_any_new_file(path):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


# Permissions, links, and what killed processes leave.

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o400])
def test_a_file_that_is_replaced_keeps_its_permissions(path, mode):
    path.chmod(mode)
    write_file(path, {"kind": "other"}, {})
    assert path.stat().st_mode & 0o7777 == mode
    assert read_file(path)[0]["kind"] == "other"


@posix
def test_the_scratch_file_is_never_more_open_than_the_file(path, monkeypatch):
    path.chmod(0o600)
    seen, replace = [], os.replace
    monkeypatch.setattr(
        _replacing.os,
        "replace",
        lambda source, target: (seen.append(source.stat().st_mode), replace(source, target)),
    )
    monkeypatch.setattr(_replacing, "_take_permissions", lambda scratch, before: None)
    write_file(path, {}, {})
    assert [mode & 0o777 for mode in seen] == [0o600]


@posix
@pytest.mark.parametrize("relative", [True, False])
def test_a_symbolic_link_stays_one_and_its_target_is_replaced(path, tmp_path, relative):
    (tmp_path / "links").mkdir()
    first, second = tmp_path / "links" / "first", tmp_path / "second"
    second.symlink_to(path.name if relative else path)
    first.symlink_to("../second" if relative else second)
    write_file(first, {"kind": "other"}, {})
    assert first.is_symlink()
    assert second.is_symlink()
    assert not path.is_symlink()
    assert read_file(path)[0]["kind"] == "other"
    assert sorted(os.listdir(tmp_path)) == ["links", path.name, "second"]


@posix
def test_a_link_to_a_file_that_does_not_exist_creates_it(tmp_path):
    (tmp_path / "link").symlink_to("absent")
    write_file(tmp_path / "link", {}, {})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "absent").is_file()


@posix
def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="exists and is not a file") as caught:
            write_file(tmp_path / name, {}, {})
        assert caught.value.filename == str(tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()


@posix
def test_the_next_write_removes_scratch_files_that_no_process_holds(path):
    fcntl = pytest.importorskip("fcntl")
    folder = path.parent
    for name in ("0123abcd", "89abcdef"):
        (folder / f".skvae-scratch-{name}").write_bytes(b"half")
    (folder / ".skvae-scratch-folder").mkdir()
    with open(folder / ".skvae-scratch-89abcdef", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        write_file(path, {}, {})
        names = [".skvae-scratch-89abcdef", ".skvae-scratch-folder", path.name]
        assert sorted(os.listdir(folder)) == names
    write_file(path, {}, {})
    assert sorted(os.listdir(folder)) == names[1:]


def test_errors_name_the_path_that_was_given(path, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(tmp_path / ".skvae-scratch-x"))

    monkeypatch.setattr(_replacing, "_open_scratch", fail)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PermissionError, match="the file was not written") as caught:
        write_file(path.name, {}, {})
    assert caught.value.filename == path.name
    assert "scratch" not in str(caught.value)


@posix
def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("a" * 255)
    write_file(path, {"kind": "long"}, {})
    assert read_file(path)[0]["kind"] == "long"


WRITE = """
import resource, sys
from skvae._files.model_file import write_file
import torch
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write_file(sys.argv[1], {"kind": "other"}, {"weights": torch.ones(5000)})
except OSError as exc:
    assert exc.filename == sys.argv[1], exc
    print("failed")
"""


@posix
@pytest.mark.slow
@pytest.mark.parametrize("n_bytes", [0, 1, 100, 511, 4095, 4096, 8192, 12_000, 16_384, 20_000])
def test_a_disk_that_fills_up_at_any_place_leaves_the_old_file(path, n_bytes):
    before = path.read_bytes()
    program = [sys.executable, "-c", WRITE, path, str(n_bytes)]
    run = subprocess.run(program, capture_output=True, text=True, check=True)
    assert run.stdout == "failed\n"
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
