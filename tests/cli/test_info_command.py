import json
from datetime import datetime

import skvae
from tests.cli.conftest import customers_frame


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


def test_info_lists_the_columns_of_a_table(run, customers):
    text = run("info", customers / "vae.skvae").out
    frame = customers_frame()
    whole, real, since = (frame[name] for name in ("age", "owes", "since"))
    assert text.splitlines()[-6:] == [
        "columns:",
        "  plan   level     basic, plus",
        f"  age    whole     {whole.min()} to {whole.max()}",
        f"  owes   real      {real.min():g} to {real.max():g}",
        "  vip    level     False, True",
        f"  since  datetime  {since.min().date()} to {since.max().date()}",
    ]
    record = json.loads(run("info", customers / "vae.skvae", "--json").out)
    assert record["columns"][0] == {
        "name": "plan",
        "kind": "level",
        "type": str(record["columns"][0]["type"]),
        "values": "basic, plus",
    }
    assert [column["type"] for column in record["columns"]][1:4] == ["int64", "float64", "bool"]


def test_info_shows_a_few_of_many_levels_and_the_value_of_a_constant(run, fit, elsewhere):
    lines = [f"x{number % 8},5,{number % 3}" for number in range(40)]
    (elsewhere / "t.csv").write_text("\n".join(["a,b,c", *lines]))
    fit("m", "--data", "t.csv", "--prior", "normal")
    text = run("info", "m").out
    assert "  a  level     x0, x1, x2, x3, x4, x5, …" in text
    assert "  b  constant  5\n" in text


def test_one_long_name_does_not_make_every_line_long(run, fit, elsewhere):
    names = ["a" * 5000, *(f"x{i}" for i in range(20))]
    rows = [f"t{i % 3}," + ",".join(str(i * j % 5) for j in range(1, 21)) for i in range(20)]
    (elsewhere / "t.csv").write_text("\n".join([",".join(names), *rows]))
    fit("m", "--data", "t.csv", "--prior", "normal")
    text = run("info", "m").out
    assert "a" * 5000 in text
    assert len(text) < 15_000


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


def test_info_of_an_imputer_names_the_columns_with_gaps(run, fit, elsewhere):
    (elsewhere / "gaps.csv").write_text("a,b,c\n1,2.5,3\n3,,4\n5,6.5,\n")
    (elsewhere / "whole.csv").write_text("a,b\n1,2.5\n3,4\n5,6.5\n")
    fit("m", "--imputer", "gaps.csv", "--n-estimators", 2)
    assert "gaps in     b, c\nmodels      2\n" in run("info", "m").out
    assert json.loads(run("info", "m", "--json").out)["gaps"] == ["b", "c"]
    fit("m", "--imputer", "whole.csv")
    assert "gaps in     no column\n" in run("info", "m").out
    fit("m", "whole.csv")
    assert "gaps in" not in run("info", "m").out
