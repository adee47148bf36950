import json
import math
import re

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

import skvae
from skvae.cli import _apply_commands
from skvae.cli._table_files import read_table
from skvae.networks import MLP


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


@pytest.mark.parametrize("verb", ["transform", "reconstruct"])
def test_large_arrays_go_from_file_to_file(run, files, transformer, digits, monkeypatch, verb):
    monkeypatch.setattr("skvae.cli._sources._MOST_READ", 100)
    monkeypatch.setattr("skvae._rows.source.MOST_DENSE", 0)
    monkeypatch.setattr("skvae._rows.source._BLOCK_VALUES", 64 * 100)
    monkeypatch.setattr("skvae.cli._apply_commands.write_rows", None)  # writes arrays in memory
    np.save(files / "large.npy", digits.data)
    output = files / "out.npy"
    done = run(verb, files / "digits.skvae", "--data", files / "large.npy", "-o", output)
    assert done == (0, "", "")
    np.testing.assert_allclose(np.load(output), getattr(transformer, verb)(digits.data), rtol=1e-9)


@pytest.mark.filterwarnings("always:X does not have valid feature names")
def test_large_arrays_of_models_of_frames_are_written_as_small_ones(run, monkeypatch, tmp_path):
    frame = pd.DataFrame({"n": np.arange(100) % 7, "x": np.arange(100) / 3})
    model = skvae.VAETransformer(1, network=MLP(hidden_layer_sizes=8), max_epochs=2).fit(frame)
    skvae.save(model, tmp_path / "m.skvae")
    np.save(tmp_path / "x.npy", frame.to_numpy(np.float32))
    outputs = tmp_path / "small.npy", tmp_path / "large.npy"
    for output, most_read in zip(outputs, (2**26, 100), strict=True):
        monkeypatch.setattr("skvae.cli._sources._MOST_READ", most_read)
        done = run("reconstruct", tmp_path / "m.skvae", "--data", tmp_path / "x.npy", "-o", output)
        assert done.err.count("X does not have valid feature names") == 1
    np.testing.assert_array_equal(*map(np.load, outputs))


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


@pytest.fixture(scope="module")
def new(customers):
    """New customers without their identifiers, as pandas reads them."""
    frame = pd.read_csv(customers / "new.csv", parse_dates=["since"])
    return frame.drop(columns="customer")


@pytest.fixture
def command(run, customers):
    """Apply a model of customers, write a table and return it as pandas reads it."""

    def apply(verb, model, *options, data=True, output="x.csv"):
        source = ("--data", customers / "new.csv") if data else ()
        done = run(verb, customers / f"{model}.skvae", *source, *options, "-o", output)
        assert (done.code, done.err) == (0, "")
        return (pd.read_parquet if "parquet" in output else pd.read_csv)(output)

    return apply


IDS = [f"c{number:03}" for number in range(12)]


def test_scores_are_explained_by_values_and_expected_values(command, customers, new, elsewhere):
    options = ("--id", "customer", "--explain", 3, "--p-values")
    found = command("score", "detector", *options)
    detector = skvae.load(customers / "detector.skvae")
    assert [*found][:4] == ["customer", "score", "prediction", "p_value"]
    assert found["customer"].tolist() == IDS
    np.testing.assert_array_equal(found["score"], detector.score_samples(new))
    np.testing.assert_array_equal(found["prediction"], detector.predict(new))
    np.testing.assert_array_equal(found["p_value"], detector.p_values(new))
    explained = detector.explain(new)
    for rank in (1, 2, 3):
        expected = explained.groupby("row").nth(rank - 1).reset_index()
        for name in ("feature", "value", "expected", "contribution"):
            texts = found[f"{name}_{rank}"].astype(expected[name].dtype)
            assert texts.tolist() == expected[name].tolist()
    assert found.loc[5, ["feature_1", "value_1"]].tolist() == ["owes", "9000.5"]
    assert "feature_4" not in found


