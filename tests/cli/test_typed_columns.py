import datetime as dt
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae._rows.table import TableSchema
from skvae.cli._typed_columns import typed_frame, value_of


def kinds_of(*cells, schema=None):
    return typed_frame({"a": cells}, schema)["a"]


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (("1", " -2 ", "+3"), "int64", [1, -2, 3]),
        (("1", "", "3"), "Int64", [1, pd.NA, 3]),
        (("1", "2.5"), "float64", [1, 2.5]),
        (("1e3", "NA"), "float64", [1000, np.nan]),
        (("True", "FALSE"), "bool", [True, False]),
        (("true", "null"), "boolean", [True, pd.NA]),
        (("yes", "no"), None, ["yes", "no"]),
        (("True", "1"), None, ["True", "1"]),
        (("x", "NA", " "), None, ["x", "NA", None]),
        (("", ""), None, [None, None]),
        (("2020-02-30", "2020-01-01"), None, ["2020-02-30", "2020-01-01"]),
        (("2020-01-01", "2020-01-01T10:00:00Z"), None, ["2020-01-01", "2020-01-01T10:00:00Z"]),
        (("2020-01", "2020-02"), None, ["2020-01", "2020-02"]),
    ],
)
def test_a_column_has_the_kind_of_all_its_cells(cells, dtype, values):
    series = kinds_of(*cells)
    assert dtype is None or str(series.dtype) == dtype
    pd.testing.assert_series_equal(
        series.astype(object).where(series.notna(), None),
        pd.Series(values, dtype=object, name="a").where(pd.notna(values), None),
    )


@pytest.mark.parametrize(
    ("cells", "zone", "last"),
    [
        (("2020-01-01", "2020-12-31"), None, "2020-12-31"),
        (("2020-01-01", "", "2020-12-31T10:30"), None, "2020-12-31 10:30"),
        (("2020-01-01 01:02:03.25", "2020-12-31"), None, "2020-12-31"),
        (("2020-01-01T00:00Z", "2020-06-01T12:00:00+02:00"), "UTC", "2020-06-01 10:00+00:00"),
    ],
)
def test_iso_dates_are_dates_and_those_with_an_offset_are_in_utc(cells, zone, last):
    series = kinds_of(*cells)
    assert series.dtype.kind == "M"
    assert (None if series.dt.tz is None else str(series.dt.tz)) == zone
    assert series.iloc[-1] == pd.Timestamp(last)
    assert series.isna().tolist() == [cell == "" for cell in cells]


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).map(
    "x".__add__
)
COLUMNS = {
    "int64": st.integers(-(10**17), 10**17),
    "float64": st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.5),
    "bool": st.booleans(),
    "datetime64[us]": st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    "text": WORDS,
}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_frame_that_pandas_writes_as_text_is_read_back(data):
    n_rows = data.draw(st.integers(1, 5))
    frame = pd.DataFrame(
        {
            kind: pd.Series(
                data.draw(st.lists(cells, min_size=n_rows, max_size=n_rows)),
                dtype=None if kind == "text" else kind,
            )
            for kind, cells in COLUMNS.items()
        }
    )
    text = {name: list(map(str, frame[name])) for name in frame}
    found = typed_frame(text)
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert [dtype.kind for dtype in found.dtypes] == [dtype.kind for dtype in frame.dtypes]


FRAME = pd.DataFrame(
    {
        "number": [1.5, 2.5],
        "level": ["1", "2"],
        "flag": [True, False],
        "day": pd.to_datetime(["2020-01-01", "2020-01-03"]),
        "time": pd.to_timedelta(["1 days", "3 days 02:00:00"]),
        "code": pd.Categorical([3, 7]),
    }
)


def test_the_kinds_of_a_model_decide_before_the_cells():
    schema = TableSchema.learn(FRAME)
    text = {name: list(map(str, FRAME[name])) for name in FRAME}
    np.testing.assert_array_equal(schema.encode(typed_frame(text, schema)), schema.encode(FRAME))
    gaps = typed_frame({name: [""] for name in FRAME}, schema)
    assert np.isnan(schema.encode(gaps)).all()


@pytest.mark.parametrize(
    ("name", "cells", "message"),
    [
        ("number", ["1", "", "old"], "column 'number' holds 'old' in row 3; expected numbers"),
        ("flag", ["maybe"], "column 'flag' holds 'maybe' in row 1; expected True and False"),
        ("day", ["2020-01-01", "soon"], "column 'day' holds 'soon' in row 2; expected dates"),
        ("day", ["2020-01-01", "", "2020-01-01T10:00Z"], "'2020-01-01T10:00Z' in row 3"),
        ("time", ["x"], "column 'time' holds 'x' in row 1; expected durations"),
    ],
)
def test_a_cell_of_another_kind_than_in_training_is_named(name, cells, message):
    columns = dict.fromkeys(FRAME, [""] * len(cells)) | {name: cells}
    with pytest.raises(ValueError, match=message):
        typed_frame(columns, TableSchema.learn(FRAME))


def test_decimal_commas_are_read_if_they_are_the_separator():
    frame = typed_frame({"a": ["1,5", "2"]}, decimal=",")
    assert frame["a"].tolist() == [1.5, 2]
    assert typed_frame({"a": ["1,5", "2"]})["a"].tolist() == ["1,5", "2"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", "2.5", 2.5),
        ("level", "2", "2"),
        ("level", "unseen", "unseen"),
        ("flag", "true", True),
        ("day", "2020-01-02", pd.Timestamp("2020-01-02")),
        ("time", "2 days", pd.Timedelta("2 days")),
        ("code", "7", 7),
    ],
)
def test_a_text_is_the_value_that_the_column_holds(name, text, value):
    columns = {column.name: column for column in TableSchema.learn(FRAME).columns}
    assert value_of(text, columns[name]) == value


def test_without_pandas_the_error_tells_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs .*'pandas'.*skvae\[tables\]"):
        typed_frame({"a": ["x"]})
