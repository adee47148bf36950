import json
from datetime import datetime

import skvae


def test_info_names_the_parameters_that_differ_from_their_defaults(run, files):
    record = json.loads(run("info", files / "iris.skvae", "--json").out)
    assert record["estimator"] == "VAEAnomalyDetector"
    assert record["parameters"] == {
        "n_components": "2",
        "network": "MLP(hidden_layer_sizes=(16,))",
        "max_epochs": "2",
        "random_state": "0",
    }
    assert record["feature_names"] == ["sl", "sw", "pl", "pw"]
    assert record["kind"] == "model"


def test_info_agrees_with_the_model(run, files):
    path = files / "digits.skvae"
    model = skvae.load(path)
    record = json.loads(run("info", path, "--json").out)
    assert (record["n_features"], record["n_components"], record["n_epochs"]) == (64, 16, 2)
    assert record["n_weights"] == sum(weights.numel() for weights in model.module_.parameters())
    assert record["losses"]["train_loss"] == model.history_["train_loss"][-1]
    assert record["bytes"] == path.stat().st_size
    assert datetime.fromisoformat(record["written"]).timestamp() == int(path.stat().st_mtime)
    assert record["versions"]["skvae"] == skvae.__version__
    assert "threshold" not in record


def test_info_prints_one_property_per_line(run, files):
    text = run("info", files / "iris.skvae").out
    assert "VAEAnomalyDetector(max_epochs=2, n_components=2, network=MLP(hidden" in text
    assert "features    4: sl, sw, pl, pw" in text
    assert "threshold" in text
    assert "features    64\n" in run("info", files / "digits.skvae").out


def test_every_verb_refuses_a_damaged_model(run, files, elsewhere):
    content = bytearray((files / "digits.skvae").read_bytes())
    content[-100] ^= 1
    (elsewhere / "m").write_bytes(content)
    commands = {
        "info": (),
        "score": ("--data", "digits"),
        "transform": ("--data", "digits", "-o", "z.npy"),
        "reconstruct": ("--data", "digits", "-o", "x.npy"),
        "sample": ("-o", "x.npy"),
    }
    for verb, options in commands.items():
        done = run(verb, "m", *options)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"skvae {verb}: error: m cannot be used as a model of skvae")
        assert done.err.count("\n") == 1
    assert [path.name for path in elsewhere.iterdir()] == ["m"]
