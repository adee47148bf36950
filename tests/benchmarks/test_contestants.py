"""All contestants are measured in the same way, and a missing peer is named."""

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from benchmarks import contestants
from benchmarks.contestants import CONTESTANTS, _protocol
from skvae import VAETransformer
from skvae.networks import MLP
from skvae.objectives import ELBO

TRAINING = Path(contestants.__file__).parents[1] / "training.py"
TIME_TO_QUALITY = TRAINING.with_name("time_to_quality.py")
SCRIPTS = Path(contestants.__file__).parent
LOG_2 = math.log(2)

JOB = {
    "network": "mlp",
    "n_components": 4,
    "batch_size": 128,
    "epochs": 1,
    "learning_rate": 1e-3,
    "threads": 1,
    "seed": 0,
}


@pytest.fixture(scope="module")
def rows():
    """Return random binary images with more ink in the middle: 300 for training, 50 for testing."""
    rng = np.random.default_rng(0)
    ink = np.exp(-(np.linspace(-2, 2, 784) ** 2))
    return tuple((rng.random((n, 784)) < ink).astype(np.float32) for n in (300, 50))


@pytest.fixture(scope="module")
def data(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(path, X_train=rows[0], X_test=rows[1])
    return str(path)


@pytest.fixture(scope="module")
def fitted(rows):
    options = {
        "likelihood": "bernoulli",
        "network": MLP(hidden_layer_sizes=(16,)),
        "random_state": 0,
    }
    vae = VAETransformer(2, max_epochs=2, **options).fit(rows[0])
    module = vae.module_

    def encode(X):
        with torch.no_grad():
            return [part.numpy() for part in module.encode(torch.from_numpy(X))]

    def decode_logits(Z):
        with torch.no_grad():
            return module.likelihood.logits(module.decode(torch.from_numpy(Z))).numpy()

    return vae, _protocol.Model(encode, decode_logits)


def run(name, data, peers=contestants.PEERS, **options):
    with contestants.stored_rows(data, 300) as folder:
        return contestants.run(CONTESTANTS[name], {**JOB, "data": folder, **options}, peers)


def run_script(script, data, path, *options):
    line = [sys.executable, script, "--data", data, "--rows", "300", "--repeats", "1"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*line, "--json", path, *options], check=True, env=variables)
    return {row["contestant"]: row for row in json.loads(path.read_text())["rows"]}


# the ELBO


def test_elbo_is_that_of_torchs_distributions_at_the_same_draws(fitted, rows):
    _, model = fitted
    mean, log_var = (torch.from_numpy(part).double() for part in model.encode(rows[1]))
    std = (log_var / 2).exp()
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal(tuple(mean.shape)))
    logits = torch.from_numpy(model.decode_logits((mean + std * noise).float().numpy())).double()
    x = torch.from_numpy(rows[1]).double()
    gain = Bernoulli(logits=logits).log_prob(x).sum(1)
    cost = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum(1)
    assert _protocol.elbo(model, rows[1]) == pytest.approx((gain - cost).mean().item(), rel=1e-9)


def test_elbo_agrees_with_the_objective_of_skvae_within_its_monte_carlo_error(fitted, rows):
    vae, model = fitted
    x = torch.from_numpy(rows[0])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = [ELBO()(vae.module_, x, generator=generator)["loss"].item() for _ in range(50)]
    assert abs(_protocol.elbo(model, rows[0]) + np.mean(losses)) < 6 * np.std(losses)


def test_elbo_of_zero_logits_is_one_bit_per_pixel(rows):
    model = _protocol.Model(lambda X: np.zeros((2, len(X), 3)), lambda Z: np.zeros((len(Z), 784)))
    assert _protocol.elbo(model, rows[1]) == pytest.approx(-784 * LOG_2)


def test_elbo_of_large_logits_is_not_clipped(rows):
    def decode_logits(Z):
        return 1000 * (1 - 2 * rows[1])  # float32 probabilities of these would be 0 and 1

    model = _protocol.Model(lambda X: np.zeros((2, len(X), 3)), decode_logits)
    assert _protocol.elbo(model, rows[1]) == pytest.approx(-784_000)


def test_elbo_does_not_depend_on_the_size_of_the_chunks(monkeypatch, fitted, rows):
    whole = _protocol.elbo(fitted[1], rows[0])
    monkeypatch.setattr(_protocol, "CHUNK_ROWS", 7)
    assert _protocol.elbo(fitted[1], rows[0]) == pytest.approx(whole, rel=1e-6)


# the clock


def test_training_to_quality_stops_at_the_first_epoch_that_passes(monkeypatch):
    elbos = iter([-300.0, -200.0, -100.0])
    monkeypatch.setattr(_protocol, "elbo", lambda model, X: next(elbos))
    job = {"epochs": 9, "threshold": -250.0, "cap_seconds": 60.0}
    result = _protocol.time_to_quality(_train_by_epoch, None, None, job)
    assert (result["n_epochs"], result["elbo"]) == (2, -200.0)


def test_training_to_quality_keeps_the_best_epoch_if_none_passes(monkeypatch):
    elbos = iter([-300.0, -200.0, -210.0])
    monkeypatch.setattr(_protocol, "elbo", lambda model, X: next(elbos))
    job = {"epochs": 3, "threshold": -100.0, "cap_seconds": 60.0}
    result = _protocol.time_to_quality(_train_by_epoch, None, None, job)
    assert (result["n_epochs"], result["elbo"]) == (3, -200.0)