def test_an_array_of_numbers_is_explained_as_well(run, files, detector, iris, elsewhere):
    options = ("--data", files / "iris.csv", "--id", "kind", "--explain", 1, "-o", "s.parquet")
    assert run("score", files / "iris.skvae", *options).code == 0
    found = pd.read_parquet("s.parquet")
    contributions = detector.explain(iris)
    assert next(iter(found)) == "kind"
    np.testing.assert_array_equal(found["contribution_1"], contributions.max(axis=1))
    assert (found["feature_1"] == iris.columns[contributions.argmax(axis=1)]).all()
    values = iris.to_numpy()[np.arange(150), contributions.argmax(axis=1)]
    np.testing.assert_array_equal(found["value_1"].astype(float), values)


def test_identifiers_are_the_first_column_of_outputs(command, customers, new, elsewhere):
    detector = skvae.load(customers / "detector.skvae")
    found = command("transform", "detector", "--id", "customer")
    assert found["customer"].tolist() == IDS
    np.testing.assert_array_equal(found.drop(columns="customer"), detector.transform(new))
    found = command("reconstruct", "vae", "--id", "customer", output="x.parquet")
    assert [*found] == ["customer", *new]
    assert found["customer"].tolist() == IDS
    expected = skvae.load(customers / "vae.skvae").reconstruct(new)
    pd.testing.assert_frame_equal(found[[*new]], expected)


@pytest.mark.parametrize("output", ["x.csv", "x.tsv.gz", "x.parquet"])
def test_samples_are_written_with_the_columns_of_the_training_table(
    command, customers, new, elsewhere, output
):
    options = ("-n", 30, "--random-state", 7)
    command("sample", "vae", *options, data=False, output=output)
    read = pd.read_parquet if "parquet" in output else pd.read_csv
    settings = {"parse_dates": ["since"]} if read is pd.read_csv else {}
    separator = {"sep": "\t"} if "tsv" in output else {}
    found = read(output, **settings, **separator)
    expected = skvae.load(customers / "vae.skvae").sample(30, random_state=7)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    kinds = [dtype.kind for dtype in new.dtypes]
    assert [dtype.kind for dtype in found.dtypes] == kinds


def test_samples_have_the_given_values(command, customers, elsewhere):
    given = ("--given", "plan=plus", "--given", "vip=true", "--given", "age=40")
    found = command("sample", "vae", "-n", 9, "--random-state", 7, *given, data=False)
    values = {"plan": "plus", "vip": True, "age": 40}
    assert all((found[name] == value).all() for name, value in values.items())
    expected = skvae.load(customers / "vae.skvae").sample(9, random_state=7, given=values)
    assert found["owes"].tolist() == expected["owes"].tolist()


def test_samples_of_numbers_have_the_given_values(run, files, elsewhere):
    for model, name in (("iris", "sl"), ("digits", "x12")):
        options = ("-n", 3, "--given", f"{name}=5", "-o", "x.csv")
        assert run("sample", files / f"{model}.skvae", *options).code == 0
        assert pd.read_csv("x.csv")[name].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("sample VAE -o x.npy", 2, "x.npy cannot hold text or dates: name a file that ends in"),
        ("sample VAE -o x.csv --given plan", 2, "'plan' is not of the form NAME=VALUE"),
        ("sample VAE -o x.csv --given plan=gold", 1, "its levels are 'basic', 'plus'"),
        ("sample VAE -o x.csv --given colour=red", 1, "'given' has a value for 'colour', but the"),
        ("sample VAE -o x.csv --given age=old", 2, "age=old: column 'age' holds 'old'"),
        ("sample VAE -o x.png --given age=40", 2, "--given applies to rows, not to pictures"),
        ("sample VAE -o x.png --missing", 2, "--missing applies to rows, not to pictures"),
        ("sample VAE -o x.csv --missing", 1, "these had no missing values"),
        ("reconstruct VAE --data NEW -o x.npz", 2, "x.npz cannot hold text or dates"),
        ("transform VAE --data NEW --id customer -o x.npy", 2, "x.npy cannot hold identifiers"),
        ("transform VAE --data NEW --id age -o x.csv", 2, "--id age: the model was trained on"),
        ("transform VAE --data NEW --id name -o x.csv", 1, "new.csv has no column 'name'"),
        ("transform VAE --data digits --id age -o x.csv", 2, "--id applies to .csv and .parquet"),
        ("score VAE --data NEW --explain 3 -o x.csv", 2, "--explain: .* is not a detector"),
        ("score VAE --data NEW --p-values -o x.csv", 2, "--p-values: .* is not a detector"),
        ("score DETECTOR --data NEW --explain 3", 2, "--explain adds columns .*: add -o FILE"),
        ("score DETECTOR --data NEW --p-values", 2, "--p-values adds columns .*: add -o FILE"),
        ("score DETECTOR --data NEW --explain 3 -o x.npy", 2, "x.npy cannot hold explanations"),
        ("score DETECTOR --data few.csv", 1, "few.csv has no column 'since'"),
        ("score DETECTOR --data old.csv", 1, "old.csv: column 'age' holds 'old' in row 1"),
    ],
)
def test_options_that_do_not_fit_a_table_are_refused(
    run, customers, new, elsewhere, words, code, message
):
    new.head(1).drop(columns="since").to_csv("few.csv", index=False)
    new.head(1).assign(age="old").to_csv("old.csv", index=False)
    paths = {
        "VAE": customers / "vae.skvae",
        "DETECTOR": customers / "detector.skvae",
        "NEW": customers / "new.csv",
    }
    done = run(*(paths.get(word, word) for word in words.split()))
    assert (done.code, done.out) == (code, "")
    assert re.search(message, done.err)
    assert not any(elsewhere.glob("x.*"))


