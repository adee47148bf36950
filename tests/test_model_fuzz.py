"""Damaged and crafted files: loading raises a ValueError with the path, or gives a sound model.

Of a model that is loaded, every public method ends with finite results or a ValueError.
"""

import copy
import json
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

import skvae
from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._files.allowance import Allowance
from skvae._files.model_file import file_bytes, read_file, write_file
from skvae._files.values import Encoder
from skvae._specs import SHORT_NAMES, SPEC_CLASSES
from skvae.likelihoods import Categorical, Gaussian, Histogram, Mixed
from skvae.networks import MLP, Conv, ResNet
from skvae.objectives import IWAE
from skvae.priors import ExPostMixture, FlowPrior, MixturePrior, VampPrior
from skvae.scores import Combined, LikelihoodRegret, NoveltyRarity, RelativeError
from tests.helpers import FEW_TREES, allowance

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
    path.write_bytes(file_bytes(header, tensors))


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


# Files that are crafted by the grammar of the header, so that most of them reach the last checks.


def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "plan": rng.choice(["basic", "plus", "pro"], 40),
            "age": rng.integers(18, 80, 40),
            "owes": rng.normal(100, 20, 40).round(2),
            "vip": rng.random(40) < 0.3,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, 40), "D"),
        }
    )


GAPS = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
TINY = {"network": MLP(hidden_layer_sizes=(4,)), "max_epochs": 2, "random_state": 0}
MODELS = {
    "transformer": lambda: (VAETransformer(2, **TINY), X),
    "detector": lambda: (VAEAnomalyDetector(2, anomaly_score=FEW_TREES, **TINY), X),
    "combined": lambda: (
        VAEAnomalyDetector(
            2, anomaly_score="combined", calibration_fraction=0.3, prior=ExPostMixture(), **TINY
        ),
        X,
    ),
    "imputer": lambda: (VAEImputer(2, n_estimators=2, add_indicator=True, **TINY), GAPS),
    "frame": lambda: (
        VAEAnomalyDetector(
            2, anomaly_score="log_likelihood", prior=MixturePrior(n_mixtures=3), **TINY
        ),
        frame(),
    ),
    "draws": lambda: (
        VAETransformer(
            2,
            **TINY | {"network": MLP(hidden_layer_sizes=(4, 4), residual=True)},
            likelihood=Mixed(
                columns=[(Gaussian(noise="per_sample"), [0, 2]), (Histogram(), [1, 3, 4])]
            ),
            prior=VampPrior(n_pseudo_inputs=4),
        ),
        X.astype(np.float64),
    ),
    "counts": lambda: (
        VAEImputer(2, n_estimators=1, likelihood="negative_binomial", **TINY),
        np.abs(X).round(),
    ),
}
PARTS = [
    *(make() for names in SHORT_NAMES.values() for make in names.values()),
    MLP(hidden_layer_sizes=[1] * 3000),
    MLP(hidden_layer_sizes=(4, 4), skip_connections=True),
    Conv(image_shape=(5, 1), channels=(2,)),
    Conv(image_shape=(1, 5), channels=[1] * 500),
    ResNet(image_shape=(5, 1), channels=[10**6], n_groups=10**9),
    ResNet(image_shape=(5, 1), blocks_per_stage=10**9),
    Categorical(n_categories=65536),
    Histogram(n_bins=[4096] * 5),
    MixturePrior(n_mixtures=10**9),
    VampPrior(n_pseudo_inputs=10**9),
    FlowPrior(n_layers=100, hidden_units=10**6),
    Combined(scores=[Combined(scores=["kl"] * 9)] * 9),
    LikelihoodRegret(n_steps=2, n_bound_samples=2),
    NoveltyRarity(novelty=1e300, n_neighbors=10**9, n_estimators=4),
    RelativeError(blur=0.5, image_shape=(5, 1)),
    IWAE(n_samples=3),
]
PART_NODES = [Encoder(SPEC_CLASSES).encode(part, "x") for part in PARTS]
NUMBERS = [
    *(-(2**63), -1, 0, 1, 2, 3, 5, 6, 40, 2**16, 2**31, 2**53 + 1, 2**127, 2**128, 10**40, 10**400),
    *(-1e308, -1.5, -0.0, 1e-320, 0.5, 1.0, 1e30, 3e38, 1.7e308),
    *({"float": text} for text in ("nan", "inf", "-inf", "1e5", "")),
]
TEXTS = ["", "a", "cpu", "cuda:999", "hpu", "meta", "antigravity", "mlp", "float16", "x" * 5000]


