"""All files are written in one way: whole or not at all, with permissions and links kept."""

import os
import stat
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import skvae
from skvae._disk import replacing as _replacing
from skvae._disk.replacing import replacing, require_folder
from skvae.cli._outputs import PICTURES, TABLES, write_frame, write_picture, write_rows
from skvae.datasets import write_idx
from skvae.networks import MLP

X = np.random.default_rng(0).normal(size=(20, 3))


def save(path):
    skvae.save(
        skvae.VAETransformer(2, network=MLP(hidden_layer_sizes=()), max_epochs=1).fit(X), path
    )


def draw(path):
    display = SimpleNamespace(figure_=plt.figure())
    write_picture(str(path), display, dpi=30)


WRITERS = {
    "model.skvae": save,
    "array.idx": lambda path: write_idx(path, X),
    "array.gz": lambda path: write_idx(path, X),
    **{f"rows{end}": lambda path: write_rows(str(path), X, ["a", "b", "c"], "X") for end in TABLES},
    **{
        f"frame{end}": lambda path: write_frame(str(path), pd.DataFrame(X), {}) for end in (".csv",)
    },
    **{f"picture{end}": draw for end in PICTURES},
}

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")


@posix
@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_keeps_permissions_and_links(tmp_path, name):
    target, link = tmp_path / "target.bin", tmp_path / name
    target.write_bytes(b"before")
    target.chmod(0o600)
    link.symlink_to(target.name)
    WRITERS[name](link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    plain = tmp_path / f"plain-{name}"
    WRITERS[name](plain)
    assert target.stat().st_size == pytest.approx(plain.stat().st_size, rel=0.1)
    assert sorted(os.listdir(tmp_path)) == sorted(["target.bin", name, plain.name])


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_leaves_the_old_file_if_the_disk_is_full(tmp_path, monkeypatch, name):
    def fail(*args):
        raise OSError(28, "No space left on device")

    path = tmp_path / name
    path.write_bytes(b"before")
    monkeypatch.setattr(_replacing.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device; the file was not") as caught:
        WRITERS[name](path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == [name]


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    def write():
        with replacing(path) as scratch:
            scratch.write_bytes(b"half")
            raise KeyError("x")

    path = tmp_path / "x"
    path.write_bytes(b"before")
    with pytest.raises(KeyError):
        write()
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("name", ["a" * 255, "b." + "c" * 253])
def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path, name):
    with replacing(tmp_path / name) as scratch:
        scratch.write_bytes(b"long")
    assert (tmp_path / name).read_bytes() == b"long"


def test_a_file_in_a_missing_folder_is_refused_by_the_name_of_the_folder(tmp_path):
    require_folder(tmp_path / "file")
    require_folder("file")
    folder = tmp_path / "nowhere" / "deep"
    with pytest.raises(FileNotFoundError, match=f"'{folder}' does not exist; create it") as caught:
        require_folder(folder / "file")
    assert caught.value.filename == str(folder / "file")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=f"'{tmp_path / 'file'}' is a file; choose"):
        require_folder(tmp_path / "file" / "inner")