def test_p_values_are_left_out_with_a_word_if_there_is_no_calibration(run, files, elsewhere):
    options = ("--data", files / "iris.csv", "--p-values", "-o", "s.csv")
    done = run("score", files / "iris.skvae", *options)
    assert done.code == 0
    assert re.search("no p-values: .* fit it with --calibration-fraction 0.2", done.err)
    assert [*pd.read_csv("s.csv")] == ["score", "prediction"]


def test_a_name_that_the_output_already_has_is_refused(run, customers, elsewhere):
    frame = pd.read_csv(customers / "new.csv").rename(columns={"customer": "score"})
    frame.to_csv("t.csv", index=False)
    options = ("--data", "t.csv", "--id", "score", "-o", "x.csv")
    done = run("score", customers / "detector.skvae", *options)
    assert done.code == 2
    assert "two columns named 'score': choose another one with --id" in done.err


def test_an_unseen_level_is_an_outlier(run, customers, new, elsewhere):
    new.head(3).assign(plan=["basic", "gold", "plus"]).to_csv("t.csv", index=False)
    options = ("--data", "t.csv", "--explain", 1, "-o", "s.csv")
    assert run("score", customers / "detector.skvae", *options).code == 0
    row = pd.read_csv("s.csv").loc[1]
    assert (row["prediction"], row["feature_1"], row["value_1"]) == (-1, "plan", "gold")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_models_of_frames_of_other_libraries_are_applied(run, new, elsewhere, library):
    frame = pytest.importorskip(library)
    frame = frame.from_pandas(new) if library == "polars" else frame.Table.from_pandas(new)
    network = MLP(hidden_layer_sizes=(8,))
    vae = skvae.VAETransformer(2, network=network, prior="normal", max_epochs=1, random_state=0)
    skvae.save(vae.fit(frame), "m.skvae")
    new.assign(id=range(len(new))).to_csv("t.csv", index=False)
    assert run("reconstruct", "m.skvae", "--data", "t.csv", "--id", "id", "-o", "x.csv").code == 0
    found = pd.read_csv("x.csv", parse_dates=["since"])
    expected = vae.reconstruct(frame).to_pandas()
    pd.testing.assert_frame_equal(found[[*new]], expected, check_dtype=False)
    assert found["id"].tolist() == list(range(len(new)))


def test_a_feature_can_colour_a_picture(run, customers, elsewhere):
    source = ("--data", customers / "new.csv", "--target", "plan")
    done = run("plot", customers / "vae.skvae", "latent", *source, "-o", "x.svg")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("output", ["x.npy", "x.csv"])
def test_draws_of_frames_of_numbers_are_written_in_any_format(
    run, iris, elsewhere, library, output
):
    pytest.importorskip(library)
    frame = nw.from_dict(nw.from_native(iris).to_dict(), backend=library).to_native()
    vae = skvae.VAETransformer(2, network=MLP(hidden_layer_sizes=(8,)), max_epochs=1)
    skvae.save(vae.fit(frame), "m.skvae")
    assert run("sample", "m.skvae", "-n", 5, "--random-state", 3, "-o", output).code == 0
    found = np.load(output) if output == "x.npy" else pd.read_csv(output)
    np.testing.assert_array_equal(found, np.asarray(vae.sample(5, random_state=3)))


