"""Gaps of data frames: values that stand for them, and values that fill them."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.testing import assert_array_equal

from skvae._rows.frames import filled_frame, with_gaps
from skvae._rows.native import LIBRARIES as NATIVE
from skvae._rows.native import library_of
from skvae._rows.table import TableSchema

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

from tests._rows.frames import assert_same_frame, frames  # noqa: E402 - needs all three

nan = np.nan
quickly = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def fill(frame, filler):
    """Return the frame with the cells of another one, of any library, in its gaps."""
    every = np.arange(frame.shape[1])
    return filled_frame(frame, filler, gaps_of(frame), every, every[:0])


def gaps_of(frame):
    return np.isnan(TableSchema.learn(frame).encode(frame))


def cells(column):
    """Return Python values, with None for gaps."""
    values = column.to_pylist() if library_of_column(column) == "pyarrow" else list(column)
    return [None if value is pd.NA or value != value else value for value in values]


def library_of_column(column):
    return type(column).__module__.partition(".")[0]


def check_filled(frame):
    schema = TableSchema.learn(frame)
    X = schema.encode(frame)
    low = np.array([nan if column.low is None else column.low for column in schema.columns])
    filler = schema.decode(np.where(np.isnan(X), low, X))
    missing, every = np.isnan(X) & ~np.isnan(low), np.arange(len(low))
    filled = filled_frame(frame, filler, missing, every, every[:0])
    if isinstance(frame, pd.DataFrame):
        assert filled.index.equals(frame.index)
        assert filled.columns.equals(frame.columns)
        filled = filled.reset_index(drop=True)
    assert_same_frame(filled, filler)


@quickly
@given(frames())
def test_filled_frames_have_the_types_of_the_frame_and_its_observed_cells(frame):
    check_filled(frame)


@pytest.mark.slow
@settings(quickly, max_examples=1000)
@given(frames())
def test_a_thousand_filled_frames_have_the_types_of_the_frame_and_its_observed_cells(frame):
    check_filled(frame)


@pytest.mark.parametrize(
    ("column", "filler", "expected"),
    [
        (pd.Series([1, None], dtype="Int64"), pd.Series([0, 2]), "Int64"),
        (pd.Series([1, None], dtype="Int64"), pd.Series([0, 2.5]), "float64"),
        (pd.Series([1, None], dtype="Int8"), pd.Series([0, 300]), "int64"),
        (pd.Series([1.5, nan], dtype="float32"), pd.Series([0, 0.1]), "float32"),
        (pd.Series(["a", None], dtype="category"), pd.Series(["b", "c"], dtype="category"), ""),
        (pd.Series(["a", None], dtype="category"), pd.Series(["b", "c"]), ""),
        (pd.Series(["a", None], dtype=object), pd.Series(["b", "c"], dtype="category"), "object"),
        (pd.Series([True, None], dtype="boolean"), pd.Series([True, False]), "boolean"),
        (pd.Series([nan, nan]), pd.Series(["x", "y"]), ""),
        (pl.Series([1, None]), pl.Series([0.0, 2.5]), "Float64"),
        (pl.Series([1, None], dtype=pl.Int8), pl.Series([0, 300]), "Int64"),
        (pl.Series([1.5, None], dtype=pl.Float32), pl.Series([0.0, 0.1]), "Float32"),
        (pl.Series(["a", None], dtype=pl.Categorical), pl.Series(["b", "c"]), "Categorical"),
        (pl.Series(["a", None], dtype=pl.Enum(["z", "a"])), pl.Series(["b", "c"]), "Enum"),
        (pl.Series([None, None]), pl.Series(["x", "y"]), "String"),
        (pa.array([1, None]), pa.array([0, 2.5]), "double"),
        (pa.array([1, None], pa.int8()), pa.array([0, 300]), "int64"),
        (pa.array([1.5, None], pa.float32()), pa.array([0, 0.1]), "float"),
        (pa.array([None, None]), pa.array(["x", "y"]), "string"),
        (pa.array(["a", None]).dictionary_encode(), pa.array(["b", "c"]), "dictionary<"),
    ],
)
def test_columns_change_their_type_only_if_it_cannot_hold_a_value(column, filler, expected):
    library = NATIVE[library_of_column(column)]
    if library.name == "pyarrow":
        column, filler = pa.chunked_array([column]), pa.chunked_array([filler])
    chosen = np.array([value is None for value in cells(column)])
    filled = library.patched(column, filler, chosen)
    pairs = zip(chosen, cells(column), cells(filler), strict=True)
    values = [new if gap else old for gap, old, new in pairs]
    assert cells(filled) == (pytest.approx(values) if type(values[1]) is float else values)
    kind = filled.type if library.name == "pyarrow" else filled.dtype
    assert str(kind).startswith(expected)


def test_ordered_categories_keep_their_order():
    kind = pd.CategoricalDtype(["small", "large"], ordered=True)
    filled = fill(
        pd.DataFrame({"a": pd.Series(["large", None, "small"], dtype=kind)}),
        pd.DataFrame({"a": pd.Series(["small", "small", "small"], dtype=kind)}),
    )
    assert filled.a.dtype == kind
    assert filled.a.tolist() == ["large", "small", "small"]
    arrow = pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0], pa.int8()), pa.array(["small", "large"]), ordered=True
    )
    filled = fill(pa.table({"a": arrow}), pa.table({"a": pa.array(["small"] * 3)}))
    assert filled["a"].type == arrow.type
    assert filled["a"].to_pylist() == ["large", "small", "small"]


CELLS = {
    "number": ([1.5, None, 2.5], [0.0, 9.5, 0.0]),
    "whole": ([1, None, 3], [0, 9, 0]),
    "text": (["a", None, "c"], ["x", "b", "x"]),
    "truth": ([True, None, False], [True, True, True]),
    "day": ([date(2024, 1, 1), None, date(2024, 1, 3)], [date(2024, 1, 2)] * 3),
}
LIBRARIES = {
    "pandas": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "NumPy": pa.Table.to_pandas,
    "polars": pl.from_arrow,
    "pyarrow": lambda table: table,
}


@pytest.mark.parametrize("of", LIBRARIES)
@pytest.mark.parametrize("by", LIBRARIES)
def test_a_frame_may_be_filled_by_one_of_another_library(of, by):
    observed, filler = (
        pa.table({name: pair[place] for name, pair in CELLS.items()}) for place in (0, 1)
    )
    filled = fill(LIBRARIES[of](observed), LIBRARIES[by](filler))
    assert library_of(filled) is library_of(LIBRARIES[of](observed))
    found = {
        name: cells(column)
        for name, column in zip(CELLS, library_of(filled).columns(filled), strict=True)
    }
    expected = {name: [old[0], new[1], old[2]] for name, (old, new) in CELLS.items()}
    assert {name: list(map(plain, column)) for name, column in found.items()} == expected


def plain(value):
    return value.date() if isinstance(value, pd.Timestamp) else value


def test_columns_are_chosen_and_indicators_appended():
    frame = pd.DataFrame({"a": [1.0, nan], "b": ["x", None], "c": [nan, nan]}, index=[7, 3])
    filler = frame.fillna({"a": 2.0, "b": "y"})
    filled = filled_frame(frame, filler, gaps_of(frame), np.array([0, 1]), np.array([1]))
    expected = pd.DataFrame(
        {"a": [1.0, 2.0], "b": ["x", "y"], "missingindicator_b": [False, True]}, index=[7, 3]
    )
    pd.testing.assert_frame_equal(filled, expected, check_dtype=False)


@pytest.mark.parametrize("value", [-1, -1.0])
@pytest.mark.parametrize("to_library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_number_may_stand_for_gaps(value, to_library):
    frame = to_library({"a": [1, -1], "b": [-1.0, 2.5], "c": ["-1", "x"], "d": [True, False]})
    assert_array_equal(
        gaps_of(with_gaps(frame, value)), [[False, True, False, False], [True, False, False, False]]
    )


@pytest.mark.parametrize("to_library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_text_may_stand_for_gaps(to_library):
    frame = to_library({"a": ["x", "?"], "b": [1, 2]})
    assert_array_equal(gaps_of(with_gaps(frame, "?")), [[False, False], [True, False]])


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ("?", pd.Series(["x", "?", None], dtype=pd.CategoricalDtype(["?", "x"], ordered=True))),
        ("?", pd.Series(["x", "?", None], dtype="category")),
        ("?", pd.Series(["x", "?", None], dtype=pd.ArrowDtype(pa.string()))),
        (-1, pd.Series([7, -1, None], dtype="category")),
        (-1, pd.Series([7, -1, nan], dtype=pd.SparseDtype(float, 0.0))),
        (-1, pd.Series([7, -1, None], dtype="Int8")),
        (-1, pd.Series([7, -1, None], dtype=pd.ArrowDtype(pa.int8()))),
        (-1, pd.Series([Decimal(7), Decimal(-1), None], dtype=object)),
        ("?", pl.Series(["x", "?", None], dtype=pl.Enum(["?", "x"]))),
        ("?", pl.Series(["x", "?", None], dtype=pl.Categorical)),
        (-1, pl.Series([7, -1, None], dtype=pl.Int8)),
        (-1, pl.Series([7, -1, None], dtype=pl.Decimal(10, 2))),
        ("?", pa.array(["x", "?", None]).dictionary_encode()),
        ("?", pa.array(["x", "?", None], pa.string_view())),
        ("?", pa.array(["x", "?", None], pa.large_string())),
        (-1, pa.array([7, -1, None], pa.int8())),
        (-1, pa.array([7, -1, None], pa.decimal128(10, 2))),
    ],
)
def test_a_value_for_gaps_is_no_level(value, column):
    frame = pa.table({"a": column}) if isinstance(column, pa.Array) else column.to_frame("a")
    found = with_gaps(frame, value)
    schema = TableSchema.learn(found)
    assert np.isnan(schema.encode(found)).T.tolist() == [[False, True, True]]
    assert schema.columns[0].dtype == TableSchema.learn(frame).columns[0].dtype
    assert schema.columns[0].levels in ((), ("x",), (7,))
    assert_same_frame(with_gaps(found, value), found)
    other = with_gaps(frame, "never seen" if isinstance(value, str) else -9999.5)
    assert_same_frame(other, frame)


@pytest.mark.parametrize("dtype", [object, "str", "string", "category", "string[pyarrow]"])
def test_a_text_may_stand_for_gaps_in_every_type_of_text(dtype):
    frame = pd.DataFrame({"a": pd.Series(["x", "?", None], [3, 3, 1], dtype=dtype)})
    assert gaps_of(with_gaps(frame, "?")).tolist() == [[False], [True], [True]]


def test_python_objects_may_stand_for_gaps():
    frame = pd.DataFrame(
        {"a": [Decimal("1.5"), "?", Decimal(2)], "b": [1, "?", None]}, dtype=object
    )
    assert gaps_of(with_gaps(frame, "?")).T.tolist() == [[False, True, False], [False, True, True]]
    truth = pd.DataFrame({"a": pd.Series([True, False, 1.0], dtype=object)})
    assert with_gaps(truth, 1)["a"].tolist() == [True, False, None]


@pytest.mark.parametrize("value", [None, nan, pd.NA, float("nan")])
def test_gaps_that_are_gaps_anyway_leave_the_frame_as_it_is(value):
    frame = pd.DataFrame({"a": [1.0, nan]})
    assert with_gaps(frame, value) is frame


@pytest.mark.parametrize("X", [np.array([[1, -1]]), [[1, -1]], np.array([[1, 2]], np.uint8)])
def test_values_of_arrays_may_stand_for_gaps(X):
    found = with_gaps(X, np.asarray(X)[0, 1])
    assert_array_equal(found, [[1, nan]])
