"""Forged checkpoints: resuming raises an error that names the file, or trains on.

Every change leaves the checksum right, as an attacker would.
"""

import copy
import random
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from skorch.callbacks import LRScheduler

from skvae import Autosave, VAETransformer
from skvae._files.model_file import file_bytes, read_file, write_file
from skvae.networks import MLP
from tests.test_model_fuzz import INSERTED, places

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
NAME = "epoch-00003.skvae"


def fit(folder, **changes):
    settings = {"max_epochs": 5, "early_stopping": True, "n_iter_no_change": 50, **changes}
    return VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(4,)),
        random_state=0,
        callbacks=[Autosave(folder, keep=None, resume=True)],
        **settings,
    ).fit(X)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return the header and tensors of the checkpoint of epoch 3, and the weights after it."""
    folder = tmp_path_factory.mktemp("sound")
    expected = fit(folder).module_.state_dict()
    header, tensors = read_file(folder / NAME)
    return header, tensors, expected


def run_of(header):
    """Return the pairs of the run in a header."""
    return dict(header["run"]["dict"])


def set_in(node, path, value):
    """Set a value in nested nodes of dictionaries and lists, by keys and positions."""
    *before, last = path
    for key in before:
        node = node_at(node, key)
    content = next(iter(node.values())) if isinstance(node, dict) else node
    if isinstance(node, dict) and "dict" in node:
        for pair in content:
            if pair[0] == last:
                if value is DELETED:
                    content.remove(pair)
                else:
                    pair[1] = value
                return
        content.append([last, value])
    else:
        content[last] = value


def node_at(node, key):
    content = next(iter(node.values())) if isinstance(node, dict) else node
    if isinstance(node, dict) and "dict" in node:
        return next(item for name, item in content if name == key)
    return content[key]


DELETED = object()


def resume(folder, header, tensors, name=NAME, **changes):
    """Write a checkpoint with a right checksum, and continue from it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(file_bytes(header, tensors))
    return fit(folder, **changes)


def changed(path, value):
    def change(header, tensors):
        set_in(header["run"], path, value)

    return change


def tensor_changed(name, function):
    def change(header, tensors):
        tensors[name] = function(tensors[name])

    return change