@pytest.fixture(scope="module")
def gaps(customers):
    """Customers of whom two cells in seven are missing, those of the identifiers excepted."""
    frame = pd.read_csv(customers / "customers.csv", dtype=str)
    missing = np.arange(frame.size).reshape(frame.shape) % 7 % 3 == 1
    missing[:, 0] = False
    frame.mask(missing).to_csv(customers / "gaps.csv", index=False)
    return frame.mask(missing)


@pytest.fixture(scope="module")
def imputer(customers, gaps, fit):
    options = ("--id", "customer", "--prior", "normal", "--n-components", 2)
    return fit(customers / "imputer.skvae", "--imputer", customers / "gaps.csv", *options)


def test_impute_fills_the_gaps_of_a_table_and_leaves_the_other_cells(
    run, customers, imputer, gaps, elsewhere
):
    options = ("--data", customers / "gaps.csv", "--id", "customer", "-o", "filled.csv")
    assert run("impute", imputer, *options) == (0, "", "")
    filled = pd.read_csv("filled.csv", dtype=str)
    assert not filled.isna().to_numpy().any()
    pd.testing.assert_frame_equal(filled.where(gaps.notna()), gaps)
    typed = pd.read_csv("filled.csv", parse_dates=["since"])
    types = [str(typed[name].dtype) for name in ("age", "owes", "vip")]
    assert types == ["int64", "float64", "bool"]
    frame = read_table(str(customers / "gaps.csv"), ".csv", text=True).X
    expected = skvae.load(imputer).transform(frame.drop(columns="customer"))
    assert typed.age.tolist() == expected.age.tolist()
    np.testing.assert_allclose(typed.owes, expected.owes)


def test_draws_follow_one_another_with_their_numbers(run, customers, imputer, gaps, elsewhere):
    command = ("impute", imputer, "--data", customers / "gaps.csv", "--id", "customer")
    command += ("--draws", 3, "--random-state", 0, "-o")
    record = json.loads(run(*command, "filled.csv", "--json").out)
    assert (record["n_rows"], record["n_columns"], record["n_draws"]) == (60, 5, 3)
    filled = pd.read_csv("filled.csv", dtype=str)
    assert filled.columns.tolist() == ["draw", *gaps.columns]
    assert filled.draw.tolist() == list(np.repeat(["1", "2", "3"], 60))
    copies = [
        copy.drop(columns="draw").reset_index(drop=True) for _, copy in filled.groupby("draw")
    ]
    assert len({copy.to_csv() for copy in copies}) == 3
    for copy in copies:
        pd.testing.assert_frame_equal(copy.where(gaps.notna()), gaps)
    run(*command, "again.csv")
    pd.testing.assert_frame_equal(pd.read_csv("again.csv", dtype=str), filled)
    run(*command, "filled.parquet")
    ages = pd.read_parquet("filled.parquet").age
    assert ages.tolist() == filled.age.astype(int).tolist()


def test_a_parquet_file_is_filled_by_a_model_of_text(run, customers, imputer, gaps, elsewhere):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is optional")
    cells = {"plan": ["plus", None], "age": [None, 30], "owes": [None, 9.5], "vip": [True, None]}
    table = pa.table(cells | {"since": pd.to_datetime(["2020-01-01", None])})
    pytest.importorskip("pyarrow.parquet").write_table(table, "t.parquet")
    assert run("impute", imputer, "--data", "t.parquet", "-o", "filled.parquet").code == 0
    filled = pytest.importorskip("pyarrow.parquet").read_table("filled.parquet")
    assert filled.schema.types == table.schema.types
    assert not any(column.null_count for column in filled.columns)
    assert filled["age"][1].as_py() == 30


