"""The folder of checkpoints: which files stay, which one is read, and what a bad disk costs."""

import multiprocessing
import shutil
import warnings

import pytest
import torch
from skorch.callbacks import Callback

from skvae import Autosave, VAETransformer
from skvae._files import checkpoint_folder
from skvae._files.checkpoint_folder import CheckpointFolder
from skvae.networks import MLP


def folder(path, keep=1):
    return CheckpointFolder(path, keep)


def write(checkpoints, *epochs):
    for epoch in epochs:
        checkpoints.write(epoch, {"epoch": epoch}, {"weights": torch.ones(2)})


def names(path):
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize(("keep", "kept"), [(1, [12]), (2, [9, 12]), (None, [3, 6, 9, 12])])
def test_the_newest_checkpoints_are_kept(tmp_path, keep, kept):
    write(folder(tmp_path, keep=keep), 3, 6, 9, 12)
    assert names(tmp_path) == [f"epoch-{epoch:05d}.skvae" for epoch in kept]


def test_the_newest_checkpoint_is_found_by_number_and_not_by_name(tmp_path):
    write(folder(tmp_path, keep=None), 99_999, 100_000, 5)
    path, header, tensors = folder(tmp_path).newest()
    assert header["epoch"] == 100_000
    assert path.name == "epoch-100000.skvae"
    assert tensors["weights"].tolist() == [1, 1]


def test_a_damaged_checkpoint_is_skipped_with_a_warning_that_names_it(tmp_path):
    write(folder(tmp_path, keep=None), 1, 2)
    (tmp_path / "epoch-00002.skvae").write_bytes(b"torn")
    with pytest.warns(UserWarning, match=r"Skipped.*epoch-00002\.skvae"):
        _, header, _ = folder(tmp_path).newest()
    assert header["epoch"] == 1


def test_a_missing_folder_is_created_and_has_no_checkpoint(tmp_path):
    assert folder(tmp_path / "new" / "folder").newest() is None
    assert (tmp_path / "new" / "folder").is_dir()


def test_the_first_checkpoint_of_a_new_fit_replaces_the_earlier_ones(tmp_path):
    write(folder(tmp_path, keep=None), 1, 2, 3)
    again = folder(tmp_path, keep=None)
    assert len(names(tmp_path)) == 3  # nothing is lost before there is something new
    write(again, 1)
    assert names(tmp_path) == ["epoch-00001.skvae"]


def test_a_resumed_fit_keeps_the_checkpoints_of_its_first_part(tmp_path):
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


def test_a_half_written_file_is_deleted(tmp_path):
    (tmp_path / ".skvae-scratch-0123abcd").write_bytes(b"half")
    write(folder(tmp_path), 2)
    assert names(tmp_path) == ["epoch-00002.skvae"]


def test_a_full_disk_gives_a_warning_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpoints = folder(tmp_path)
    write(checkpoints, 1)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_folder, "write_file", full)
    with pytest.warns(UserWarning, match=r"epoch 2 could not be written .*No space left"):
        write(checkpoints, 2)
    assert names(tmp_path) == ["epoch-00001.skvae"]


class AtEpoch(Callback):
    """Calls a function when a certain epoch begins."""

    def __init__(self, epoch, action):
        self.epoch = epoch
        self.action = action

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.action()


def fit(X, path, *callbacks):
    """Fit for five epochs with checkpoints; return the number of epochs and the warnings."""
    network = MLP(hidden_layer_sizes=(64,))
    vae = VAETransformer(2, network=network, max_epochs=5, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae.set_params(callbacks=[Autosave(path), *callbacks]).fit(X)
    return vae.n_iter_, [str(warning.message) for warning in caught]


def fit_on_a_disk_that_fills_up(X, path, sender):
    import resource

    def fill():  # as a full disk does, the system refuses the bytes themselves
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    sender.send(fit(X, path, AtEpoch(3, fill)))


def test_a_disk_that_fills_up_keeps_the_last_sound_checkpoint(tmp_path, digits):
    pytest.importorskip("resource", reason="this system cannot limit the size of files")
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=fit_on_a_disk_that_fills_up, args=(digits.data[:200], tmp_path, sender)
    )
    process.start()
    n_epochs, said = receiver.recv()
    process.join()
    assert n_epochs == 5
    assert [message[: len("The checkpoint of epoch 3 could")] for message in said] == [
        f"The checkpoint of epoch {epoch} could" for epoch in (3, 4, 5)
    ]
    path, header, _ = folder(tmp_path).newest()
    assert path.name == "epoch-00002.skvae"
    assert header["kind"] == "checkpoint"


def test_a_deleted_folder_does_not_stop_the_training(tmp_path, digits):
    path = tmp_path / "checkpoints"
    n_epochs, said = fit(digits.data[:200], path, AtEpoch(4, lambda: shutil.rmtree(path)))
    assert n_epochs == 5
    assert len(said) == 2
    assert all("could not be written" in message for message in said)
    assert not path.exists()


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match=r"The folder '.*file' for checkpoints cannot be"):
        folder(str(tmp_path / "file"))
