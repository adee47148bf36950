"""Turns alternate, ratios are taken round by round, and JSON holds the printed rows."""

import json
import sys
from argparse import Namespace

import pytest

from benchmarks._harness import Spread, arguments, environment, ratios, report, seconds, take_turns

FOUND = {"processor": "abacus", "threads": 1, "versions": {"beads": "1.0"}}


def test_the_order_is_reversed_from_round_to_round():
    order = []
    contestants = {name: lambda name=name: order.append(name) for name in "abc"}
    take_turns(contestants, repeats=3)
    assert order == [*"abc", *"cba", *"abc"]


def test_results_are_grouped_by_contestant_in_the_order_of_the_rounds():
    counts = {"a": iter([1, 2, 3]), "b": iter([10, 20, 30])}
    contestants = {name: lambda name=name: next(counts[name]) for name in counts}
    assert take_turns(contestants, repeats=3) == {"a": [1, 2, 3], "b": [10, 20, 30]}


def test_a_slow_round_cancels_in_the_ratios():
    assert ratios([1.0, 10.0, 3.0], [2.0, 20.0, 6.0]) == Spread(0.5, 0.5, 0.5)


def test_ratios_refuse_unequal_numbers_of_rounds():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratios([1.0, 2.0], [1.0])


def test_a_spread_is_median_minimum_and_maximum():
    spread = Spread.of([4.0, 1.0, 2.0, 3.0])
    assert spread == (2.5, 1.0, 4.0)
    assert str(spread) == "2.50 (1.00-4.00)"


def test_seconds_are_those_of_the_call(monkeypatch):
    clock = iter([5.0, 7.5])
    monkeypatch.setattr("benchmarks._harness.time.perf_counter", lambda: next(clock))
    assert seconds(lambda: None) == 2.5


def test_options_have_the_type_of_their_default(monkeypatch):
    line = "x --rows 5 --rate 0.5 --names a b --batch-size 7 --repeats 2"
    monkeypatch.setattr(sys, "argv", line.split())
    settings = arguments("text", rows=1, rate=1.0, names=["c"], batch_size=1, data=None, kept="k")
    assert vars(settings) == {
        "repeats": 2,
        "json": None,
        "rows": 5,
        "rate": 0.5,
        "names": ["a", "b"],
        "batch_size": 7,
        "data": None,
        "kept": "k",
    }


def test_the_table_has_one_line_per_row_and_blanks_for_missing_cells(capsys):
    rows = [{"name": "a", "count": 12345}, {"name": "bb", "share": 0.123456, "sum": 1234.56}]
    report("Beads", rows, Namespace(json=None), FOUND)
    _, title, machine, header, *lines = capsys.readouterr().out.splitlines()
    assert title == "Beads"
    assert machine == "abacus, 1 threads, beads 1.0"
    assert header.split() == ["name", "count", "share", "sum"]
    assert [line.split() for line in lines] == [["a", "12,345"], ["bb", "0.123", "1,234.6"]]
    assert lines[0].index("12,345") == header.index("count")


def test_json_holds_settings_machine_and_unrounded_rows(tmp_path):
    path = tmp_path / "result.json"
    rows = [{"name": "a", "seconds": Spread(1.25, 1.0, 2.0), "share": 0.123456}]
    report("Beads", rows, Namespace(json=path, rows=5), FOUND)
    assert json.loads(path.read_text()) == {
        "title": "Beads",
        "settings": {"rows": 5},
        "environment": FOUND,
        "rows": [{"name": "a", "seconds": [1.25, 1.0, 2.0], "share": 0.123456}],
    }


def test_the_environment_has_processor_threads_and_versions():
    import torch

    found = environment()
    assert found["processor"]
    assert found["threads"] == torch.get_num_threads()
    assert found["versions"]["torch"] == torch.__version__