@pytest.mark.parametrize("text", ["a,b\n1,2.5\n3,\n,4.5\n5,6.5\n", "1,2.5\n3,\n5,6.5\n"])
def test_numbers_with_gaps_are_filled_in_every_format(run, fit, elsewhere, text):
    (elsewhere / "t.csv").write_text(text)
    fit("m", "--imputer", "t.csv", "--n-components", 1)
    command = ("impute", "m", "--data", "t.csv")
    lines = run(*command, "-o", "-").out.splitlines()
    filled = np.array([[float(cell) for cell in line.split(",")] for line in lines[-3:]])
    last = text.split()[-3:]
    expected = np.array([[float(cell or "nan") for cell in line.split(",")] for line in last])
    np.testing.assert_array_equal(filled[~np.isnan(expected)], expected[~np.isnan(expected)])
    assert np.isfinite(filled).all()
    for name, key in (("x.npy", None), ("x.npz", "X")):
        assert run(*command, "-o", name).code == 0
        found = np.load(name) if key is None else np.load(name)[key]
        np.testing.assert_allclose(found[-3:], filled)
    assert run(*command, "--draws", 2, "-o", "x.npy").code == 0
    assert np.load("x.npy").shape == (2, len(lines) - 1, 2)


def test_other_models_take_tables_with_gaps(run, fit, elsewhere):
    (elsewhere / "whole.csv").write_text("a,b\n1,2.5\n3,4\n5,6.5\n")
    (elsewhere / "gaps.csv").write_text("a,b\n1,\nNA,4\n5,6.5\n")
    for trained_on in ("whole.csv", "gaps.csv"):
        fit("m", trained_on, "--n-components", 1)
        assert run("transform", "m", "--data", "gaps.csv", "-o", "z.csv") == (0, "", "")
        assert np.isfinite(np.loadtxt("z.csv", skiprows=1)).all()


def test_a_text_that_stands_for_gaps_is_that_of_the_model(run, fit, elsewhere):
    (elsewhere / "t.csv").write_text("kind,n\nx,1\n?,?\ny,3\nx,?\n")
    fit("m", "--imputer", "t.csv", "--missing-values", "?", "--prior", "normal")
    lines = run("impute", "m", "--data", "t.csv", "-o", "-").out.splitlines()
    assert (lines[0], lines[1], lines[3]) == ("kind,n", "x,1", "y,3")
    assert lines[2].split(",")[0] in ("x", "y")
    assert "?" not in "".join(lines)


def test_indicators_and_draws_of_the_imputer_are_written(run, fit, elsewhere):
    (elsewhere / "t.csv").write_text("a,b\n1,2.5\n3,\n5,6.5\n")
    fit("m", "--imputer", "t.csv", "--add-indicator", "--sample-posterior")
    lines = run("impute", "m", "--data", "t.csv", "-o", "-").out.splitlines()
    assert lines[0] == "a,b,missingindicator_b"
    assert [line.split(",")[2] for line in lines[1:]] == ["False", "True", "False"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("impute VAE --data GAPS -o x.csv", 2, "vae.skvae is not an imputer: fit one with --imput"),
        ("impute IMPUTER --data GAPS -o x.npy", 2, "x.npy cannot hold text or dates"),
        ("impute IMPUTER --data GAPS -o x.csv --draws 0", 2, "'0' is not an integer of at least 1"),
        ("impute IMPUTER --data GAPS -o x.csv --random-state 0", 2, "seed of draws: add --draws N"),
        ("transform IMPUTER --data GAPS -o x.csv", 2, "which fills gaps: use 'skvae impute'"),
        ("plot IMPUTER manifold -o x.png", 2, "plot manifold does not apply to imputers"),
        ("plot VAE imputations --data GAPS -o x.png", 2, "vae.skvae is not an imputer"),
    ],
)
def test_verbs_that_do_not_fit_a_model_are_refused(
    run, customers, imputer, elsewhere, words, code, message
):
    paths = {"VAE": customers / "vae.skvae", "IMPUTER": imputer, "GAPS": customers / "gaps.csv"}
    done = run(*(paths.get(word, word) for word in words.split()))
    assert done.code == code
    assert message in done.err
    assert not list(elsewhere.iterdir())


def test_a_column_of_the_number_of_a_draw_is_refused(run, fit, elsewhere):
    (elsewhere / "t.csv").write_text("draw,b\n1,2.5\n3,\n5,6.5\n")
    fit("m", "--imputer", "t.csv")
    done = run("impute", "m", "--data", "t.csv", "--draws", 2, "-o", "x.csv")
    assert done.code == 2
    assert "two columns named 'draw'" in done.err


