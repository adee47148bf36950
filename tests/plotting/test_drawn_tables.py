"""Tables of any columns as arrays to draw."""

from datetime import date

import matplotlib.dates
import numpy as np
import pytest
from hypothesis import given, settings

from skvae.plotting._drawn_tables import DrawnColumn, read_drawn, row_names, with_few_levels
from tests._rows.frames import frames

pd = pytest.importorskip("pandas", reason="pandas is optional")


def test_arrays_and_frames_of_numbers_are_read_as_they_are():
    X = np.array([[1.0, np.nan], [2.5, 4.0]], dtype=np.float32)
    frame = pd.DataFrame(X, columns=["a", "b"])
    tables = read_drawn(X=X, other=frame)
    assert tables.are_numbers
    for array in tables.arrays:
        np.testing.assert_array_equal(array, X)
        assert array.dtype == np.float32


def test_levels_that_occur_have_codes_in_the_order_of_their_categories():
    sizes = pd.Categorical(["M", "S", None], categories=["S", "M", "XL", "L"])
    first = pd.DataFrame({"size": sizes, "is": [True, False, True], "x": [1, 2, 3]})
    second = first.assign(size=pd.Categorical(["L", "S", "S"], categories=["S", "M", "XL", "L"]))
    tables = read_drawn(first=first, second=second)
    assert tables.columns == (
        DrawnColumn("level", ("S", "M", "L")),
        DrawnColumn("level", ("False", "True")),
        DrawnColumn("number"),
    )
    np.testing.assert_array_equal(tables.arrays[0], [[1, 1, 1], [0, 0, 2], [np.nan, 1, 3]])
    np.testing.assert_array_equal(tables.arrays[1][:, 0], [2, 0, 0])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_dates_are_those_of_matplotlib(library):
    days = [date(1969, 12, 31), date(2026, 2, 1)]
    frame = pd.DataFrame({"day": pd.to_datetime(days), "wait": pd.to_timedelta([36, 0], "h")})
    if library != "pandas":
        module = pytest.importorskip(library, reason=f"{library} is optional")
        frame = module.from_pandas(frame) if library == "polars" else module.table(frame)
    [X] = read_drawn(X=frame).arrays
    np.testing.assert_array_equal(X[:, 0], matplotlib.dates.date2num(days))
    np.testing.assert_array_equal(X[:, 1], [1.5, 0])


@given(frames())
@settings(max_examples=25, deadline=None)
def test_any_frame_is_read(frame):
    [X] = read_drawn(X=frame).arrays
    assert X.shape == frame.shape


def test_tables_that_do_not_belong_together_raise():
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    with pytest.raises(ValueError, match="'Z' is an array, but 'X' is a data frame with columns"):
        read_drawn(X=frame, Z=np.ones((2, 2)))
    with pytest.raises(ValueError, match="'Z' has the columns .*'c'"):
        read_drawn(X=frame, Z=frame.rename(columns={"b": "c"}))
    with pytest.raises(ValueError, match="Column 'b' is of type int64 in one table and of type"):
        read_drawn(X=frame, Z=frame.assign(b=["1", "2"]))


def test_rows_have_the_labels_of_the_index_or_numbers():
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", 7])
    assert row_names(frame) == ["x", "7"]
    assert row_names(frame.to_numpy()) == ["0", "1"]


def test_rare_levels_of_many_are_drawn_as_one():
    levels = tuple("abcde")
    column, x = with_few_levels(
        DrawnColumn("level", levels), np.array([4, 4, 4, 1, 1, 0, 2, np.nan]), most=3
    )
    assert column.levels == ("b", "e", "others")
    np.testing.assert_array_equal(x, [1, 1, 1, 0, 0, 2, 2, np.nan])
    same, _ = with_few_levels(DrawnColumn("level", levels), np.array([0.0]), most=5)
    assert same.levels == levels
