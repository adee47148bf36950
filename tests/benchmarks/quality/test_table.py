"""A figure is a mean with its standard error; a published figure keeps its digits."""

import json
from argparse import Namespace

import pytest

FOUND = {"processor": "abacus", "threads": 1, "versions": {}}


@pytest.fixture
def table(script):
    return script("_table")


def test_a_figure_is_the_mean_with_its_standard_error(table):
    figure = table.Figure.of([1.0, 2.0, 6.0])
    assert figure.mean == 3
    # squared deviations 4 + 1 + 9 over n - 1 = 2, the variance 7 over n = 3
    assert figure.standard_error == pytest.approx((7 / 3) ** 0.5)
    assert str(figure) == "3.00 ± 1.53"


def test_a_single_seed_has_no_standard_error(table):
    figure = table.Figure.of([98.765], digits=1)
    assert figure.standard_error is None
    assert str(figure) == "98.8"


def test_a_published_figure_keeps_its_digits_in_the_table(table, capsys, tmp_path):
    published = table.Published("IWAE", -84.78, "Burda et al. (2016)")
    row = published.row("nats")
    assert list(row) == ["model", "nats", "source"]
    assert row["model"] == "published: IWAE"
    path = tmp_path / "table.json"
    table.report("Nats", [row], Namespace(json=path), FOUND)
    assert "-84.78  Burda et al. (2016)" in capsys.readouterr().out
    assert float(json.loads(path.read_text())["rows"][0]["nats"]) == -84.78