def test_samples_may_have_the_gaps_of_the_training_rows(run, imputer, elsewhere):
    options = ("-n", 50, "--random-state", 0, "-o", "x.csv")
    assert run("sample", imputer, "--missing", *options).code == 0
    drawn = pd.read_csv("x.csv")
    assert 0 < drawn.isna().to_numpy().mean() < 0.5
    assert run("sample", imputer, *options).code == 0
    assert not pd.read_csv("x.csv").isna().to_numpy().any()


# Classes from few labels


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """Tables of two kinds of rows, with the labels of a fifth of them, and with all."""
    folder, rng = tmp_path_factory.mktemp("messages"), np.random.default_rng(0)
    spam = rng.random(100) < 0.5
    table = pd.DataFrame({"id": np.arange(100) + 500, "words": rng.normal(5 + 9 * spam, 1)})
    table["links"] = rng.normal(1 + 4 * spam, 0.5)
    table["class"] = np.where(spam, "spam", "ham")
    table.to_csv(folder / "all.csv", index=False)
    table.assign(**{"class": table["class"].where(table.index % 5 == 0)}).to_csv(
        folder / "few.csv", index=False
    )
    return folder


@pytest.fixture(scope="module")
def classifier(fit, messages):
    options = ("--target", "class", "--id", "id", "--n-components", 2, "--max-epochs", 300)
    return fit(messages / "m.skvae", "--classifier", messages / "few.csv", *options)


def test_classes_are_predicted_from_few_labels(run, messages, classifier, elsewhere):
    command = ("predict", classifier, "--data", messages / "all.csv", "--id", "id")
    done = run(*command, "--target", "class", "-o", "p.csv")
    truth, found = pd.read_csv(messages / "all.csv"), pd.read_csv("p.csv")
    assert found.columns.tolist() == ["id", "prediction", "probability_ham", "probability_spam"]
    assert found.id.tolist() == truth.id.tolist()
    accuracy = (found.prediction == truth["class"]).mean()
    assert accuracy > 0.95
    assert done == (0, f"accuracy: {accuracy:.4f} of the rows with labels\n", "")
    expected = skvae.load(classifier).predict_proba(truth[["words", "links"]])
    np.testing.assert_allclose(found[["probability_ham", "probability_spam"]], expected, rtol=1e-6)
    assert run(*command, "-o", "q.csv") == (0, "", "")
    pd.testing.assert_frame_equal(pd.read_csv("q.csv"), found)
    few = ("predict", classifier, "--data", messages / "few.csv", "--target", "class", "-o", "-")
    assert json.loads(run(*few[:-1], "r.csv", "--json").out)["accuracy"] > 0.95


def test_rows_of_a_class_are_drawn(run, classifier, elsewhere):
    command = ("sample", classifier, "-n", 30, "--random-state", 0, "-o", "x.csv", "--label")
    for label, is_right in (("spam", lambda words: words > 9), ("ham", lambda words: words < 9.5)):
        assert run(*command, label).code == 0
        assert is_right(pd.read_csv("x.csv").words).mean() > 0.8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit MESSAGES/few.csv --classifier -o x.skvae", "name their column with --target"),
        ("fit MESSAGES/few.csv --consistency 2 -o x.skvae", "--consistency applies to classifiers"),
        ("predict VAE --data digits -o x.csv", "is not a classifier: fit one with --classifier"),
        ("predict CLASSIFIER --data MESSAGES/all.csv -o x.npy", "x.npy cannot hold predictions"),
        ("sample CLASSIFIER --label eggs -o x.csv", "none of the classes of .*: ham, spam"),
        ("sample CLASSIFIER --label ham -o x.png", "--label applies to rows, not to pictures"),
        ("sample VAE --label 3 -o x.csv", "is not a classifier"),
    ],
)
def test_wrong_uses_of_classifiers_are_named(
    run, messages, classifier, files, elsewhere, words, message
):
    names = {"MESSAGES": messages, "CLASSIFIER": classifier, "VAE": files / "digits.skvae"}
    for name, path in names.items():
        words = words.replace(name, str(path))
    done = run(*words.split())
    assert done.code == 2
    assert re.search(message, done.err)
