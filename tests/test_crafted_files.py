"""Files that were crafted to cost much, to crash, or to be taken on trust: each kind of attack."""

import copy
import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import skvae
from skvae import VAEAnomalyDetector
from skvae._files import model_file
from skvae._files.model_file import read_file, write_file
from skvae._files.values import Encoder
from skvae._rows import states
from skvae._rows.lines import Lines
from skvae._specs import SPEC_CLASSES
from skvae.likelihoods import Categorical, DiscretizedLogistic, Histogram, Mixed
from skvae.networks import MLP, Conv, Network, ResNet
from skvae.priors import ExPostMixture, FlowPrior, MixturePrior, VampPrior
from skvae.scores import Combined, LikelihoodRegret, RelativeError
from tests.helpers import FEW_TREES, allowance

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return header and tensors of the file of a detector."""
    path = tmp_path_factory.mktemp("sound") / "model.skvae"
    network = MLP(hidden_layer_sizes=(4,))
    detector = VAEAnomalyDetector(
        2, network=network, anomaly_score=FEW_TREES, max_epochs=2, random_state=0
    )
    skvae.save(detector.fit(X), path)
    return read_file(path)


def node(value):
    return Encoder(SPEC_CLASSES).encode(value, "value")


def set_pair(content, name, value):
    (pairs,) = content.values()
    next(pair for pair in pairs if pair[0] == name)[1] = value


def part(name, value):
    return lambda header, tensors: set_pair(header["state"]["parts"], name, value)


def parameter(name, value):
    return lambda header, tensors: set_pair(header["parameters"], name, value)


def state(name, value):
    return lambda header, tensors: header["state"].update({name: value})


def score(value):
    def change(header, tensors):
        set_pair(header["parameters"], "anomaly_score", value)
        header["state"]["score"] = value

    return change


def wide(likelihood, n_features=50_000):
    """Declare many features, which one tensor seems to back."""

    def change(header, tensors):
        part("n_features", n_features)(header, tensors)
        part("likelihood", likelihood)(header, tensors)
        (pairs,) = header["state"]["weights"].values()
        pairs.append(["likelihood.more", {"tensor": "more"}])
        tensors["more"] = torch.zeros(n_features)

    return change


def nested(n_levels):
    inner = "kl"
    for _ in range(n_levels):
        inner = Combined(scores=(inner, "elbo"))
    return inner


def long_history(header, tensors):
    n_epochs = 100_000
    for name in [name for name in tensors if name.startswith("history.")]:
        tensors[name] = torch.ones(n_epochs, dtype=tensors[name].dtype)
    tensors["history.epoch"] = torch.arange(1, n_epochs + 1)


def generator(place, n_keys=624, gauss=0.0):
    def change(header, tensors):
        tensors["keys"] = torch.zeros(n_keys, dtype=torch.uint32)
        parts = ["MT19937", {"array": "keys"}, place, 0, gauss]
        parameter("random_state", {"random_state": {"tuple": parts}})(header, tensors)

    return change


def tensor(name, values):
    def change(header, tensors):
        tensors[name] = torch.tensor(values, dtype=tensors[name].dtype)

    return change


def lines(name, values):
    def change(header, tensors):
        tensors[name] = torch.from_numpy(Lines.of(values).text.copy())
        header["state"][name] = {"lines": name}

    return change


def shared_tensor(header, tensors):
    (pairs,) = header["state"]["weights"].values()
    pairs[1][1] = copy.deepcopy(pairs[0][1])


GROUPS = [{"tuple": ["bernoulli", {"slice": [0, 10**9, 1]}]}] * 5000
COSTLY = {
    "a billion blocks": part("network", node(ResNet(image_shape=(5, 1), blocks_per_stage=10**9))),
    "a billion channels": part(
        "network", node(ResNet(image_shape=(5, 1), channels=[10**9], n_groups=10**9))
    ),
    "many stages": part("network", node(Conv(image_shape=(5, 1), channels=[1] * 20_000))),
    "8,000 layers": part("network", node(MLP(hidden_layer_sizes=[1] * 8000))),
    "100,000 layers": part("network", node(MLP(hidden_layer_sizes=[1] * 100_000))),
    "an array of layers": part("network", node(MLP(hidden_layer_sizes=(10**9, 10**9)))),
    "a billion normals": part("prior", node(MixturePrior(n_mixtures=10**9))),
    "a billion matrices": part("prior", node(ExPostMixture(n_mixtures=10**9))),
    "a billion pseudo-inputs": part("prior", node(VampPrior(n_pseudo_inputs=10**9))),
    "a hundred wide layers": part("prior", node(FlowPrior(n_layers=100, hidden_units=10**7))),
    "a billion logistics": part("likelihood", node(DiscretizedLogistic(n_mixtures=10**9))),
    "many categories": wide(node(Categorical(n_categories=65_536))),
    "many cells of one column": wide(node(Histogram(n_bins=[1] * 49_999 + [4096]))),
    "many columns of histograms": wide(node(Histogram())),
    "many columns to propose for": wide(node(Mixed())),
    "many groups of all columns": wide({"spec": ["Mixed", {"dict": [["columns", GROUPS]]}]}),
    "nested scores": score(node(nested(8))),
    "scores in a tree": score(node(Combined(scores=[Combined(scores=["kl"] * 30)] * 30))),
    "many scores": score(node(Combined(scores=["kl"] * 10_000))),
    "deep lists": parameter("network", json.loads("[" * 500 + "]" * 500)),
    "a long history": long_history,
    "many draws": parameter("n_importance_samples", 2**31),
    "many steps": score({"spec": ["LikelihoodRegret", {"dict": [["n_steps", 10**9]]}]}),
    "a wide blur": score({"spec": ["RelativeError", {"dict": [["blur", 1e9]]}]}),
}
TRUSTED_FIELDS = {
    "a weight of a score beyond 64 bits": score(
        {"spec": ["NoveltyRarity", {"dict": [["novelty", 10**40]]}]}
    ),
    "layers beyond 64 bits": parameter(
        "network", {"spec": ["MLP", {"dict": [["hidden_layer_sizes", [2**100]]]}]}
    ),
    "a rate beyond 64 bits": parameter("learning_rate", 10**30),
    "an offset beyond floats": state("offset", 10**400),
    "an offset of another type": state("offset", 1),
    "an offset near the end of floats": state("offset", 1.7e308),
    "an integer of thousands of digits": parameter("n_components", 10**4000),
    "a device that is a module": parameter("device", "hpu"),
    "a device that is any module": parameter("device", "antigravity"),
    "a device without values": parameter("device", "meta"),
    "a device object": parameter("device", {"device": "privateuseone"}),
    "callbacks": parameter("callbacks", [node(MLP())]),
    "a folder of checkpoints": lambda h, t: h["parameters"]["dict"].append(["checkpoint", "/tmp"]),
    "an unknown field of the state": state("checkpoint", "/tmp"),
    "an unknown field of the header": lambda header, tensors: header.update(checkpoint="/tmp"),
    "no field of a part": lambda h, t: h["state"]["parts"]["dict"].pop(),
    "a part of another kind": part("network", node(MixturePrior())),
    "a part that is no part": part("prior", 3),
    "a place beyond the generator": generator(10**6),
    "a place before the generator": generator(-1),
    "a short generator": generator(5, n_keys=3),
    "a draw that is not finite": generator(5, gauss={"float": "inf"}),
    "a tensor used twice": shared_tensor,
    "a tensor without a use": lambda header, tensors: tensors.update(more=torch.zeros(3)),
    "batches of a history": lambda h, t: h["state"]["history"]["dict"].append(["batches", [0, 0]]),
    "epochs out of order": tensor("history.epoch", [2, 1]),
    "epochs in a list": lambda h, t: set_pair(h["state"]["history"], "epoch", [1, 2]),
    "epochs beyond 64 bits in all": tensor("history.train_batch_count", [2**62, 2**62]),
    "epochs without steps": tensor("history.train_batch_count", [0, 1]),
    "epochs with too few steps": tensor("history.train_batch_count", [1]),
    "names that are no text": lines("feature_names", [1, 2, 3, 4, 5]),
    "names that are no lines": state("feature_names", ["a", "b", "c", "d", "e"]),
    "too few names": lines("feature_names", ["a"]),
    "versions that are no text": lambda header, tensors: header.update(versions={"torch": 2}),
    "a kind that is none": lambda header, tensors: header.update(kind=["model"]),
    "two keys in a node": state("offset", {"float": "nan", "tuple": []}),
    "a key twice": lambda h, t: h["parameters"]["dict"].append(["verbose", 1]),
}


def write(path, sound, change):
    header, tensors = copy.deepcopy(sound)
    change(header, tensors)
    header = {name: value for name, value in header.items() if name not in ("format", "sha256")}
    write_file(path, header, tensors)


def error_of(read, path):
    """Return the message of the ValueError that reading a file raises; None if it raises none."""
    try:
        read(path)
    except ValueError as exc:
        return str(exc)


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_file_is_refused_or_loaded_in_time(sound, tmp_path, name):
    path = tmp_path / "crafted.skvae"
    write(path, sound, COSTLY[name])
    allowed = path.stat().st_size / 1e6 + 0.5
    for read in (skvae.load, skvae.describe):
        start = time.process_time()
        message = error_of(read, path)
        assert message is None or (str(path) in message and len(message) < 1000)
        assert read is skvae.describe or (message is None) == (name == "a long history")
        assert time.process_time() - start < allowance(allowed)


@pytest.mark.parametrize("name", TRUSTED_FIELDS)
def test_a_field_that_is_not_declared_so_is_refused(sound, tmp_path, name):
    path = tmp_path / "crafted.skvae"
    write(path, sound, TRUSTED_FIELDS[name])
    with pytest.raises(ValueError, match="crafted.skvae cannot be used as a model") as caught:
        skvae.load(path)
    assert len(str(caught.value)) < 1000


class Wide(Network):
    """A network of a user, whose parameter decides how much is built."""

    def __init__(self, n_layers=1, width=4):
        self.n_layers = n_layers
        self.width = width

    def build_encoder(self, n_features, n_outputs):
        layers = [torch.nn.Linear(n_features, self.width)]
        layers += [torch.nn.Linear(self.width, self.width) for _ in range(self.n_layers)]
        return torch.nn.Sequential(*layers, torch.nn.Linear(self.width, n_outputs))

    def build_decoder(self, n_components, n_outputs, n_features):
        return torch.nn.Linear(n_components, n_outputs)


@pytest.mark.parametrize("changed", [{"n_layers": 10**9}, {"width": 10**6}, {"width": 50_000}])
def test_what_a_trusted_part_builds_is_bounded_too(tmp_path, changed):
    path = tmp_path / "own.skvae"
    skvae.save(skvae.VAETransformer(2, network=Wide(), max_epochs=1, random_state=0).fit(X), path)
    assert skvae.load(path, trusted=[Wide]).network.width == 4
    content = read_file(path)
    own = {"custom": ["Wide", {"dict": [*changed.items()]}]}
    write(path, content, part("network", json.loads(json.dumps(own))))
    start = time.process_time()
    with pytest.raises(ValueError, match="than it holds|need a tensor of shape"):
        skvae.load(path, trusted=[Wide])
    assert time.process_time() - start < allowance(1)


def test_scores_in_scores_are_saved_loaded_and_shown(tmp_path):
    path = tmp_path / "nested.skvae"
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(4,)), anomaly_score=nested(12), max_epochs=1
    ).fit(X)
    skvae.save(detector, path)
    start = time.process_time()
    loaded = skvae.load(path)
    np.testing.assert_array_equal(loaded.score_samples(X), detector.score_samples(X))
    assert repr(loaded) == repr(detector)
    assert "Combined" in skvae.describe(path)["parameters"]["anomaly_score"]
    assert time.process_time() - start < allowance(1)


def test_an_estimator_that_could_not_be_loaded_is_not_saved(tmp_path):
    network = MLP(hidden_layer_sizes=(4,))
    estimator = skvae.VAETransformer(2, network=network, max_epochs=1, random_state=0).fit(X)
    estimator.set_params(n_importance_samples=2**17)
    with pytest.raises(ValueError, match=r"cannot be saved, as its 'parameters\.n_importance"):
        skvae.save(estimator, tmp_path / "m")
    estimator.set_params(n_importance_samples=16)
    with torch.no_grad():
        next(estimator.module_.parameters())[0] = torch.nan
    with pytest.raises(ValueError, match="cannot be saved, as its 'state.weights.encoder"):
        skvae.save(estimator, tmp_path / "m")
    assert not (tmp_path / "m").exists()


# Wide tables, whose columns take most of the time.


def wide_table(n_columns, library, n_rows=12):
    """Return a data frame with columns of all kinds."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    makers = [
        lambda: rng.normal(size=n_rows),
        lambda: rng.normal(100, 20, n_rows).round(2),
        lambda: rng.integers(0, 100, n_rows),
        lambda: rng.choice(["basic", "plus", "pro"], n_rows),
        lambda: pd.Categorical(rng.choice(["a", "b", "c"], n_rows)),
        lambda: rng.random(n_rows) < 0.5,
        lambda: pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n_rows), "D"),
        lambda: pd.to_timedelta(rng.integers(0, 900, n_rows), "h"),
        lambda: np.where(rng.random(n_rows) < 0.3, np.nan, rng.normal(size=n_rows)),
    ]
    frame = pd.DataFrame({f"c{i}": makers[i % len(makers)]() for i in range(n_columns)})
    if library == "polars":
        return pytest.importorskip("polars").from_pandas(frame)
    if library == "pyarrow":
        return pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
    return frame


