import io
import json
import signal
import sys

import numpy as np
import pandas as pd
import pytest

import skvae
from skvae.cli import main
from skvae.networks import MLP
from skvae.objectives import ELBO
from tests.cli.conftest import customers_frame

NETWORK = "MLP(hidden_layer_sizes=(16,))"
SMALL = ("--data", "digits", "--limit", 200, "--network", NETWORK, "--random-state", 0)


def small_model(digits, **options):
    network = MLP(hidden_layer_sizes=(16,))
    vae = skvae.VAETransformer(network=network, random_state=0, **options)
    return vae.fit(digits.data[:200])


def test_fit_saves_the_model_that_the_estimator_learns(run, elsewhere, digits):
    done = run("fit", *SMALL, "--max-epochs", 3, "--objective", "ELBO(beta=2)", "-o", "m.skvae")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("m.skvae: 16 components of 64 features, 200 rows, 3 epochs")
    expected = small_model(digits, max_epochs=3, objective=ELBO(beta=2))
    found = skvae.load("m.skvae")
    X = digits.data
    np.testing.assert_array_equal(found.transform(X), expected.transform(X))
    assert repr(found) == repr(expected)


def test_quiet_prints_nothing_and_json_prints_one_object(run, elsewhere):
    command = ("fit", *SMALL, "--max-epochs", 1, "-o", "m")
    assert run(*command, "--quiet") == (0, "", "")
    record = json.loads(run(*command, "--json").out)
    assert record["losses"].keys() == {"train_loss", "train_reconstruction", "train_kl"}
    assert record["losses"]["train_loss"] == skvae.load("m").history_["train_loss"][-1]
    assert (record["n_rows"], record["n_epochs"], record["interrupted"]) == (200, 1, False)


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_is_shown_on_a_terminal_unless_quiet(elsewhere, monkeypatch, quiet):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    options = ("--max-epochs", 1, "-o", "m", *(("--quiet",) if quiet else ()))
    assert main([str(word) for word in ("fit", *SMALL, *options)]) == 0
    assert ("epoch 1/1" in terminal.getvalue()) != quiet
    assert skvae.load("m").verbose == 0  # a parameter of the run, not of the model


def test_the_model_remembers_the_columns_of_a_table(files):
    detector = skvae.load(files / "iris.skvae")
    frame = pd.read_csv(files / "iris.csv").drop(columns="kind")
    assert detector.score_samples(frame).shape == (150,)
    with pytest.raises(ValueError, match="feature names should match"):
        detector.score_samples(frame[["sw", "sl", "pl", "pw"]])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--data", "none.npy"), 1, "none.npy: No such file or directory"),
        (("--data", "none.docx"), 2, "is not a known source"),
        (("--data", "bad.csv"), 1, "bad.csv has inf in row 2, column 'b'"),
        (("--data", "text.csv", "--likelihood", "gaussian"), 1, "not numeric: b ('x')"),
        (
            ("--data", "digits", "--max-epochs", "0"),
            2,
            "'0' is not an integer of at least 1, nor 'auto'",
        ),
        (
            ("--data", "digits", "--network", "__import__('os')"),
            2,
            "is not known here; expected auto, mlp",
        ),
        (("--data", "digits", "--network", "Conv(image_shape=(9, 9))"), 1, "64 features"),
        (("--data", "digits", "--device", "abacus"), 1, "device='abacus' cannot be used here"),
        (
            ("--data", "digits", "--likelihood", "bernoulli"),
            1,
            "in [0, 1], but column 2 of X",
        ),
        (("--data", "digits", "--learning-rate", "1e9"), 1, "NaN or infinite"),
        (("--data", "digits", "--contamination", "0.1"), 2, "add --detector"),
        (("--data", "digits", "--add-indicator"), 2, "applies to imputers only: add --imputer"),
        (("--data", "digits", "--imputer", "--detector"), 2, "not allowed with argument --imputer"),
        (("--data", "digits", "--resume"), 2, "--checkpoint-dir DIR"),
        (("--data", "digits", "--limit", "1"), 1, "minimum of 2 is required"),
        (("--data", "digits", "--limit", "0"), 2, "'0' is not an integer of at least 1"),
        (("--data", "digits", "--checkpoint-every", "x"), 2, "'x' is not an integer of at least 1"),
        (("--data", "digits", "--checkpoint-dir", "bad.csv"), 1, "bad.csv: File exists"),
        (("--data", "digits", "--keep-checkpoints", "0"), 2, "nor 'all'"),
        (
            ("--data", "digits", "--learning-rate", "-1"),
            2,
            "'learning_rate' parameter of VAETransf",
        ),
        ((), 2, "one of the arguments SOURCE --data is required"),
    ],
)
def test_an_error_is_one_line_and_nothing_is_written(run, elsewhere, options, code, message):
    (elsewhere / "bad.csv").write_text("a,b\n1,2\n3,inf\n")
    (elsewhere / "text.csv").write_text("a,b\n1,x\n")
    done = run("fit", *options, "-o", "m.skvae")
    first, *rest = done.err.splitlines()
    assert done.code == code
    assert done.out == ""
    assert first.startswith("skvae fit: error: ")
    assert message in first
    assert rest in ([], ["Try 'skvae fit --help'."])
    assert not (elsewhere / "m.skvae").exists()