def nodes_of(kind, node):
    """Return nodes that could stand in place of one, most of them of its type."""
    if isinstance(node, bool):
        return [True, False, *NUMBERS[:4]]
    if isinstance(node, int | float):
        return NUMBERS
    if isinstance(node, str):
        return TEXTS
    if isinstance(node, dict) and ("spec" in node or "custom" in node):
        return PART_NODES
    return [*INSERTED, *TEXTS, *PART_NODES[:20], [], [[]], {"tuple": [[1], [2]]}]


def craft(header, tensors, rng):
    """Change a few places: a value of the grammar, a field, a tensor, or a relation of two."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.choice(["value", "value", "value", "field", "tensor", "tensor", "swap"])
        if kind == "tensor":
            change_tensor(tensors, rng)
            continue
        spots = list(places(header))
        parent, key = rng.choice(spots)
        if kind == "value":
            parent[key] = copy.deepcopy(rng.choice(nodes_of(kind, parent[key])))
        elif kind == "swap":
            other, place = rng.choice(spots)
            parent[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(parent[key])
        elif rng.random() < 0.5:
            del parent[key]
        elif isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            parent["more"] = parent[key]


def change_tensor(tensors, rng):
    name, other = rng.choice(sorted(tensors)), rng.choice(sorted(tensors))
    tensor = tensors[name]
    wide = tensor.is_floating_point()
    change = rng.choice(
        [
            lambda: tensors[other],
            lambda: tensor[:0].clone() if tensor.ndim else tensor.reshape(1),
            lambda: tensor[:1].clone() if tensor.ndim else tensor,
            lambda: tensor.flatten(),
            lambda: tensor.double() if tensor.dtype != torch.float64 else tensor.float(),
            lambda: -tensor if wide else ~tensor if tensor.dtype == torch.bool else -tensor,
            lambda: tensor * 0,
            lambda: (tensor * 1e30).clamp(-3e38, 3e38) if wide else tensor,
            lambda: torch.full_like(tensor, 3e38 if wide else 1),
            lambda: torch.full_like(tensor, 1e-40 if wide else 0),
            lambda: torch.full_like(tensor, torch.nan) if wide else tensor,
            lambda: tensor.bfloat16() if wide else tensor,
        ]
    )
    tensors[name] = change().clone()


def check_methods(model, rows):
    """Call every public method; each ends with finite results or a ValueError."""
    draws = {"random_state": 0}
    Z = np.zeros((3, model.n_components_))
    calls = {
        "transform": (rows,),
        "inverse_transform": (Z,),
        "reconstruct": (rows,),
        "posterior": (rows,),
        "score_samples": (rows,),
        "score": (rows,),
        "decision_function": (rows,),
        "predict": (rows,),
        "p_values": (rows,),
        "explain": (rows[:2],),
        "get_feature_names_out": (),
    }
    for name, arguments in calls.items():
        if name in dir(type(model)):
            yield name, partial(getattr(model, name), *arguments)
    yield "sample", lambda: model.sample(5, **draws)
    yield "sample means", lambda: model.sample(5, mean=True, **draws)
    if isinstance(model, VAEImputer):
        yield "impute", lambda: model.impute(rows, 2, **draws)
    yield "repr", lambda: repr(model)


def check_training(path, rows):
    """Train a loaded model further, for one epoch and within the sizes that its file could have.

    What a further fit costs is for the parameters to say, which `describe` shows. Sizes beyond
    those of the file are refused here, so that many files can be tried.
    """
    tensors = read_file(path)[1].values()
    for name in ("partial_fit", "fit"):
        model = skvae.load(path)
        few = {"max_epochs": 1, "n_estimators": 2, "batch_size": "auto", "verbose": 0}
        model.set_params(**{key: few[key] for key in few.keys() & model.get_params(False).keys()})

        def train(model=model, name=name):
            with Allowance(tensors):
                return getattr(model, name)(rows).reconstruct(rows)

        yield name, train


def is_finite(result):
    if isinstance(result, str):
        return True
    if isinstance(result, tuple | list):
        return all(map(is_finite, result))
    if isinstance(result, pd.DataFrame):
        result = result.select_dtypes("number").to_numpy()
    result = np.asarray(result)
    return result.dtype.kind not in "fc" or bool(np.isfinite(result).all())


def loaded(path):
    """Load a file; return "loaded" or "refused", the model if there is one, and the seconds."""
    start, model = time.process_time(), None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = skvae.load(path)
        result = "loaded"
    except ValueError as exc:
        result = "refused" if str(path) in str(exc) and len(str(exc)) < 2000 else f"bad: {exc}"
    return result, model, time.process_time() - start


def examine(path, rows, trains=False):
    """Load a file and call the methods; return "refused", "loaded", or what must not happen."""
    allowed = allowance(path.stat().st_size / 1e6 + 0.5)
    result, model, seconds = loaded(path)
    if seconds > allowed:  # again, as memory of earlier files may have been collected meanwhile
        seconds = min(seconds, loaded(path)[2])
    if seconds > allowed:
        return f"{result} in {seconds:.1f} s"
    if result == "loaded":
        calls = check_training(path, rows) if trains else check_methods(model, rows)
        for name, call in calls:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    if not is_finite(call()):
                        return f"{name} is not finite"
            except (ValueError, FloatingPointError) as exc:  # the latter of a loss that diverges
                if isinstance(exc, FloatingPointError) and not trains:
                    return f"{name} raises {exc!r}"
    try:
        json.dumps(skvae.describe(path), allow_nan=False)
    except ValueError as exc:
        if str(path) not in str(exc) or result == "loaded":
            return f"description: {exc}"
    return result


def peak_megabytes():
    """Return the largest memory of this process so far, where the system tells it."""
    if sys.platform != "linux":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return rows, and header and tensors of the files of several kinds of models."""
    folder, found = tmp_path_factory.mktemp("models"), {}
    for name, make in MODELS.items():
        estimator, rows = make()
        skvae.save(estimator.fit(rows), folder / name)
        header, tensors = read_file(folder / name)
        for field in ("format", "versions", "sha256"):
            del header[field]
        found[name] = rows[:12], header, tensors
    return found


