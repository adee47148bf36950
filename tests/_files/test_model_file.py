"""Model files: written whole or not at all, and refused if anything in them is wrong."""

import json
import os

import pytest
import safetensors
import torch

from skvae._files import model_file as _model_file
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


def test_a_missing_file_raises_file_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "absent")


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(path, monkeypatch, failing):
    before = path.read_bytes()

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_model_file.os, failing, fail)
    with pytest.raises(OSError, match="No space left on device; the file was not") as caught:
        write_file(path, {"kind": "other"}, {})
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_file_has_the_permissions_of_any_new_file(path):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
