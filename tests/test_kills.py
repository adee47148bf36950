"""Power cuts: training is killed at random moments, started again, and ends as if nothing was."""

import multiprocessing
import signal
import warnings

import numpy as np
import pytest
import torch

from skvae import Checkpoint, VAETransformer, load
from skvae._files.checkpoint_folder import CheckpointFolder
from skvae.networks import MLP

N_KILLS = 200
LONGEST_LIFE = 0.6  # seconds; a run takes about as long


def model(**changes):
    network = MLP(hidden_layer_sizes=(64, 32), dropout=0.1)
    return VAETransformer(4, network=network, max_epochs=24, random_state=0, **changes)


def train(X, checkpoints, path):
    torch.set_num_threads(1)
    model(checkpoint=Checkpoint(checkpoints, keep=2, resume=True)).fit(X).save(path)


def live(process, seconds):
    """Let a process run, and kill it if it is not done by then; whether it was killed."""
    process.start()
    process.join(seconds)
    process.kill()  # does nothing to one that is done
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_random_moments_it_ends_with_the_same_bits(digits, tmp_path):
    X = digits.data[:400].astype(np.float32)
    context = multiprocessing.get_context("fork")
    rng = np.random.default_rng(0)
    whole = tmp_path / "whole.skvae"
    live(context.Process(target=train, args=(X, tmp_path / "whole", whole)), 120)
    expected = load(whole).module_.state_dict()
    n_kills, n_runs, epochs_seen = 0, 0, set()
    while n_kills < N_KILLS:
        folder, path = tmp_path / f"run-{n_runs}", tmp_path / f"run-{n_runs}.skvae"
        while not path.exists():
            process = context.Process(target=train, args=(X, folder, path))
            killed = live(process, rng.uniform(0, LONGEST_LIFE))
            n_kills += killed
            if folder.is_dir():
                epochs_seen.add(newest_epoch(folder))
        found = load(path).module_.state_dict()
        assert all(torch.equal(found[name], weights) for name, weights in expected.items())
        n_runs += 1
    assert len(epochs_seen) > 10  # it was interrupted early, late and in between


def newest_epoch(folder):
    """Epoch of the newest checkpoint; that one is passed over for damage would be a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = CheckpointFolder(Checkpoint(folder)).newest()
    return found and int(found[0].stem.removeprefix("epoch-"))
