import json
import math

import numpy as np
import pandas as pd
import pytest

import skvae
from skvae.cli import _apply_commands
from skvae.cli._table_files import read_table


@pytest.fixture(scope="module")
def transformer(files):
    return skvae.load(files / "digits.skvae")


@pytest.fixture(scope="module")
def detector(files):
    return skvae.load(files / "iris.skvae")


@pytest.fixture(scope="module")
def iris(files):
    return pd.read_csv(files / "iris.csv").drop(columns="kind")


def test_transform_writes_the_embedding(run, files, transformer, digits, elsewhere):
    done = run("transform", files / "digits.skvae", "--data", "digits", "-o", "z.npy")
    assert done == (0, "", "")
    np.testing.assert_array_equal(np.load("z.npy"), transformer.transform(digits.data))
    run("transform", files / "digits.skvae", "--data", "digits", "-o", "z.csv", "--limit", 3)
    X, _, names, _ = read_table("z.csv", ".csv")
    np.testing.assert_array_equal(X, transformer.transform(digits.data[:3]))
    assert names == [*transformer.get_feature_names_out()]


def test_transform_embeds_by_a_detector_as_well(run, files, detector, iris, elsewhere):
    options = ("--data", files / "iris.csv", "-o", "z.npy")
    assert run("transform", files / "iris.skvae", *options) == (0, "", "")
    np.testing.assert_array_equal(np.load("z.npy"), detector.transform(iris))


def test_reconstruct_writes_rows_or_a_picture(run, files, detector, iris, elsewhere):
    command = ("reconstruct", files / "iris.skvae", "--data", files / "iris.csv", "-o")
    assert run(*command, "x.csv") == (0, "", "")
    X, _, names, _ = read_table("x.csv", ".csv")
    np.testing.assert_array_equal(X, detector.reconstruct(iris))
    assert names == ["sl", "sw", "pl", "pw"]
    record = json.loads(run(*command, "x.svg", "--json").out)
    assert record["n_rows"] == 24
    assert json.loads(run(*command, "x.svg", "--json", "--limit", 30).out)["n_rows"] == 30


def test_sample_writes_rows_or_a_picture(run, files, transformer, elsewhere):
    command = ("sample", files / "digits.skvae", "--random-state", 7)
    assert run(*command, "-o", "-").out.count("\n") == 2
    assert json.loads(run(*command, "-o", "x.png", "--json").out)["n_rows"] == 64


@pytest.mark.parametrize("mean", [False, True])
def test_sample_draws_rows_unless_means_are_asked_for(run, files, transformer, elsewhere, mean):
    command = ("sample", files / "digits.skvae", "--random-state", 7, "-n", 5, "-o", "x.npz")
    assert run(*command, *(["--mean"] if mean else [])) == (0, "", "")
    expected = transformer.sample(5, random_state=7, mean=mean)
    np.testing.assert_array_equal(np.load("x.npz")["X"], expected)


@pytest.mark.parametrize(
    ("model", "options", "mean"),
    [("digits", (), True), ("iris", (), False), ("iris", ("--mean",), True)],
)
def test_a_picture_shows_means_of_images_and_draws_of_tables(
    run, files, elsewhere, monkeypatch, model, options, mean
):
    shown = []
    write = _apply_commands.write_picture

    def write_and_record(path, display, dpi):
        shown.append(display.samples)
        write(path, display, dpi)

    monkeypatch.setattr(_apply_commands, "write_picture", write_and_record)
    command = ("sample", files / f"{model}.skvae", "--random-state", 7, "-n", 4, "-o", "x.png")
    assert run(*command, *options).code == 0
    expected = skvae.load(files / f"{model}.skvae").sample(4, random_state=7, mean=mean)
    np.testing.assert_array_equal(shown, [expected])