def test_the_time_of_the_elbo_counts_neither_as_training_nor_towards_the_cap(monkeypatch):
    now = [0.0]

    def train(X, job, after_epoch):
        for _ in range(job["epochs"]):
            now[0] += 2.0
            after_epoch(None)

    def elbo(model, X):
        now[0] += 100.0
        return -300.0

    monkeypatch.setattr(_protocol.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_protocol, "elbo", elbo)
    job = {"epochs": 9, "threshold": -100.0, "cap_seconds": 5.0}
    result = _protocol.time_to_quality(train, None, None, job)
    assert (result["seconds"], result["n_epochs"]) == (6.0, 3)


def _train_by_epoch(X, job, after_epoch):
    for _ in range(job["epochs"]):
        after_epoch(None)


# the contestants


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("name", ["bare", "skvae-float32", "skorch"])
def test_a_contestant_trains_the_network(name, network, rows, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    script = runpy.run_path(str(SCRIPTS / CONTESTANTS[name].script))
    job = {**JOB, "network": network, **CONTESTANTS[name].options}
    result = _protocol.whole_fit(script["train"], *rows, job)
    assert result["seconds"] > 0
    assert -784 * 2 * LOG_2 < result["elbo"] < 0
    assert result["n_steps"] == 3
    assert result["peak_rss_mb"] > 50


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_matrix_products_have_no_elbo(precision, rows, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    script = runpy.run_path(str(SCRIPTS / CONTESTANTS[f"matmul-{precision}"].script))
    result = _protocol.whole_fit(script["train"], *rows, {**JOB, "precision": precision})
    assert result["elbo"] is None
    assert result["n_steps"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bare", "skvae-auto"])
def test_a_contestant_runs_in_a_process_with_its_versions(name, data):
    result = run(name, data)
    assert result["seconds"] > 0
    assert -784 * 2 * LOG_2 < result["elbo"] < 0
    assert result["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize("name", ["pythae", "pyod", "keras-tf", "keras-torch"])
def test_a_peer_trains_the_networks_it_has_in_its_own_environment(name, data):
    peers = os.environ.get("SKVAE_PEERS")
    if not peers or contestants.interpreter(CONTESTANTS[name], peers) is None:
        pytest.skip(f"the environment variable SKVAE_PEERS does not name a folder with {name}/")
    for network in CONTESTANTS[name].networks:
        result = run(name, data, peers, network=network)
        assert result["seconds"] > 0
        assert result["elbo"] is None if name == "pyod" else result["elbo"] < 0


def test_the_training_table_has_ratios_and_limits_and_names_missing_peers(
    data, tmp_path, monkeypatch
):
    seconds = {"matmul.py": [1.0, 2.0], "bare.py": [4.0, 2.0], "skvae_fit.py": [2.0, 4.0]}

    def run(contestant, job, peers):
        assert np.load(Path(job["data"], "X_train.npy")).shape == (200, 784)
        return {
            "seconds": seconds[contestant.script][job["seed"]],
            "elbo": -100.0 - job["seed"],
            "peak_rss_mb": 50.0,
            "versions": {"torch": "2"},
        }

    monkeypatch.syspath_prepend(TRAINING.parent)
    script = runpy.run_path(str(TRAINING))
    monkeypatch.setitem(script["compete"].__globals__, "run", run)
    file = tmp_path / "training.json"
    names = ["matmul-float32", "bare", "skvae-auto", "pythae"]
    options = ["--data", data, "--rows", "200", "--repeats", "2", "--peers", str(tmp_path)]
    line = ["training.py", *options, "--json", str(file), "--contestants", *names]
    monkeypatch.setattr(sys, "argv", line)
    script["main"]()
    rows = {row["contestant"]: row for row in json.loads(file.read_text())["rows"]}
    assert list(rows) == names
    assert rows["pythae"] == {"contestant": "pythae", "versions": "not installed"}
    assert rows["bare"]["/ bare"] == [1.0, 1.0, 1.0]
    assert rows["skvae-auto"]["/ bare"] == [1.25, 0.5, 2.0]
    assert rows["bare"]["of float32 limit"] == [0.625, 0.25, 1.0]
    assert rows["bare"]["test ELBO"] == [-100.5, -101.0, -100.0]
    assert "test ELBO" not in rows["matmul-float32"]


@pytest.mark.slow
def test_time_to_quality_is_a_number_of_seconds_or_not_within_them(data, tmp_path):
    names = ["skvae", "bare", "skorch"]
    options = ["--skvae-epochs", "1", "--peers", tmp_path, "--contestants", *names]
    limits = ["--threshold", "-480", "--cap-seconds", "0"]
    rows = run_script(TIME_TO_QUALITY, data, tmp_path / "quality.json", *options, *limits)
    assert rows["skvae"]["seconds"][0] > 0
    for name in ("bare", "skorch"):
        assert rows[name]["seconds"].startswith("not within")
        assert rows[name]["epochs"] == "1"


def test_an_unknown_contestant_ends_the_script_with_its_name():
    with pytest.raises(SystemExit, match="'nobody'; there are matmul-float32"):
        contestants.selected(CONTESTANTS, ["bare", "nobody"])


def test_a_failing_contestant_raises():
    with pytest.raises(RuntimeError, match=r"(?s)nobody.py failed on.*No such file"):
        contestants.run(contestants.Contestant("nobody.py"), JOB)


def test_every_turn_has_a_new_seed():
    job = {"seed": None}
    turn = contestants.turns(None, job, "", lambda contestant, job, peers: job["seed"])
    assert [turn(), turn(), turn()] == [0, 1, 2]