def saved_table(path, frame, width=1):
    network = MLP(hidden_layer_sizes=(width,))
    skvae.save(skvae.VAETransformer(2, network=network, max_epochs=1).fit(frame), path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "n_columns"),
    [("pandas", 2000), ("polars", 2000), ("pyarrow", 2000), ("pandas", 20_000)],
)
def test_a_wide_table_is_loaded_and_described_in_time(tmp_path, library, n_columns):
    path = tmp_path / "wide.skvae"
    saved_table(path, wide_table(n_columns, library))
    allowed = allowance(path.stat().st_size / 1e6 + 0.5)
    for read in (skvae.load, skvae.describe):
        start = time.process_time()
        read(path)
        assert time.process_time() - start < allowed
    if sys.platform == "linux":
        saved_table(tmp_path / "narrow.skvae", wide_table(9, library))
        check_peaks(tmp_path / "narrow.skvae", path)


# Memory, in a process of its own, whose peak is set back between the files.

PEAKS = """
import ctypes, gc, os, sys, warnings, pandas, skvae, skvae.persistence
warnings.simplefilter("ignore")

def megabytes(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1e3

def attempt(read, path):
    try:
        read(path)
    except ValueError as exc:
        assert path in str(exc), exc

known, *paths = sys.argv[1:]
for read in (skvae.load, skvae.describe):
    attempt(read, known)
    for path in paths:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # else a file would fill the memory of those before
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = megabytes("VmRSS")
        attempt(read, path)
        peak, allowed = megabytes("VmHWM") - before, 4 * os.path.getsize(path) / 1e6 + 64
        assert peak < allowed, f"{path}: {read.__name__} took {peak:.0f} of {allowed:.0f} MB"
"""
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets the peak back")


