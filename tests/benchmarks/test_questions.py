"""Every benchmark runs on a tiny setting and writes the columns of its table.

The figures of such a setting mean nothing; no test depends on how fast anything was.
"""

import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.model_selection import train_test_split

from benchmarks import defaults
from skvae import VAETransformer
from skvae.networks import MLP

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a script in this process and returns its output."""
    monkeypatch.syspath_prepend(BENCHMARKS)  # as Python does for a script

    def run(script, *options):
        monkeypatch.setattr(sys, "argv", [script, *map(str, options)])
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        return capsys.readouterr().out

    return run


def run_process(script, *options):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, options)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def rows_of(tmp_path):
    """Return a function that runs a script and returns the rows of its JSON."""

    def rows_of(run, script, *options):
        file = tmp_path / "table.json"
        printed = run(script, *options, "--json", file)
        record = json.loads(file.read_text())
        assert record["title"] in printed
        assert record["environment"]["threads"] >= 1
        return record["rows"]

    return rows_of


def assert_columns(rows, names):
    assert [list(row) for row in rows] == [names] * len(rows)


def assert_positive(rows, *names):
    """Check figures and spreads: median, lowest, highest."""
    for value in (row[name] for row in rows for name in names):
        for figure in value if isinstance(value, list) else [value]:
            assert 0 < figure < math.inf


def test_small_data_compares_equal_numbers_of_steps(run, rows_of):
    rows = rows_of(run, "small_data.py", "--repeats", 1, "--max-epochs", 1)
    assert [row["contestant"] for row in rows] == ["bare loop", "skvae"]
    assert_columns(rows, ["contestant", "seconds", "steps", "µs per step", "ratio"])
    assert_positive(rows, "seconds", "µs per step", "ratio")
    assert {row["steps"] for row in rows} == {29}  # 1,797 rows in batches of 64
    assert rows[0]["ratio"] == [1, 1, 1]


def test_scaling_answers_every_question_with_an_exponent(run, rows_of):
    sizes = {
        "rows": [64, 256],
        "epochs": [1, 2],
        "features": [8, 16],
        "latents": [2, 4],
        "batches": [32, 64],
    }
    options = [word for name, values in sizes.items() for word in (f"--{name}", *values)]
    options += ["--repeats", 1, "--base-rows", 128, "--data", "noise"]
    rows = rows_of(run, "scaling.py", *options)
    assert_columns(rows, ["question", "size", "seconds", "low", "high", "exponent"])
    assert_positive(rows, "seconds", "low", "high")
    for name, values in sizes.items():
        found = [row for row in rows if row["question"] == name]
        assert [row["size"] for row in found] == values
        growth = found[1]["seconds"] / found[0]["seconds"]
        assert found[0]["exponent"] == pytest.approx(math.log(growth, values[1] / values[0]))


@pytest.mark.slow
def test_small_fits_are_compared_by_the_step_and_as_a_whole(run, rows_of):
    options = ("--widths", 8, "--steps", 3, "--tables", "iris", "--repeats", 1)
    rows = rows_of(run, "small.py", *options)
    assert_columns(rows, ["table", "transformer", "detector", "IsolationForest"])
    assert_positive(rows, "transformer", "detector", "IsolationForest")


@pytest.mark.slow
def test_sparse_rows_are_compared_with_dense_ones_and_singular_vectors(rows_of):
    sizes = ("--rows", 200, "--features", 100, "--dense-features", 50, "--epochs", 1)
    sizes = (*sizes, "--density", 0.1, "--embedding-epochs", 2)
    rows = rows_of(run_process, "sparse.py", *sizes)
    assert_columns(rows, ["embedding", "accuracy"])
    assert_positive(rows, "accuracy")


@pytest.mark.slow
def test_rows_on_disk_are_compared_with_rows_in_memory(rows_of):
    rows = rows_of(run_process, "disk.py", "--rows", 2000, "--features", 8, "--repeats", 1)
    assert_columns(rows, ["rows", "seconds", "rows/s", "added MB", "log-likelihood"])
    assert_positive(rows, "seconds", "rows/s")


@pytest.mark.slow
def test_tables_with_text_on_disk_are_compared_with_tables_in_memory(rows_of):
    pytest.importorskip("pyarrow", reason="an optional dependency")
    sizes = ("--rows", 2000, "--features", 3, "--text", 2, "--repeats", 1)
    rows = rows_of(run_process, "disk.py", *sizes)
    assert [row["rows"] for row in rows] == ["table in memory", "table in Parquet"]
    assert_positive(rows, "seconds", "rows/s")


@pytest.mark.slow
def test_one_process_is_compared_with_two(rows_of):
    sizes = ("--rows", 200, "--widths", 16, "--batch-sizes", 50, "--repeats", 1, "--data", "noise")
    rows = rows_of(run_process, "data_parallel.py", *sizes)
    assert_columns(rows, ["width", "batch", "processes", "rows/s", "seconds", "difference"])
    assert_positive(rows, "rows/s")
    assert float(rows[1]["difference"]) < 1e-5


def test_a_plan_adds_the_time_of_sending_to_that_of_computing(run, rows_of):
    sizes = ("--rows", 7200, "--features", 4, "--batch", 64, "--workers", 1, 4, "--repeats", 1)
    one, four = rows_of(run, "plan.py", *sizes, "--bandwidth", 8e-3, "--latency", 0)
    assert_positive([one, four], "compute, ms", "rows/s", "hours per epoch")
    assert [row["rows per worker"] for row in (one, four)] == [64, 16]
    assert one["sent, MB"] == one["send, ms"] == 0
    assert four["send, ms"] == pytest.approx(1e3 * four["sent, MB"])  # 8e-3 Gbit/s are a MB/s
    seconds = (four["compute, ms"] + four["send, ms"]) / 1e3
    assert four["rows/s"] == pytest.approx(64 / seconds)
    assert four["hours per epoch"] == pytest.approx(2 / four["rows/s"])


def test_an_unknown_question_about_scaling_ends_the_script(run):
    with pytest.raises(SystemExit, match="must be of rows, epochs.*got colours"):
        run("scaling.py", "--questions", "colours")


def test_inference_asserts_equal_values_and_finds_the_best_chunk(run, rows_of, tmp_path):
    options = ("--rows", 64, "--chunk-rows", 64, "--chunks", 16, 32, "--repeats", 1)
    rows = rows_of(run, "inference.py", *options, "--data", "noise")
    chunks = json.loads((tmp_path / "table-chunks.json").read_text())["rows"]
    assert_columns(rows, ["network", "method", "rows/s", "bare rows/s", "ratio", "bare chunk"])
    assert_columns(chunks, ["network", "method", "16", "32"])
    assert_positive(rows, "rows/s", "bare rows/s", "ratio")
    assert_positive(chunks, "16", "32")
    assert len(rows) == len(chunks) == 2 * 5
    for row, times in zip(rows, chunks, strict=True):
        assert (row["network"], row["method"]) == (times["network"], times["method"])
        assert row["bare chunk"] == (16 if times["16"] <= times["32"] else 32)


def test_initial_weights_of_torch_have_the_shapes_of_the_default_and_nonzero_biases():
    shapes, biases = [], []
    for network in (MLP(), defaults.TorchInitialized()):
        parts = network.build_encoder(4, 6), network.build_decoder(3, 8, 4)
        shapes.append([weights.shape for part in parts for weights in part.parameters()])
        biases.append(torch.cat([layer.bias for part in parts for layer in part[::2]]))
    assert shapes[0] == shapes[1]
    assert (biases[0] == 0).all()
    assert (biases[1] != 0).all()


def test_the_table_of_defaults_has_means_and_gaps_of_all_seeds(monkeypatch, capsys):
    scores = {(0, "load_iris"): [3, 1, 0], (1, "load_iris"): [5, 1.5, 1]}
    monkeypatch.setattr(
        defaults, "_table_scores", lambda load, seed: scores.get((seed, load.__name__), [0, 0, 0])
    )
    defaults.tables(2)
    iris = capsys.readouterr().out.splitlines()[-3]
    assert iris.split() == ["iris", "4.00", "1.25", "0.50", "+2.00", "+3.50"]


def test_defaults_are_scored_on_held_out_rows_beside_factor_analysis_and_pca(monkeypatch):
    linear = MLP(hidden_layer_sizes=())
    monkeypatch.setattr(
        defaults,
        "VAETransformer",
        lambda n, random_state: VAETransformer(
            n, network=linear, max_epochs=1, random_state=random_state
        ),
    )
    _, fa, pca = defaults._table_scores(load_iris, 0)
    X_train, X_test = train_test_split(load_iris().data, random_state=0)
    assert fa == pytest.approx(FactorAnalysis(2, max_iter=5000).fit(X_train).score(X_test))
    assert pca == pytest.approx(PCA(2).fit(X_train).score(X_test))


@pytest.mark.slow
def test_memory_of_a_fit_on_bytes_includes_a_copy_in_float32(rows_of):
    sizes = ("--rows", 20_000, "--repeats", 1, "--networks", "mlp", "--methods", "fit")
    rows = rows_of(run_process, "memory.py", *sizes, "--inputs", "uint8", "--data", "noise")
    columns = ["network", "method", "input", "rows", "added MB", "added bytes per row"]
    assert_columns(rows, columns)
    assert [row["input"] for row in rows] == ["float32", "uint8"]
    shared, copied = (row["added bytes per row"] for row in rows)
    assert copied - shared == pytest.approx(4 * 784, rel=0.3)


def test_table_speed_compares_libraries(run, rows_of):
    sizes = ("--rows", 2000, "--training-rows", 300, "--repeats", 1)
    rows = rows_of(run, "table_speed.py", *sizes)
    assert_columns(rows, ["library", "learn", "encode", "decode"])
    assert_positive(rows, "learn", "encode", "decode")
    assert [row["library"] for row in rows] == ["pandas", "polars", "pyarrow"]


@pytest.mark.slow
def test_startup_counts_modules_in_fresh_processes(rows_of):
    rows = rows_of(run_process, "startup.py", "--repeats", 1)
    assert_columns(rows, ["action", "seconds", "difference", "from", "modules", "torch._dynamo"])
    assert_positive(rows, "seconds", "modules")
    libraries, lazy, names, first_fit = rows
    assert libraries["difference"] == [0, 0, 0]
    assert lazy["modules"] < libraries["modules"] < names["modules"] < first_fit["modules"]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "n_files"), [(0, 0), (400, 1)])
def test_a_search_maps_large_data_once_for_all_workers(rows_of, rows, n_files):
    sizes = ("--rows", rows, "--n-components", 2, 3, "--max-epochs", 1, "--folds", 2)
    options = (*sizes, "--repeats", 1, "--data", "noise")
    alone, workers = rows_of(run_process, "search.py", *options)
    columns = ["workers", "seconds", "first", "speed-up", "threads"]
    columns += ["files", "mapped MB", "peak MB of one"]
    assert_columns([alone, workers], columns)
    assert_positive([alone, workers], "seconds", "first", "speed-up", "threads", "peak MB of one")
    assert (alone["workers"], workers["workers"]) == (1, 2)
    assert (alone["files"], workers["files"]) == (0, n_files)
    assert workers["threads"] <= max(1, (os.cpu_count() or 1) // 2)
    assert workers["mapped MB"] == pytest.approx(rows * 784 * 4 / 2**20, abs=0.01)


def test_the_gpu_benchmark_ends_with_one_line_if_there_is_no_gpu(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run("gpu.py").startswith("No GPU: ")


def test_overlapping_spans_on_the_gpu_count_once(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    covered = runpy.run_path(str(BENCHMARKS / "gpu.py"))["covered"]
    assert covered([(5, 6), (0, 2), (1, 3), (1.5, 2)]) == 4
    assert covered([]) == 0
