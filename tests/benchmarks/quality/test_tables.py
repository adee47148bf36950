"""Models of tables draw rows of the same columns, and their scores are summarised."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def tables(script):
    return script("tables")


@pytest.fixture
def table():
    """Return rows of two groups, which every column tells apart."""
    rng = np.random.default_rng(0)
    is_old = rng.random(400) < 0.4
    return pd.DataFrame(
        {
            "age": np.where(is_old, 70, 30) + rng.integers(-9, 10, 400),
            "spent": np.where(is_old, 0.0, rng.gamma(2, 50, 400).round(2)),
            "retired": is_old,
            "club": np.where(is_old, "chess", "football"),
        }
    )


def consistent(frame):
    """Return the share of rows whose columns agree on the group."""
    is_old = frame[["retired"]].to_numpy()[:, 0].astype(bool)
    agree = ((frame["age"] > 50) == is_old) & ((frame["club"] == "chess") == is_old)
    return (agree & ((frame["spent"] == 0) == is_old)).mean()


def test_models_draw_the_values_and_types_of_the_training_rows(tables, table):
    for name in ("independent columns", "training rows", "SMOTE-like interpolation"):
        drawn = tables.MODELS[name](table, "club", 0)(300)
        assert list(drawn.columns) == list(table.columns), name
        assert (drawn.dtypes == table.dtypes).all(), name
        assert len(drawn) == 300
        assert drawn["club"].isin(table["club"]).all()
        assert drawn["age"].between(table["age"].min(), table["age"].max()).all()


def test_independent_columns_lose_the_groups_and_other_models_keep_them(tables, table):
    assert consistent(table) == 1
    independent = tables.independent_columns(table, "club", 0)(500)
    assert consistent(independent) == pytest.approx(0.6**4 + 0.4**4, abs=0.06)
    mixture = tables.mixture_of_products(table, "club", 0, n_components=5)(500)
    assert consistent(mixture) > 0.95
    assert (mixture.dtypes == table.dtypes).all()
    assert all(mixture[name].isin(table[name]).all() for name in table)
    assert mixture["retired"].mean() == pytest.approx(table["retired"].mean(), abs=0.07)
    assert consistent(tables.interpolation(table, "club", 0)(500)) > 0.95


def test_frequent_values_have_codes_of_their_own(tables, monkeypatch):
    monkeypatch.setattr(tables, "MOST_CODES", 10)
    values = np.concatenate([np.zeros(500), np.arange(1, 501)])
    codes = tables.coded(values)
    assert (codes[:500] == codes[0]).all()
    assert codes[0] not in codes[500:]
    assert (np.diff(codes) >= 0).all()  # in the order of the values
    assert np.array_equal(np.unique(codes), np.arange(codes.max() + 1))
    np.testing.assert_allclose(np.bincount(codes)[1:], 100, atol=1)  # a tenth of all rows each
    assert np.array_equal(tables.coded(np.array(["b", "a", "b"])), [1, 0, 1])


def test_codes_are_drawn_by_their_counts_and_stand_for_their_rows(tables):
    rng = np.random.default_rng(0)
    drawn = tables.drawn_codes(np.tile([1.0, 0.0, 3.0], (20_000, 1)), rng)
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.25, 0, 0.75], atol=0.02)
    codes = np.array([2, 0, 1, 0, 2, 2])
    new = rng.integers(3, size=3000)
    rows = tables.rows_of(codes, new, rng)
    assert (codes[rows] == new).all()
    np.testing.assert_allclose(
        np.bincount(rows[new == 2])[[0, 4, 5]] / (new == 2).sum(), 1 / 3, atol=0.06
    )


def test_interpolated_numbers_lie_between_neighbours(tables):
    table = pd.DataFrame({"x": [0.0, 1.0, 2.0, 100.0, 101.0, 102.0], "y": list("aaabbb")})
    drawn = tables.interpolation(table[:3], "y", 0)(200)
    assert drawn["x"].between(0, 2).all()
    assert drawn["x"].nunique() > 100


def test_rows_of_other_packages_get_the_types_of_the_training_rows(tables, table):
    others = pd.DataFrame(
        {
            "club": pd.Categorical(["chess", "football"]),
            "retired": ["True", "False"],
            "spent": [1, 2],
            "age": [30.6, 29.8],
        }
    )
    found = tables.like(table, others)
    assert (found.dtypes == table.dtypes).all()
    assert found.to_numpy().tolist() == [[31, 1.0, True, "chess"], [30, 2.0, False, "football"]]
    assert tables.like(table, table).equals(table)


def test_the_table_has_scores_of_each_model_and_published_ones(tables, table, monkeypatch, rows_of):
    monkeypatch.setitem(tables.TABLES, "adult", tables.Table("club"))
    monkeypatch.setattr(tables, "load", lambda name: table)
    monkeypatch.setattr(tables, "find_spec", lambda package: None)  # no XGBoost
    options = ("--tables", "adult", "--seeds", "2", "--models")
    rows = rows_of(tables, *options, "independent columns", "training rows")
    independent, training, *published = rows
    assert independent["model"] == "independent columns"
    assert independent["C2ST"][0] < 0.2 < 0.9 < training["C2ST"][0]
    assert independent["TSTR"][0] < training["TSTR"][0] == 1
    assert training["DCR share"][0] > 0.5
    assert {"Shape", "Trend", "seconds to fit", "to draw"} < set(independent)
    assert "C2ST, XGBoost" not in independent
    assert published[0]["model"] == "published: CTGAN"
    assert published[0]["TSTR"] == "0.862"


def test_codes_of_categories_are_text(tables, monkeypatch, tmp_path):
    monkeypatch.setenv("SKVAE_DATA", str(tmp_path))
    monkeypatch.setitem(tables.TABLES, "shops", tables.Table("open", ("region",)))
    (tmp_path / "tables").mkdir()
    frame = pd.DataFrame({"region": [3, 1], "sales": [2, 5], "open": [1, 0]})
    frame.to_csv(tmp_path / "tables" / "shops.csv.gz", index=False)
    found = tables.load("shops")
    assert found["sales"].tolist() == [2, 5]
    assert (found["region"].tolist(), found["open"].tolist()) == (["3", "1"], ["1", "0"])
