"""The folder of checkpoints: which files stay, which one is taken up, what a bad disk costs."""

import numpy as np
import pytest
import torch

from skvae import Checkpoint, _checkpoint
from skvae._checkpoint import CheckpointFolder
from skvae._validation import InvalidParameterError


def folder(path, **settings):
    return CheckpointFolder(Checkpoint(path, **settings))


def write(checkpoints, *epochs):
    for epoch in epochs:
        checkpoints.write(epoch, {"epoch": epoch}, {"weights": torch.ones(2)})


def names(path):
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize(("keep", "kept"), [(1, [12]), (2, [9, 12]), (None, [3, 6, 9, 12])])
def test_the_newest_are_kept(tmp_path, keep, kept):
    write(folder(tmp_path, keep=keep), 3, 6, 9, 12)
    assert names(tmp_path) == [f"epoch-{epoch:05d}.skvae" for epoch in kept]


def test_the_newest_is_found_by_number_and_not_by_name(tmp_path):
    write(folder(tmp_path, keep=None), 99_999, 100_000, 5)
    path, header, tensors = folder(tmp_path).newest()
    assert header["epoch"] == 100_000
    assert path.name == "epoch-100000.skvae"
    assert tensors["weights"].tolist() == [1, 1]


def test_a_damaged_one_is_passed_over_with_a_warning_that_names_it(tmp_path):
    write(folder(tmp_path, keep=None), 1, 2)
    (tmp_path / "epoch-00002.skvae").write_bytes(b"torn")
    with pytest.warns(UserWarning, match=r"Passed over.*epoch-00002\.skvae"):
        _, header, _ = folder(tmp_path).newest()
    assert header["epoch"] == 1


def test_an_empty_folder_has_none_and_is_made(tmp_path):
    assert folder(tmp_path / "new" / "folder").newest() is None
    assert (tmp_path / "new" / "folder").is_dir()


def test_the_first_checkpoint_of_a_new_fit_replaces_those_before(tmp_path):
    write(folder(tmp_path, keep=None), 1, 2, 3)
    again = folder(tmp_path, keep=None)
    assert len(names(tmp_path)) == 3  # nothing is lost before there is something new
    write(again, 1)
    assert names(tmp_path) == ["epoch-00001.skvae"]


def test_a_fit_that_goes_on_keeps_those_of_its_first_part(tmp_path):
    write(folder(tmp_path, keep=None), 1, 2)
    again = folder(tmp_path, keep=None)
    again.newest()
    write(again, 3)
    assert len(names(tmp_path)) == 3


def test_other_files_are_left_alone(tmp_path):
    for name in ("notes.txt", "epoch-1.skvae", "epoch-00001.skvae.bak"):
        (tmp_path / name).touch()
    write(folder(tmp_path), 1, 2)
    assert len(names(tmp_path)) == 4


def test_what_a_kill_left_half_written_is_swept_up(tmp_path):
    (tmp_path / ".epoch-00001.skvae.0123abcd.tmp").write_bytes(b"half")
    write(folder(tmp_path), 2)
    assert names(tmp_path) == ["epoch-00002.skvae"]


def test_a_full_disk_costs_a_warning_and_no_checkpoint(tmp_path, monkeypatch):
    checkpoints = folder(tmp_path)
    write(checkpoints, 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoint, "write_file", full)
    with pytest.warns(UserWarning, match=r"epoch 2 could not be written .*No space left"):
        write(checkpoints, 2)
    assert names(tmp_path) == ["epoch-00001.skvae"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match=r"The folder of checkpoint='.*file' cannot be made"):
        folder(str(tmp_path / "file"))


@pytest.mark.parametrize(
    "settings", [{"every": 0}, {"keep": 0}, {"keep": 1.5}, {"resume": "yes"}, {"path": 3}]
)
def test_settings_out_of_range_are_refused(tmp_path, settings):
    with pytest.raises(InvalidParameterError, match=f"'{next(iter(settings))}' parameter"):
        folder(**{"path": tmp_path, **settings})


def test_numpy_integers_will_do(tmp_path):
    assert folder(tmp_path, every=np.int64(2)).every == 2
