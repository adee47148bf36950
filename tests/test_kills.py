"""Training that is killed at random moments and resumed ends with the same bits."""

import multiprocessing
import signal
import time
import warnings

import numpy as np
import pytest
import torch

from skvae import Autosave, VAETransformer, load, save
from skvae._files.checkpoint_folder import CheckpointFolder
from skvae._rows import source
from skvae.networks import MLP


@pytest.fixture
def one_thread():
    """Use one thread of torch, as weights depend on their number and a fork loses the others."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def model(**changes):
    network = MLP(hidden_layer_sizes=(64, 32), dropout=0.1)
    return VAETransformer(4, network=network, max_epochs=24, random_state=0, **changes)


def train(X, checkpoints, path):
    autosave = Autosave(checkpoints, keep=2, resume=True)
    save(model(callbacks=[autosave]).fit(X), path)


def is_killed_after(process, seconds):
    """Kill a process if it is still running then, and return whether it was killed."""
    process.join(seconds)
    process.kill()  # does nothing if it has ended
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize(
    ("least_kills", "least_epochs", "is_on_disk"),
    [
        (2, 1, False),
        (2, 1, True),
        pytest.param(200, 11, False, marks=pytest.mark.slow),
        pytest.param(40, 6, True, marks=pytest.mark.slow),
    ],
)
def test_killed_training_resumes_to_the_same_bits(
    digits, tmp_path, monkeypatch, one_thread, least_kills, least_epochs, is_on_disk
):
    X = digits.data[:400].astype(np.float32)
    if is_on_disk:
        np.save(tmp_path / "rows.npy", X)
        X = np.load(tmp_path / "rows.npy", mmap_mode="r")
        monkeypatch.setattr(source, "MOST_DENSE", 0)  # no file is small enough to be read whole
    context = multiprocessing.get_context("fork")
    rng = np.random.default_rng(0)
    expected = model().fit(X).module_.state_dict()  # loads what every fork would have to load
    start = time.perf_counter()
    train(X, tmp_path / "whole", tmp_path / "whole.skvae")
    longest_life = 1.2 * (time.perf_counter() - start)
    n_kills, n_runs, epochs_seen = 0, 0, set()
    while n_kills < least_kills:
        folder, path = tmp_path / f"run-{n_runs}", tmp_path / f"run-{n_runs}.skvae"
        while not path.exists():
            process = context.Process(target=train, args=(X, folder, path))
            process.start()
            killed = is_killed_after(process, rng.uniform(0, longest_life))
            n_kills += killed
            if folder.is_dir():
                epochs_seen.add(newest_epoch(folder))
        assert not list(folder.glob(".skvae-scratch-*"))
        found = load(path).module_.state_dict()
        assert all(torch.equal(found[name], weights) for name, weights in expected.items())
        n_runs += 1
    assert len(epochs_seen) >= least_epochs  # interrupted early, late and in between


def newest_epoch(folder):
    """Return the epoch of the newest checkpoint; a damaged one would raise the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = CheckpointFolder(folder, keep=None).newest()
    return found and int(found[0].stem.removeprefix("epoch-"))


def save_for_ever(estimator, path, has_saved):
    while True:
        save(estimator, path)
        has_saved.set()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("n_kills", [5, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("one_thread")
def test_killed_saves_leave_a_sound_file_its_permissions_and_its_link(tmp_path, n_kills):
    X = np.random.default_rng(0).normal(size=(40, 2000)).astype(np.float32)
    estimators = [model().set_params(max_epochs=n).fit(X) for n in (1, 2)]
    target, link = tmp_path / "target.skvae", tmp_path / "link.skvae"
    start = time.perf_counter()
    save(estimators[0], target)
    seconds_of_a_save = time.perf_counter() - start
    target.chmod(0o600)
    link.symlink_to(target.name)
    context, rng, abandoned = multiprocessing.get_context("fork"), np.random.default_rng(0), 0
    for number in range(n_kills):
        has_saved = context.Event()
        arguments = (estimators[number % 2], link, has_saved)
        process = context.Process(target=save_for_ever, args=arguments)
        process.start()
        assert has_saved.wait(60)
        assert is_killed_after(process, rng.uniform(0, 3 * seconds_of_a_save))
        assert load(link).n_iter_ in (1, 2)
        assert link.is_symlink()
        assert target.stat().st_mode & 0o777 == 0o600
        abandoned += len(list(tmp_path.glob(".skvae-scratch-*")))
    save(estimators[0], link)
    assert sorted(path.name for path in tmp_path.iterdir()) == [link.name, target.name]
    assert abandoned > n_kills / 20 or n_kills < 100  # kills did hit while files were written