def check_peaks(known, *paths):
    run = subprocess.run(
        [sys.executable, "-c", PEAKS, known, *paths], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def raw_lines(text):
    def change(header, tensors):
        tensors["names"] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        header["state"]["feature_names"] = {"lines": "names"}

    return change


def many_tensors(header, tensors):
    tensors.update({str(number): torch.zeros(1) for number in range(20_000)})


LARGE = {
    "a long history": long_history,
    "many lists": parameter("network", [[]] * 120_000),
    "many dictionaries": parameter("network", [{}] * 120_000),
    "many objects": parameter("network", [node(MLP())] * 10_000),
    "many numbers": parameter("network", [0.5] * 240_000),
    "more lists than a header may have": parameter("network", [[]] * 1_000_000),
    "a long text": parameter("network", "x" * 3_900_000),
    "a longer text": parameter("network", "x" * 20_000_000),
    "a text of escapes": parameter("network", '"\\\n' * 300_000),
    "a text of wide characters": parameter("network", "x" * 3_900_000 + "\U0001f600"),
    "many versions": lambda h, t: h.update(versions={str(i): "1" for i in range(80_000)}),
    "many tensors": many_tensors,
    "many names": lines("feature_names", ["a"] * 2_000_000),
    "names of lists": raw_lines(("[" + "[]," * 300_000 + "[]]\n") * 20),
    "a name of a deep list": raw_lines("[" * 1_000_000 + "\n"),
    "a name beyond a megabyte": raw_lines('"' + "a" * 10_000_000 + '"\n'),
}


@pytest.mark.slow
@linux
def test_a_file_takes_four_times_its_size_in_memory_or_is_refused(sound, tmp_path, monkeypatch):
    write(tmp_path / "sound", sound, lambda header, tensors: None)
    monkeypatch.setattr(model_file, "_header_of", lambda data: data)
    for name, change in LARGE.items():
        write(tmp_path / name, sound, change)
    check_peaks(tmp_path / "sound", *(tmp_path / name for name in LARGE))


@pytest.mark.slow
@linux
def test_headers_that_are_no_model_are_refused_in_little_memory(sound, tmp_path):
    write(tmp_path / "sound", sound, lambda header, tensors: None)
    one = '{"dtype":"F32","shape":[],"data_offsets":[0,4]}'
    headers = {
        "metadata": json.dumps({"__metadata__": {str(i): "" for i in range(1_000_000)}}),
        "tensors": "{" + ",".join(f'"{i}":{one}' for i in range(300_000)) + "}",
        "wide": '{"__metadata__":{"skvae":"\\ud83d\\ude00' + "a" * 3_900_000 + '"}}',
    }
    for name, text in headers.items():
        length = len(text).to_bytes(8, "little")
        (tmp_path / name).write_bytes(length + text.encode() + bytes(4))
    check_peaks(tmp_path / "sound", *(tmp_path / name for name in headers))


@pytest.mark.parametrize("value", [[[]] * 300_000, "x" * 5_000_000])
def test_a_parameter_too_large_to_be_loaded_is_not_saved(sound, tmp_path, value):
    with pytest.raises(ValueError, match=r"in its header|a header of"):
        write(tmp_path / "large", sound, parameter("network", value))
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_of_one_type_are_checked_together(tmp_path, monkeypatch, library):
    path, read, calls = tmp_path / "wide.skvae", states.read, []
    saved_table(path, wide_table(90, library))
    monkeypatch.setattr(states, "read", lambda *args: calls.append(1) or read(*args))
    skvae.load(path)
    assert len(calls) < 12


def test_one_wrong_column_of_many_is_named(tmp_path):
    path = tmp_path / "wide.skvae"
    saved_table(path, wide_table(90, "pandas"))
    header, tensors = read_file(path)
    columns = [*Lines(tensors["table.columns"].numpy())]
    assert columns[74]["dtype"] == "int64"
    columns[74]["high"] = 1e30
    tensors["table.columns"] = torch.from_numpy(Lines.of(columns).text.copy())
    write(path, (header, tensors), lambda header, tensors: None)
    with pytest.raises(ValueError, match=r"Column 'c74' has (bounds|an impossible value)"):
        skvae.load(path)


@pytest.mark.parametrize("trusted", [[], [Wide]])
def test_a_small_network_for_a_wide_table_is_loaded_with_its_default_prior(tmp_path, trusted):
    path, frame = (
        tmp_path / "small.skvae",
        wide_table(60, "pandas")[[f"c{i}" for i in range(4, 60, 9)]],
    )
    network = Wide(width=1) if trusted else MLP(hidden_layer_sizes=(1,))
    vae = skvae.VAETransformer(2, network=network, max_epochs=1, random_state=0)
    many = frame.join(frame.add_prefix("x")).join(frame.add_prefix("y")).join(frame.add_prefix("z"))
    skvae.save(vae.fit(many), path)
    loaded = skvae.load(path, trusted=trusted)
    np.testing.assert_array_equal(loaded.transform(many), vae.transform(many))


# The card.


def test_the_card_says_what_the_file_holds(sound, tmp_path):
    path = tmp_path / "model.skvae"
    write(path, sound, lambda header, tensors: None)
    card, model = skvae.describe(path), skvae.load(path)
    assert card["estimator"] == "VAEAnomalyDetector"
    assert card["kind"] == "model"
    assert card["parameters"]["anomaly_score"] == repr(FEW_TREES)
    assert (card["n_features"], card["n_components"], card["n_epochs"]) == (5, 2, 2)
    assert card["n_weights"] == sum(w.numel() for w in model.module_.parameters())
    assert card["n_steps"] == model.n_steps_
    assert card["training_rows"] == 40
    assert card["threshold"] == model.offset_
    assert card["bytes"] == path.stat().st_size
    assert len(card["sha256"]) == 64
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_the_card_of_parts_that_are_not_trusted_names_them(tmp_path):
    path = tmp_path / "own.skvae"
    skvae.save(skvae.VAETransformer(2, network=Wide(3), max_epochs=1).fit(X), path)
    assert skvae.describe(path)["parameters"]["network"] == "Wide(n_layers=3, width=4)"
    assert skvae.describe(path)["training_rows"] == 0


def test_the_card_of_a_checkpoint(tmp_path):
    autosave = skvae.Autosave(tmp_path)
    network = MLP(hidden_layer_sizes=(4,))
    VAEAnomalyDetector(2, network=network, max_epochs=2, callbacks=[autosave]).fit(X)
    card = skvae.describe(tmp_path / "epoch-00002.skvae")
    assert (card["kind"], card["n_epochs"]) == ("checkpoint", 2)


def test_the_card_of_a_table_without_its_library(tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas", reason="a table is a data frame")
    frame = pd.DataFrame({"a": X[:, 0], "kind": ["x", "y"] * 20})
    path = tmp_path / "table.skvae"
    network = MLP(hidden_layer_sizes=(4,))
    skvae.save(skvae.VAETransformer(2, network=network, max_epochs=1).fit(frame), path)
    with_library = skvae.describe(path)["columns"]
    monkeypatch.setattr("skvae._files.card.find_spec", lambda name: None)
    without = skvae.describe(path)["columns"]
    assert [column["kind"] for column in without] == ["real", "level"]
    assert without[1] == with_library[1]


@pytest.mark.parametrize("spec", [LikelihoodRegret(n_steps=1001), RelativeError(blur=101.0)])
def test_scores_whose_cost_has_no_bound_are_refused(spec):
    with pytest.raises(ValueError, match=r"parameter of .* must be"):
        VAEAnomalyDetector(2, anomaly_score=spec, max_epochs=1).fit(X)