STATE = "run.optimizer.state.0"
OPTION = ("optimizer", "param_groups", 0)
STOPPING = ("early_stopping", 0)
FORGERIES = {
    "no element": tensor_changed(f"{STATE}.exp_avg_sq", lambda t: t[:0].clone()),
    "fewer elements": tensor_changed(f"{STATE}.exp_avg", lambda t: t[:1].clone()),
    "a flattened moment": tensor_changed(f"{STATE}.exp_avg", torch.flatten),
    "double precision": tensor_changed(f"{STATE}.exp_avg", lambda t: t.double()),
    "not finite": tensor_changed(f"{STATE}.exp_avg", lambda t: t * torch.inf),
    "steps as a vector": tensor_changed(f"{STATE}.step", lambda t: t.repeat(2)),
    "more steps than batches": tensor_changed(f"{STATE}.step", lambda t: t + 1000),
    "negative steps": tensor_changed(f"{STATE}.step", lambda t: -t),
    "a deleted option": changed((*OPTION, "weight_decay"), DELETED),
    "another option": changed((*OPTION, "betas"), {"tuple": [0.0, 0.0]}),
    "an option of another type": changed((*OPTION, "amsgrad"), 0),
    "an unknown option": changed((*OPTION, "more"), 1),
    "other weights": changed((*OPTION, "params"), [0, 0]),
    "no groups": changed(("optimizer", "param_groups"), []),
    "another state of early stopping": changed((*STOPPING, "misses_"), 1),
    "another threshold": changed((*STOPPING, "dynamic_threshold_"), 0.5),
    "another best epoch": changed((*STOPPING, "best_epoch_"), 1),
    "no best weights": changed((*STOPPING, "best_model_weights_"), None),
    "best weights of another shape": tensor_changed(
        "run.early_stopping.0.best_model_weights_.encoder.0.weight", lambda t: t[:1].clone()
    ),
    "a short random state": tensor_changed("run.random_state.rows", lambda t: t[:9].clone()),
    "a random state of zeros": tensor_changed("run.random_state.torch", torch.zeros_like),
    "another seed": changed(("seed",), 1),
    "epochs before the first": changed(("epochs_before",), 3),
    "an unknown field": changed(("more",), 1),
    "no seed": changed(("seed",), DELETED),
    "other rows": changed(("identity", "rows"), "0" * 64),
    "a schedule": changed(("schedules",), [{"dict": [["step", 3]]}]),
    "an unknown tensor of the optimiser": changed(("optimizer", "state", 99), {"dict": []}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_checkpoint_is_refused_by_name(sound, tmp_path, name):
    header, tensors, _ = copy.deepcopy(sound)
    FORGERIES[name](header, tensors)
    with pytest.raises(ValueError, match=NAME) as caught:
        resume(tmp_path / "forged", header, tensors)
    assert len(str(caught.value)) < 1000


def test_the_deleted_state_of_a_weight_is_refused_when_it_is_trained(sound, tmp_path):
    header, tensors, _ = copy.deepcopy(sound)
    states = node_at(node_at(header["run"], "optimizer"), "state")["dict"]
    del states[1]
    with pytest.raises(ValueError, match=rf"{NAME}.* lacks the optimiser's state of 'encoder"):
        resume(tmp_path / "forged", header, tensors)


def test_a_checkpoint_of_another_epoch_than_its_name_is_refused(sound, tmp_path):
    header, tensors, _ = sound
    with pytest.raises(ValueError, match="epoch-00004"):
        resume(tmp_path / "forged", header, tensors, name="epoch-00004.skvae")


def test_a_sound_checkpoint_is_continued_to_the_same_bits(sound, tmp_path):
    header, tensors, expected = sound
    found = resume(tmp_path / "sound", header, tensors).module_.state_dict()
    assert all(torch.equal(found[name], weights) for name, weights in expected.items())


def forge(header, tensors, rng):
    """Change one tensor or one place of the header, and return which."""
    if rng.random() < 0.4:
        name = rng.choice(sorted(tensors))
        tensors[name] = rng.choice(
            [
                lambda t: t[..., :0].clone() if t.ndim else t.reshape(1, 1),
                lambda t: t.flatten()[:1].clone(),
                lambda t: t.double(),
                lambda t: torch.full_like(t, 255),
                lambda t: t.repeat(2) if t.ndim == 1 else t.reshape(-1),
                lambda t: -t if t.is_floating_point() else t + 1,
            ]
        )(tensors[name])
        return "tensor"
    part = header["run"] if rng.random() < 0.7 else header
    parent, key = rng.choice(list(places(part)))
    if rng.random() < 0.3:
        del parent[key]
    else:
        parent[key] = rng.choice(INSERTED)
    return "header"


@pytest.mark.parametrize("n_files", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_forged_checkpoints_are_refused_or_continued(sound, tmp_path, n_files):
    rng, found = random.Random(0), Counter()
    for number in range(n_files):
        header, tensors, expected = copy.deepcopy(sound)
        changed_part = forge(header, tensors, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = outcome(tmp_path / str(number), header, tensors, expected)
        found[changed_part, result] += 1
    # weights and moments may be any finite numbers, but everything else decides the same fit
    assert found.keys() <= {
        ("tensor", "refused"),
        ("tensor", "same"),
        ("tensor", "another"),
        ("header", "refused"),
        ("header", "same"),
    }
    assert found["tensor", "refused"] + found["header", "refused"] > 0.6 * n_files


def outcome(folder, header, tensors, expected):
    """Return "refused", "same" or "another" fit, or what must not happen."""
    try:
        estimator = resume(folder, header, tensors)
    except ValueError as exc:
        return "refused" if NAME in str(exc) else f"refused without its name: {exc}"
    except FloatingPointError:
        return "another"
    found = estimator.module_.state_dict()
    same = all(torch.equal(found[name], weights) for name, weights in expected.items())
    return "same" if same else "another"


SCHEDULE = ("schedules", 0)
SCHEDULE_FORGERIES = {
    "a function in place of a number": changed((*SCHEDULE, "last_epoch"), "os.system"),
    "another option": changed((*SCHEDULE, "gamma"), 0.5),
    "an attribute of the object": changed((*SCHEDULE, "step"), 3),
    "a deleted option": changed((*SCHEDULE, "base_lrs"), DELETED),
    "rates that are not finite": changed((*SCHEDULE, "_last_lr"), [{"float": "nan"}]),
    "a rate too many": changed((*SCHEDULE, "_last_lr"), [0.1, 0.1]),
    "a negative momentum": changed((*OPTION, "momentum"), "0.5"),
    "no momentum": changed(("optimizer", "state", 0, "momentum_buffer"), None),
}


def scheduled(folder):
    return VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(4,)),
        random_state=0,
        max_epochs=5,
        optimizer=Momentum,
        learning_rate=1e-4,
        callbacks=[LRScheduler("StepLR", step_size=2), Autosave(folder, keep=None, resume=True)],
    )


class Momentum(torch.optim.SGD):
    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__(params, lr, momentum=0.9, weight_decay=weight_decay)


@pytest.mark.parametrize("name", SCHEDULE_FORGERIES)
def test_a_forged_schedule_is_refused_by_name(tmp_path, name):
    scheduled(tmp_path / "sound").fit(X)
    header, tensors = read_file(tmp_path / "sound" / NAME)
    SCHEDULE_FORGERIES[name](header, tensors)
    (tmp_path / "forged").mkdir()
    write_file(tmp_path / "forged" / NAME, header, tensors)
    with pytest.raises(ValueError, match=NAME):
        scheduled(tmp_path / "forged").fit(X)
