"""Each benchmark runs as a user runs it, on a tiny setting, and writes the columns it promises.

What it measures there means nothing; no test looks at how fast anything was.
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

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *options):
    command = [sys.executable, str(BENCHMARKS / script), *map(str, options)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def answer(tmp_path):
    """Return a function that runs a benchmark and gives the rows of its JSON."""

    def answer(script, *options):
        file = tmp_path / "answer.json"
        printed = run(script, *options, "--json", file)
        record = json.loads(file.read_text())
        assert record["title"] in printed
        assert record["environment"]["threads"] >= 1
        return record["rows"]

    return answer


def assert_columns(rows, names):
    assert [list(row) for row in rows] == [names] * len(rows)


def assert_positive(rows, *names):
    """Check figures and spreads: median, lowest, highest."""
    for value in (row[name] for row in rows for name in names):
        for figure in value if isinstance(value, list) else [value]:
            assert 0 < figure < math.inf


def test_small_data_compares_as_many_steps(answer):
    rows = answer("small_data.py", "--repeats", 1, "--max-epochs", 1)
    assert [row["contestant"] for row in rows] == ["bare loop", "skvae"]
    assert_columns(rows, ["contestant", "seconds", "steps", "µs a step", "ratio"])
    assert_positive(rows, "seconds", "µs a step", "ratio")
    assert {row["steps"] for row in rows} == {29}  # 1,797 rows in batches of 64
    assert rows[0]["ratio"] == [1, 1, 1]


def test_scaling_answers_every_question_with_an_exponent(answer):
    sizes = {
        "rows": [64, 256],
        "epochs": [1, 2],
        "features": [8, 16],
        "latents": [2, 4],
        "batches": [32, 64],
    }
    options = [word for name, values in sizes.items() for word in (f"--{name}", *values)]
    rows = answer("scaling.py", *options, "--repeats", 1, "--base-rows", 128, "--data", "noise")
    assert_columns(rows, ["question", "size", "seconds", "low", "high", "exponent"])
    assert_positive(rows, "seconds", "low", "high")
    for name, values in sizes.items():
        found = [row for row in rows if row["question"] == name]
        assert [row["size"] for row in found] == values
        growth = found[1]["seconds"] / found[0]["seconds"]
        assert found[0]["exponent"] == pytest.approx(math.log(growth, values[1] / values[0]))


def test_scaling_refuses_a_question_it_does_not_know():
    with pytest.raises(AssertionError, match="knows rows, epochs.*not colours"):
        run("scaling.py", "--questions", "colours")


def test_inference_compares_equal_values_and_names_the_best_chunk(answer, tmp_path):
    options = ("--rows", 64, "--chunk-rows", 64, "--chunks", 16, 32, "--repeats", 1)
    rows = answer("inference.py", *options, "--data", "noise")
    chunks = json.loads((tmp_path / "answer-chunks.json").read_text())["rows"]
    assert_columns(rows, ["network", "method", "rows/s", "bare rows/s", "ratio", "bare chunk"])
    assert_columns(chunks, ["network", "method", "16", "32"])
    assert_positive(rows, "rows/s", "bare rows/s", "ratio")
    assert_positive(chunks, "16", "32")
    assert len(rows) == len(chunks) == 2 * 5
    for row, times in zip(rows, chunks, strict=True):
        assert (row["network"], row["method"]) == (times["network"], times["method"])
        assert row["bare chunk"] == (16 if times["16"] <= times["32"] else 32)


@pytest.mark.slow
def test_memory_of_a_fit_on_bytes_includes_a_copy_in_float32(answer):
    sizes = ("--rows", 20_000, "--repeats", 1, "--networks", "mlp", "--methods", "fit")
    rows = answer("memory.py", *sizes, "--inputs", "uint8", "--data", "noise")
    assert_columns(rows, ["network", "method", "input", "rows", "added MB", "added bytes a row"])
    assert [row["input"] for row in rows] == ["float32", "uint8"]
    shared, copied = (row["added bytes a row"] for row in rows)
    assert copied - shared == pytest.approx(4 * 784, rel=0.3)


@pytest.mark.slow
def test_startup_counts_modules_in_fresh_processes(answer):
    rows = answer("startup.py", "--repeats", 1)
    assert_columns(rows, ["what", "seconds", "difference", "from", "modules", "torch._dynamo"])
    assert_positive(rows, "seconds", "modules")
    libraries, lazy, names, first_fit = rows
    assert libraries["difference"] == [0, 0, 0]
    assert lazy["modules"] < libraries["modules"] < names["modules"] < first_fit["modules"]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "n_files"), [(0, 0), (400, 1)])
def test_a_search_maps_large_data_once_for_all_workers(answer, rows, n_files):
    sizes = ("--rows", rows, "--n-components", 2, 3, "--max-epochs", 1, "--folds", 2)
    alone, workers = answer("search.py", *sizes, "--repeats", 1, "--data", "noise")
    columns = ["workers", "seconds", "first", "speed-up", "threads"]
    columns += ["files", "mapped MB", "peak MB of one"]
    assert_columns([alone, workers], columns)
    assert_positive([alone, workers], "seconds", "first", "speed-up", "threads", "peak MB of one")
    assert (alone["workers"], workers["workers"]) == (1, 2)
    assert (alone["files"], workers["files"]) == (0, n_files)
    assert workers["threads"] <= max(1, (os.cpu_count() or 1) // 2)
    assert workers["mapped MB"] == pytest.approx(rows * 784 * 4 / 2**20, abs=0.01)


def test_gpu_says_in_one_line_that_there_is_none():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert run("gpu.py").startswith("No GPU: ")


def test_a_gpu_is_busy_once_where_two_kernels_overlap(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    covered = runpy.run_path(str(BENCHMARKS / "gpu.py"))["covered"]
    assert covered([(5, 6), (0, 2), (1, 3), (1.5, 2)]) == 4
    assert covered([]) == 0
