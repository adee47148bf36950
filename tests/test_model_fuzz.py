"""Damaged and forged files: loading raises an error that names the file, or gives the model."""

import copy
import json
import random
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import torch

import skvae
from skvae import VAEAnomalyDetector
from skvae._files.model_file import read_file, write_file
from skvae.networks import MLP

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
INSERTED = [
    None,
    True,
    0,
    -1,
    2**31,
    10**30,
    1.5,
    "",
    "os.system",
    [],
    [1] * 1000,
    {},
    {"dict": []},
    {"tuple": []},
    {"float": "nan"},
    {"tensor": "weights.encoder.0.weight"},
    {"spec": ["MLP", {"dict": []}]},
    {"custom": ["os.system", {"dict": []}]},
    {"optimizer": "Adam"},
    {"device": "cuda"},
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return a model, the bytes of its file, and the header and tensors in it."""
    path = tmp_path_factory.mktemp("sound") / "model.skvae"
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(4,)), max_epochs=2, random_state=0
    ).fit(X)
    skvae.save(detector, path)
    return detector, path.read_bytes(), *read_file(path)


def damaged(data, rng):
    """Change the bytes, as an accident would."""
    data, length = bytearray(data), int.from_bytes(data[:8], "little")
    start, end = sorted(rng.sample(range(len(data)), 2))
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[start:]
    elif kind == 2:
        del data[start:end]
    elif kind == 3:
        data += rng.randbytes(rng.randint(1, 50))
    elif kind == 4:
        lie = rng.choice([0, 1, length - 1, length + 1, 2**31, 2**63 - 1, 2**64 - 1])
        data[:8] = lie.to_bytes(8, "little")
    else:
        place = rng.randrange(8, 8 + length)
        data[place : place + 8] = bytes(rng.randrange(32, 127) for _ in range(8))
    return bytes(data)


def forge(path, header, tensors, rng):
    """Change the content and write it with a valid checksum, as an attacker would."""
    header, tensors = copy.deepcopy(header), dict(tensors)
    for name in ("format", "versions"):
        del header[name]
    parent, key = rng.choice(list(places(header)))
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(INSERTED)
    if rng.random() < 0.1:
        name = rng.choice(list(tensors))
        tensors[name] = rng.choice([tensors[name][:0], tensors[name].double() * torch.nan])
    write_file(path, header, tensors)


def places(node):
    """Yield every place in the header, as its container and its key in it."""
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def outcome(path, expected):
    """Load a file and return "refused", "same", or another word for what must not happen."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = skvae.load(path)
    except ValueError as exc:
        return "refused" if str(path) in str(exc) else "refused without its name"
    drawn = model.sample(2, random_state=0)
    if model.transform(X).shape != (40, 2) or drawn.shape != (2, 5) or drawn.dtype != X.dtype:
        return "a model that returns other arrays"
    state = model.module_.state_dict()
    same = all(torch.equal(state[name], weights) for name, weights in expected.items())
    return "same" if same else "another"


@pytest.mark.parametrize("n_files", [300, pytest.param(20_000, marks=pytest.mark.slow)])
def test_damaged_and_forged_files_are_refused(sound, tmp_path, n_files):
    detector, data, header, tensors = sound
    expected, path = detector.module_.state_dict(), tmp_path / "bad.skvae"
    rng, found = random.Random(0), Counter()
    for number in range(n_files):
        if number % 2:
            forge(path, header, tensors, rng)
        else:
            path.write_bytes(damaged(data, rng))
        result = outcome(path, expected)
        assert number % 2 or result == "refused" or path.read_bytes() == data
        found[result] += 1
    assert found.keys() <= {"refused", "same"}
    assert found["refused"] > 0.8 * n_files
    assert found["same"] > 0  # a forged max_epochs, for instance, does not change the weights


def test_code_named_in_a_file_is_not_run(sound, tmp_path):
    _, _, header, tensors = sound
    path, witness = tmp_path / "evil.skvae", tmp_path / "witness"
    header = {name: header[name] for name in header if name not in ("format", "versions")}
    evil = {"custom": ["os.system", {"dict": [["command", f"touch {witness}"]]}]}
    for node in (evil, {"spec": ["os.system", {"dict": []}]}, {"optimizer": "sys.exit"}):
        text = json.dumps(header["parameters"]).replace('"mlp"', "{}")
        forged = header | {"parameters": json.loads(text) | {"dict": [["network", node]]}}
        write_file(path, forged, tensors)
        with pytest.raises(ValueError, match="cannot be used as a model"):
            skvae.load(path)
    assert not witness.exists()


LOAD = """
import resource, sys, skvae, skvae.persistence
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
skvae.load(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak in kilobytes")
def test_loading_takes_at_most_four_times_the_size_of_the_file(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 2000)).astype(np.float32)
    path = tmp_path / "large.skvae"
    network = MLP(hidden_layer_sizes=(4000, 1000))
    detector = VAEAnomalyDetector(2, network=network, max_epochs=1, random_state=0).fit(rows)
    skvae.save(detector, path)
    run = subprocess.run([sys.executable, "-c", LOAD, path], capture_output=True, text=True)
    assert 1024 * int(run.stdout) < 4 * path.stat().st_size
