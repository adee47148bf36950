"""Synthesizers draw rows of the same columns, and scores of both sides are compared."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def script_of_tables(script):
    return script("table_quality")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, 400)
    return pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Bern", "Wien"], 400),
            "hours": rng.integers(0, 60, 400),
            "income": np.where(age + rng.normal(size=400) > 50, ">50K", "<=50K"),
        }
    )


def test_a_split_keeps_every_row_once(script_of_tables, table):
    real, holdout = script_of_tables.split(table, seed=0)
    assert (len(real), len(holdout)) == (300, 100)
    both = pd.concat([real, holdout]).sort_values(list(table), ignore_index=True)
    pd.testing.assert_frame_equal(both, table.sort_values(list(table), ignore_index=True))


def test_synthetic_rows_hold_the_values_and_types_of_real_ones(script_of_tables, table):
    real, holdout = script_of_tables.split(table, seed=0)
    synthesizers = {
        **script_of_tables.SYNTHESIZERS,
        "clusters, 1,000": script_of_tables.shuffled_in_clusters(20),
    }
    for name, synthesize in synthesizers.items():
        synthetic = synthesize(real, holdout, np.random.default_rng(0))
        assert list(synthetic.columns) == list(table.columns), name
        assert (synthetic.dtypes == table.dtypes).all(), name
        for column in table:
            assert synthetic[column].isin(table[column]).all(), name
        if name != "held-out rows":
            assert len(synthetic) == len(real)


def test_columns_are_shuffled_and_cells_replaced(script_of_tables, table):
    rng = np.random.default_rng(0)
    shuffled = script_of_tables.shuffled(table, None, rng)
    assert all(sorted(shuffled[name]) == sorted(table[name]) for name in table)
    assert abs(shuffled.age.corr((shuffled.income == ">50K").astype(int))) < 0.15
    assert script_of_tables.with_new_cells(0)(table, None, rng).equals(table)
    tenth = script_of_tables.with_new_cells(0.1)(table, None, rng)
    assert 0.02 < (tenth != table).to_numpy().mean() < 0.12


@pytest.mark.parametrize("name", ["Gaussian copula", "trees"])
def test_models_keep_the_dependence_of_columns(script_of_tables, table, name):
    synthetic = script_of_tables.SYNTHESIZERS[name](table, None, np.random.default_rng(0))
    means = synthetic.groupby("income").age.mean()
    assert means[">50K"] - means["<=50K"] > 15


def test_a_summary_has_ours_and_theirs_and_their_agreement(script_of_tables):
    def case(ours, theirs):
        sides = {"ours": ours, "theirs": theirs}
        scores = {side: dict.fromkeys(script_of_tables.SCORES, x) for side, x in sides.items()}
        return scores | {"dcr share": 0.5}

    found = {("a", 0): case(0.1, 0.2), ("a", 1): case(0.3, 0.4), ("b", 0): case(0.9, 0.6)}
    rows = {row["synthesizer"]: row for row in script_of_tables.summaries(found)}
    assert rows["a"]["c2st"] == "0.200 / 0.300"
    assert rows["b"]["trend"] == "0.900 / 0.600"
    assert rows["rank correlation"]["shape"] == "1.000"
    assert rows["mean difference"]["shape"] == "0.167"
    assert rows["largest"]["shape"] == "0.300"


def test_without_the_other_packages_only_ours_are_shown(
    script_of_tables, rows_of, table, monkeypatch
):
    monkeypatch.setattr(script_of_tables, "load", lambda: table[:150])
    monkeypatch.setattr(script_of_tables, "has_them", lambda: False)
    rows = rows_of(script_of_tables, "--synthesizers", "shuffled columns", "training rows")
    assert [row["synthesizer"] for row in rows] == ["shuffled columns", "training rows"]
    assert [row["shape"] for row in rows] == ["1.000", "1.000"]
    assert rows[1]["DCR share"][0] > 0.55