def test_an_impossible_value_is_named_by_its_column(run, elsewhere):
    (elsewhere / "t.csv").write_text("kind,visits\nx,3\ny,30.5\n")
    options = ("--data", "t.csv", "--target", "kind", "--likelihood", "poisson", "-o", "m")
    assert "column 'visits' of X holds 30.5 in row 1, counted" in run("fit", *options).err


@pytest.mark.parametrize("columns", [(), ("--columns", "a,b"), ("--columns", "w,a,b")])
def test_a_column_of_weights_counts_the_rows(run, elsewhere, columns):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["a", "b"])
    weights = np.arange(30) % 3
    frame.assign(w=weights).to_csv("t.csv", index=False)
    command = ("fit", "--data", "t.csv", *SMALL[4:], "--max-epochs", 2, *columns)
    assert run(*command, "--sample-weight", "w", "-o", "m").code == 0
    vae = skvae.VAETransformer(network=MLP(hidden_layer_sizes=(16,)), random_state=0, max_epochs=2)
    vae.fit(frame, sample_weight=weights)
    np.testing.assert_array_equal(skvae.load("m").transform(frame), vae.transform(frame))


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("t.csv", "--sample-weight", "c"), 2, "weight c: no such column was read; there are a, b"),
        (("digits", "--sample-weight", "c"), 2, "there are none with a name"),
        (("t.csv", "--columns", "b", "--sample-weight", "b"), 2, "leaves no column to train on"),
        (("t.csv", "--sample-weight", "b"), 1, "Negative values in data passed to `sample_weight`"),
    ],
)
def test_wrong_columns_of_weights_are_refused(run, elsewhere, options, code, message):
    (elsewhere / "t.csv").write_text("a,b\n1,2\n3,-1\n4,1\n")
    done = run("fit", "--data", *options, "-o", "m")
    assert done.code == code
    assert message in done.err
    assert not (elsewhere / "m").exists()


def test_a_table_of_text_is_fitted_as_a_data_frame(run, elsewhere):
    frame = customers_frame()
    frame.to_csv("t.csv", sep=";", index=False)
    command = ("fit", "t.csv", "--id", "customer", *SMALL[4:], "--prior", "normal")
    done = run(*command, "--max-epochs", 1, "-o", "m")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("m: 16 components of 5 features, 60 rows")
    frame = frame.drop(columns="customer")
    network = MLP(hidden_layer_sizes=(16,))
    vae = skvae.VAETransformer(network=network, prior="normal", max_epochs=1, random_state=0)
    vae.fit(frame)
    found = skvae.load("m")
    np.testing.assert_array_equal(found.transform(frame), vae.transform(frame))
    assert repr(found) == repr(vae)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_numbers_can_be_declared_as_levels(run, elsewhere, ending):
    frame = pd.DataFrame({"zip": [3000, 8001, 1200] * 20, "age": np.arange(60)})
    if ending == "csv":
        frame.to_csv("t.csv", index=False)
    else:
        pytest.importorskip("pyarrow", reason="pyarrow is optional")
        frame.to_parquet("t.parquet", index=False)
    command = ("fit", f"t.{ending}", *SMALL[4:], "--prior", "normal", "--max-epochs", 1, "-o", "m")
    done = run(*command, "--likelihood", "Mixed(kinds={'zip': 'level'})")
    assert (done.code, done.err) == (0, "")
    assert run("sample", "m", "-n", 50, "-o", "new.csv").code == 0
    assert set(pd.read_csv("new.csv")["zip"]) == {3000, 8001, 1200}
    done = run(*command, "--likelihood", "Mixed(kinds={'zap': 'level'})")
    assert done.code == 1
    assert "'kinds' names columns that X lacks: 'zap'" in done.err


def test_weights_beside_text_count_the_rows(run, elsewhere):
    frame = customers_frame(30).drop(columns="customer")
    weights = np.arange(30) % 3
    frame.assign(w=weights).to_csv("t.csv", index=False)
    command = ("fit", "t.csv", *SMALL[4:], "--prior", "normal", "--max-epochs", 1, "-o", "m")
    assert run(*command, "--sample-weight", "w").code == 0
    network = MLP(hidden_layer_sizes=(16,))
    vae = skvae.VAETransformer(network=network, prior="normal", max_epochs=1, random_state=0)
    vae.fit(frame, sample_weight=weights)
    np.testing.assert_array_equal(skvae.load("m").transform(frame), vae.transform(frame))


def test_identifiers_are_refused_with_the_options_that_leave_them_out(run, elsewhere):
    customers_frame().rename(columns={"customer": "the id"}).to_csv("t.csv", index=False)
    done = run("fit", "t.csv", "-o", "m")
    assert done.code == 1
    assert done.err == (
        "skvae fit: error: Column 'the id' looks like identifiers or free text: 60 of 60 values "
        "are different, such as 'c000'. Leave it out with --drop 'the id', or with --id 'the id', "
        "which repeats it in the outputs of other commands\n"
    )


