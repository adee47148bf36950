"""Several processes that train one model together, as torchrun starts them."""

import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skvae._training.processes import Processes, processes

START = """
import os, sys, warnings
import numpy as np, torch
torch.set_num_threads(1)
from sklearn.datasets import load_digits
from skvae import *
from skvae.likelihoods import Bernoulli
from skvae.networks import MLP

folder, rank = sys.argv[1], os.environ.get("RANK", "alone")
X = load_digits().data.astype(np.float32)[:1001]
network = MLP(hidden_layer_sizes=(32,))

def write(name, *arrays):
    np.savez(f"{folder}/{name}-{rank}.npz", *arrays)

def weights(estimator):
    return torch.cat([one.detach().ravel() for one in estimator.module_.parameters()]).numpy()
"""


def start(program, folder, n_processes):
    """Start a program in several processes, and return them; one is started without a group."""
    script = folder / "program.py"
    script.write_text(START + program, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(n_processes)}
    return [
        subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            env=os.environ | (group | {"RANK": str(rank)} if n_processes > 1 else {}),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(n_processes)
    ]


def run(program, folder, n_processes):
    """Return the ends of the messages and the exit codes of all processes."""
    started = start(program, folder, n_processes)
    return [(one.communicate(timeout=120)[1], one.returncode) for one in started]


def written(folder, name, rank):
    with np.load(folder / f"{name}-{rank}.npz") as file:
        return list(file.values())


MODELS = """
vae = VAETransformer(4, network=network, max_epochs=7, batch_size=64, random_state=0).fit(X)
write("transformer", weights(vae), vae.history_["train_loss"], vae.score_samples(X))
vae.partial_fit(X[:65])
write("pass", weights(vae))
bits = VAETransformer(4, network=network, likelihood=Bernoulli(binarize="dynamic"), max_epochs=2,
    objective="iwae", early_stopping=True, random_state=0).fit(X / 16)
write("bits", weights(bits), bits.history_["valid_loss"])
table = VAEAnomalyDetector(4, network=network, random_state=0, max_epochs=20).fit(X[:99, 20:24])
write("table", weights(table), table.score_samples(X[:99, 20:24]))
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with what one process and what each of three wrote of the same models."""
    folder = tmp_path_factory.mktemp("models")
    assert [code for _, code in run(MODELS, folder, 1)] == [0]
    assert [code for _, code in run(MODELS, folder, 3)] == [0, 0, 0]
    return folder


@pytest.mark.parametrize("name", ["transformer", "pass", "bits", "table"])
def test_several_processes_end_with_the_weights_of_one(models, name):
    alone = written(models, name, "alone")
    for rank in range(3):
        for found, expected in zip(written(models, name, rank), alone, strict=True):
            assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("name", ["transformer", "pass", "bits", "table"])
def test_all_processes_have_the_same_bits(models, name):
    first = written(models, name, 0)
    for rank in (1, 2):
        for found, expected in zip(written(models, name, rank), first, strict=True):
            assert_array_equal(found, expected)


OTHERS = """
import copy, pickle
from sklearn.base import clone

y = np.where(np.arange(1001) % 5, -1, load_digits().target[:1001])
with_dropout = MLP(hidden_layer_sizes=(32,), dropout=0.2)
classifier = VAEClassifier(4, network=with_dropout, max_epochs=2, random_state=0)
write("classifier", weights(classifier.fit(X, y)))
gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.2, np.nan, X)
imputer = VAEImputer(4, network=network, n_estimators=1, max_epochs=2, random_state=0).fit(gaps)
write("imputer", weights(imputer))
vae = VAETransformer(4, network=network, max_epochs=4).fit(X)  # without a seed
write("unseeded", weights(vae))
twins = pickle.loads(pickle.dumps(vae)), copy.deepcopy(vae)
write("twins", *[one.fit(X).score_samples(X) - clone(one).set_params(random_state=3).fit(X)
    .score_samples(X) for one in (twin.set_params(random_state=3) for twin in twins)])
if rank == "0":
    save(vae, f"{folder}/model.skvae")
    assert (load(f"{folder}/model.skvae").transform(X) == vae.transform(X)).all()
half = VAETransformer(4, network=network, max_epochs=2, random_state=0,
    callbacks=[Autosave(f"{folder}/run")], verbose=1).fit(X)
again = VAETransformer(4, network=network, max_epochs=2, random_state=0,
    callbacks=[Autosave(f"{folder}/run", resume=True)]).fit(X)
write("resumed", weights(half) - weights(again))
"""