def test_score_prints_mean_and_standard_error(run, files, transformer, digits):
    scores = transformer.score_samples(digits.data)
    done = run("score", files / "digits.skvae", "--data", "digits", "--json")
    record = json.loads(done.out)
    assert record["mean"] == pytest.approx(scores.mean())
    assert record["standard_error"] == pytest.approx(np.std(scores, ddof=1) / math.sqrt(1797))
    assert "threshold" not in record
    text = run("score", files / "digits.skvae", "--data", "digits").out
    assert text.startswith(f"log_likelihood: {scores.mean():.6g} ± ")
    assert "1797 rows" in text


def test_score_of_a_detector_counts_the_outliers(run, files, detector, iris, elsewhere):
    command = ("score", files / "iris.skvae", "--data", files / "iris.csv")
    done = run(*command, "-o", "s.csv")
    table, _, names, _ = read_table("s.csv", ".csv")
    assert names == ["score", "prediction"]
    np.testing.assert_array_equal(table[:, 0], detector.score_samples(iris))
    np.testing.assert_array_equal(table[:, 1], detector.predict(iris))
    n_outliers = int((table[:, 1] < 0).sum())
    assert f"outliers: {n_outliers} of 150 rows" in done.out
    record = json.loads(run(*command, "--json").out)
    assert record["n_outliers"] == n_outliers == 15
    assert record["threshold"] == detector.offset_


def test_impossible_rows_are_outliers_and_not_in_the_mean(run, elsewhere, fit):
    lines = [f"{number % 7},{number % 2}" for number in range(40)]
    (elsewhere / "t.csv").write_text("\n".join(["visits,smokes", *lines]))
    fit("m.skvae", "--data", "t.csv", "--detector", "--likelihood", "mixed")
    known = json.loads(run("score", "m.skvae", "--data", "t.csv", "--json").out)
    assert known["n_impossible"] == 0
    (elsewhere / "t.csv").write_text("\n".join(["visits,smokes", *lines, "2.5,1", "99,no", "1,3"]))
    done = run("score", "m.skvae", "--data", "t.csv", "-o", "s.csv", "--json")
    record = json.loads(done.out)
    assert record["mean"] == pytest.approx(known["mean"])
    assert (record["n_rows"], record["n_impossible"]) == (43, 3)
    assert record["n_outliers"] == known["n_outliers"] + 3
    text = run("score", "m.skvae", "--data", "t.csv").out
    assert "left out of the mean: 3 rows with values that the likelihood does not accept" in text
    (elsewhere / "t.csv").write_text("visits,smokes\n1,3\n")
    record = json.loads(run("score", "m.skvae", "--data", "t.csv", "--json").out)
    assert (record["mean"], record["n_outliers"]) == (None, 1)


def test_the_standard_error_of_one_row_is_null_in_json(run, files):
    options = ("--data", files / "iris.csv", "--limit", 1, "--json")
    assert json.loads(run("score", files / "iris.skvae", *options).out)["standard_error"] is None


def test_scores_on_stdout_come_without_a_summary(run, files):
    options = ("--data", files / "iris.csv", "--limit", 2, "-o", "-")
    lines = run("score", files / "iris.skvae", *options).out.splitlines()
    assert lines[0] == "score,prediction"
    assert len(lines) == 3


def test_rows_with_another_number_of_features_are_refused(run, files, elsewhere):
    for verb in ("transform", "reconstruct", "score"):
        options = ("--data", files / "iris.csv", "--drop", "kind", "-o", "x.npy")
        done = run(verb, files / "digits.skvae", *options)
        assert done.code == 1
        assert "X has 4 features, but VAETransformer is expecting 64" in done.err
    assert list(elsewhere.iterdir()) == []


@pytest.mark.filterwarnings("default")
def test_rows_without_names_give_a_warning_if_the_model_has_names(run, files, iris, elsewhere):
    np.save("x.npy", iris.to_numpy())
    done = run("score", files / "iris.skvae", "--data", "x.npy", "--json")
    assert done.code == 0
    assert done.err.splitlines() == [
        "skvae: warning: X does not have valid feature names, but VAEAnomalyDetector was fitted "
        "with feature names"
    ]
    assert json.loads(done.out)["n_rows"] == 150
