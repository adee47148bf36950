"""Frames of three libraries and arrays are read as numbers and codes of the same columns."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skvae.metrics import table_quality
from skvae.metrics._coded_tables import as_dates, names_of_codes, read_tables

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def customers(n_rows, seed):
    """Columns of a table: text, booleans, numbers with gaps, dates, one value for all."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["Bern", "Köln", "Wien"], n_rows)
    age = rng.integers(18, 90, n_rows)
    return {
        "city": city.tolist(),
        "member": (age > 50).tolist(),
        "age": age.tolist(),
        "bill": [None if x < 0.1 else 100 * x for x in rng.uniform(size=n_rows).tolist()],
        "since": (np.datetime64("2020-01-01", "us") + rng.integers(0, 999, n_rows)).tolist(),
        "country": ["EU"] * n_rows,
    }


@pytest.fixture(params=LIBRARIES)
def frames(request):
    """Real and held-out rows in one library, synthetic ones in pandas."""
    make = LIBRARIES[request.param]
    return make(customers(200, 0)), pd.DataFrame(customers(150, 1)), make(customers(120, 2))


def test_columns_are_numbers_and_codes_of_levels(frames):
    tables = read_tables(*frames)
    assert tables.names == ["city", "member", "age", "bill", "since", "country"]
    assert tables.is_level.tolist() == [True, True, False, False, False, True]
    expected = customers(150, 1)
    assert tables.synthetic[:, 2].tolist() == expected["age"]
    assert names_of_codes(tables.columns[0]) == ["Bern", "Köln", "Wien", "unseen levels"]
    names = np.array(["Bern", "Köln", "Wien"])
    assert names[tables.synthetic[:, 0].astype(int)].tolist() == expected["city"]
    missing = [value is None for value in expected["bill"]]
    assert np.isnan(tables.synthetic[:, 3]).tolist() == missing
    assert as_dates(tables.columns[4], tables.synthetic[:, 4]).tolist() == expected["since"]
    assert (len(tables.real), len(tables.holdout)) == (200, 120)


def test_frames_are_compared_by_their_names(frames):
    real, synthetic, holdout = frames
    quality = table_quality(real, synthetic, target="member", holdout=holdout, random_state=0)
    assert quality.shape > 0.9
    assert quality.column_shapes["country"] == 1
    assert quality.pair_trends["member", "age"] > 0.85
    assert quality.pair_trends["city", "country"] == pytest.approx(quality.column_shapes["city"])
    assert min(quality.tstr, quality.trtr) > 0.97  # by age
    assert table_quality(real, synthetic, target=1, holdout=holdout, random_state=0) == quality


def test_unseen_levels_count_as_different():
    real, synthetic = (pd.DataFrame({"x": list(text)}) for text in ("aabbab", "aabbcc"))
    assert table_quality(real, synthetic).shape == pytest.approx(2 / 3)
    constant = pd.DataFrame({"x": list("aaa")})
    assert table_quality(constant, real).shape == pytest.approx(1 / 2)


def test_rare_levels_of_many_share_a_name():
    real = pd.DataFrame({"x": [f"level {i}" for i in range(300) for _ in range(3)]})
    names = names_of_codes(read_tables(real, real).columns[0])
    assert names[-2:] == ["other levels", "unseen levels"]
    assert len(names) == 101
    assert table_quality(real, real, random_state=0).shape == 1


def test_columns_may_have_names_that_are_not_text():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=[10, 11, "x"])
    quality = table_quality(frame, frame, target=11, holdout=frame, random_state=0)
    assert list(quality.column_shapes) == [10, 11, "x"]
    assert quality.tstr is not None


def test_errors_name_table_and_column(frames):
    real, synthetic, _ = frames
    with pytest.raises(ValueError, match=r"'synthetic' cannot be compared.*missing: \['age'\]"):
        table_quality(real, synthetic.drop(columns="age"))
    with pytest.raises(ValueError, match=r"'holdout' cannot be compared.*not seen.*: \['pet'\]"):
        table_quality(real, synthetic, holdout=synthetic.assign(pet="cat"))
    with pytest.raises(ValueError, match=r"'synthetic' cannot be.*'city'.*float64"):
        table_quality(real, synthetic.assign(city=1.5))
    with pytest.raises(ValueError, match="'synthetic' cannot be compared.*Expected a data frame"):
        table_quality(real, np.zeros((5, 6)))
    with pytest.raises(ValueError, match="'target' must be.*6 columns, such as 'city', got 'pet'"):
        table_quality(real, synthetic, target="pet")
    with pytest.raises(ValueError, match="'synthetic' has 2 rows"):
        table_quality(real, synthetic[:2])
    names = pd.DataFrame({"name": [f"customer {i}" for i in range(60)]})
    with pytest.raises(ValueError, match="'name' looks like identifiers"):
        table_quality(names, names)