def test_words_are_numbers_to_a_likelihood_of_numbers(run, elsewhere):
    (elsewhere / "t.csv").write_text("a,b\n" + "1,yes\n0,no\n" * 9)
    command = ("fit", "t.csv", *SMALL[4:], "--max-epochs", 1, "-o", "m")
    assert run(*command, "--likelihood", "bernoulli").code == 0
    assert skvae.load("m").sample(1).shape == (1, 2)
    assert run(*command).code == 0
    assert set(skvae.load("m").sample(9)["b"]) <= {"yes", "no"}


def test_an_unwritable_output_is_refused_before_training(run, elsewhere, monkeypatch):
    monkeypatch.setattr(skvae.VAETransformer, "fit", lambda *args: pytest.fail("it trained"))
    done = run("fit", "--data", "digits", "-o", "nowhere/m.skvae")
    assert done.code == 1
    assert done.err == (
        "skvae fit: error: nowhere/m.skvae: cannot be written: the folder nowhere does not exist; "
        "create it first\n"
    )


def test_options_decide_which_checkpoints_are_kept(run, elsewhere, digits):
    command = ("fit", *SMALL, "-o", "m", "--max-epochs", 5, "--checkpoint-every", 2)
    run(*command, "--checkpoint-dir", "all", "--keep-checkpoints", "all")
    run(*command, "--checkpoint-dir", "two", "--keep-checkpoints", 2)
    names = [f"epoch-0000{epoch}.skvae" for epoch in (2, 4, 5)]
    assert sorted(path.name for path in (elsewhere / "all").iterdir()) == names
    assert sorted(path.name for path in (elsewhere / "two").iterdir()) == names[1:]
    done = run("transform", "two/epoch-00005.skvae", "--data", "digits", "-o", "z.npy")
    assert done.code == 0
    expected = skvae.load("m").transform(digits.data)
    np.testing.assert_array_equal(np.load("z.npy"), expected)
    assert json.loads(run("info", "two/epoch-00004.skvae", "--json").out)["n_epochs"] == 4


def test_checkpoints_of_another_fit_are_neither_overwritten_nor_resumed(run, elsewhere):
    command = ("fit", *SMALL, "-o", "m", "--checkpoint-dir", "ck", "--max-epochs", 2)
    done = run(*command, "--resume")
    assert (done.code, done.err) == (0, "skvae: no checkpoint in ck: starting from the beginning\n")
    done = run(*command)
    assert done.code == 2
    assert "ck already contains checkpoints: add --resume to continue" in done.err
    done = run(*command, "--resume", "--limit", 100)
    assert done.code == 1
    assert "was written for other rows" in done.err
    done = run(*command, "--resume", "--n-components", 3)
    assert "was written with n_components=16" in done.err
    assert run(*command, "--resume", "--max-epochs", 3).code == 0
    assert skvae.load("m").n_iter_ == 3


@pytest.fixture
def signal_at_step(monkeypatch):
    """Return a function that sends a signal to this process during its n-th training step."""
    evaluate = ELBO.__call__

    def plan(n, number):
        steps = iter(range(1, 10_000))

        def evaluate_and_signal(*args, **kwargs):
            if next(steps) == n:
                signal.raise_signal(number)
            return evaluate(*args, **kwargs)

        monkeypatch.setattr(ELBO, "__call__", evaluate_and_signal)

    return plan


def test_an_interrupted_fit_saves_the_completed_epochs(run, elsewhere, digits, signal_at_step):
    signal_at_step(7, signal.SIGTERM)  # in the second epoch of four steps
    done = run("fit", *SMALL, "--max-epochs", 4, "-o", "m", "--json")
    assert done.code == 143
    assert done.err == (
        "skvae: interrupted; m holds the model after epoch 1. A fit with --checkpoint-dir DIR can "
        "be resumed\n"
    )
    assert json.loads(done.out)["interrupted"]
    assert skvae.load("m").n_iter_ == 1


def test_a_fit_interrupted_in_its_first_epoch_writes_nothing(run, elsewhere, signal_at_step):
    signal_at_step(2, signal.SIGINT)
    done = run("fit", *SMALL, "-o", "m")
    assert done == (130, "", "skvae fit: interrupted; no output was written\n")
    assert list(elsewhere.iterdir()) == []


def test_a_resumed_detector_equals_that_of_an_uninterrupted_fit(
    run, elsewhere, digits, signal_at_step
):
    command = ("fit", *SMALL, "--detector", "--max-epochs", 4, "--checkpoint-dir", "ck")
    signal_at_step(10, signal.SIGINT)
    done = run(*command, "-o", "m")
    assert done.code == 130
    assert "after epoch 2. To continue, repeat the command with --resume" in done.err
    assert run(*command, "-o", "m", "--resume").code == 0
    network = MLP(hidden_layer_sizes=(16,))
    expected = skvae.VAEAnomalyDetector(network=network, random_state=0, max_epochs=4)
    X = digits.data[:200]
    np.testing.assert_array_equal(
        skvae.load("m").decision_function(X), expected.fit(X).decision_function(X)
    )