@pytest.mark.slow
def test_every_estimator_trains_and_is_copied_saved_and_resumed(tmp_path):
    ends = run(OTHERS, tmp_path, 2)
    assert [code for _, code in ends] == [0, 0], ends
    assert "epoch 2/2" in ends[0][0]
    assert "epoch" not in ends[1][0]  # the first process alone shows progress
    for name in ("classifier", "imputer", "unseeded"):
        assert_array_equal(written(tmp_path, name, 0), written(tmp_path, name, 1))
    for rank in (0, 1):
        assert not np.any(written(tmp_path, "twins", rank))
        assert not np.any(written(tmp_path, "resumed", rank))
    assert os.listdir(tmp_path / "run") == ["epoch-00002.skvae"]


LONG = """
print("ready", file=sys.stderr, flush=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    vae = VAETransformer(4, network=network, max_epochs=100_000, random_state=0).fit(X)
write("interrupted", weights(vae), [vae.n_iter_])
print(*[one.message for one in caught], file=sys.stderr)
"""


def seconds_of_training(started):
    for one in started:
        assert one.stderr.readline() == "ready\n"
    time.sleep(4)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_process_ends_training_in_all(tmp_path, number):
    started = start(LONG, tmp_path, 2)
    seconds_of_training(started)
    started[1].send_signal(number)
    for one in started:
        assert "the estimator keeps the" in one.communicate(timeout=60)[1]
        assert one.returncode == 0
    for first, second in zip(
        *(written(tmp_path, "interrupted", rank) for rank in (0, 1)), strict=True
    ):
        assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_others_with_an_error(tmp_path, killed):
    started = start(LONG, tmp_path, 2)
    seconds_of_training(started)
    started[killed].kill()
    message = started[1 - killed].communicate(timeout=60)[1]
    started[killed].communicate()
    assert "RuntimeError: Training in several processes ended, because one of them" in message
    assert started[1 - killed].returncode == 1


@pytest.mark.slow
def test_other_rows_in_another_process_are_an_error(tmp_path):
    program = "VAETransformer(random_state=0).fit(X[: 500 + int(rank)])"
    for message, code in run(program, tmp_path, 2):
        assert "ValueError: The 2 processes that train together were given different" in message
        assert code == 1


@pytest.mark.slow
def test_a_launcher_starts_the_processes(tmp_path):
    program = "write('w', weights(VAETransformer(4, max_epochs=1, random_state=0).fit(X)))"
    script = tmp_path / "program.py"
    script.write_text(START + program, "utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run([sys.executable, *launcher, str(script), str(tmp_path)], check=True, timeout=120)
    assert_array_equal(written(tmp_path, "w", 0), written(tmp_path, "w", 1))


@pytest.mark.parametrize("n_rows", [1, 2, 7, 64, 65])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_parts_are_a_whole_batch(n_rows, size):
    parts = [Processes(rank, size).part_of(n_rows) for rank in range(size)]
    assert_allclose(sum(part.weight for part in parts), 1)
    own = [np.arange(n_rows)[part.rows] for part in parts]
    assert all(len(rows) for rows in own)
    assert_array_equal(
        np.concatenate([rows for rows, part in zip(own, parts, strict=True) if part.weight]),
        np.arange(n_rows),
    )


def test_a_process_without_a_launcher_is_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert processes().size == 1