@pytest.mark.parametrize(
    ("n_files", "seed"),
    [(150, 0), *(pytest.param(5000, seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))],
)
def test_crafted_files_are_refused_or_give_sound_models(models, tmp_path, n_files, seed):
    rng, found, before = random.Random(seed), Counter(), set(sys.modules)
    peak_before = peak_megabytes()
    for number in range(n_files):
        name = rng.choice(sorted(models))
        rows, header, tensors = models[name]
        header, tensors = copy.deepcopy(header), dict(tensors)
        craft(header, tensors, rng)
        path = tmp_path / f"crafted-{number}.skvae"
        path.write_bytes(file_bytes(header, tensors))  # nothing is flushed to the disk
        result = examine(path, rows, trains=number % 4 == 0)
        assert result in ("refused", "loaded"), f"{name}: file {number}: {result}"
        found[result] += 1
        path.unlink()
    assert min(found["refused"], found["loaded"]) > n_files / 20
    assert peak_megabytes() - peak_before < 200
    imported = {name.partition(".")[0] for name in set(sys.modules) - before}
    assert not imported & {"antigravity", "os.system", "torch_hpu", "habana_frameworks"}


LOAD = """
import resource, sys, skvae, skvae.persistence
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
skvae.load(sys.argv[1])
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives the peak in kilobytes")
def test_loading_takes_at_most_four_times_the_size_of_the_file(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 2000)).astype(np.float32)
    path = tmp_path / "large.skvae"
    network = MLP(hidden_layer_sizes=(4000, 1000))
    detector = VAEAnomalyDetector(2, network=network, max_epochs=1, random_state=0).fit(rows)
    skvae.save(detector, path)
    run = subprocess.run([sys.executable, "-c", LOAD, path], capture_output=True, text=True)
    assert 1024 * int(run.stdout) < 4 * path.stat().st_size
