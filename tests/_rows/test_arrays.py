"""Rows of any type as arrays of floats."""

import datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator

from skvae._rows.arrays import check_latent_rows, check_rows


def checked(X, **changes):
    return check_rows(BaseEstimator(), X, **{"reset": True} | changes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.float64, np.float64),
        (">f8", np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (">f4", np.float32),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (bool, np.float32),
        (np.int32, np.float64),
        (np.int64, np.float64),
        (np.longdouble, np.float64),
        (object, np.float64),
    ],
)
def test_a_type_becomes_float32_if_that_holds_its_values(given, kept):
    X = np.array([[0, 1], [1, 0]], dtype=given)
    assert checked(X).dtype == kept
    np.testing.assert_array_equal(checked(X), X)
    assert check_latent_rows(BaseEstimator(), X, 2).dtype == kept


def test_contiguous_rows_are_not_copied():
    X = np.ones((3, 2))
    assert np.shares_memory(checked(X), X)
    assert checked(np.asfortranarray(X)).flags.c_contiguous


def test_data_frames_keep_double_precision():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": [0.1, 0.2], "b": [1.0, 2.0]}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        assert checked(frame).dtype == np.float64


def test_columns_without_numbers_are_named():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    columns = {"a": [0.1, 0.2], "b": ["x", "y"], "c": ["1", "z"]}
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        with pytest.raises(ValueError, match="columns that do not hold numbers: 'b', 'c'. Drop"):
            checked(frame)


def test_masked_values_become_nan():
    X = np.ma.masked_greater(np.arange(6.0).reshape(3, 2), 4)
    expected = [[0, 1], [2, 3], [4, np.nan]]
    np.testing.assert_array_equal(checked(X), expected)
    np.testing.assert_array_equal(checked(X.astype(int)), expected)
    np.testing.assert_array_equal(checked(np.ma.array(X.data)), X.data)  # nothing is masked


def test_too_few_rows_raise():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        checked(np.ones((1, 2)), min_samples=2)


def test_latent_rows_of_another_width_raise():
    with pytest.raises(ValueError, match="X has 3 columns, but .* fitted with n_components=2"):
        check_latent_rows(BaseEstimator(), np.ones((4, 3)), 2)


def ways(X):
    """The same whole numbers in every form that rows come in."""
    pa = pytest.importorskip("pyarrow", reason="Arrow columns need it")
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pd.DataFrame(X, columns=["a", "b"])
    return {
        "int64": X,
        "list": X.tolist(),
        "list of floats": X.astype(float).tolist(),
        "objects": X.astype(object),
        "decimals": [[Decimal(value) for value in row] for row in X.tolist()],
        "pandas": frame,
        "nullable": frame.astype("Int64"),
        "nullable floats": frame.astype(float).astype("Float64"),
        "Arrow-backed": frame.astype("int64[pyarrow]"),
        "Arrow-backed floats": frame.astype(float).astype("double[pyarrow]"),
        "Arrow": pa.table({name: frame[name].to_numpy() for name in frame}),
        "polars": pl.DataFrame(X, schema=["a", "b"]),
        "polars floats": pl.DataFrame(X.astype(float), schema=["a", "b"]),
        "mixed columns": frame.astype({"a": "float64[pyarrow]", "b": "Int64"}),
    }


@settings(max_examples=20)
@over(arrays(np.int64, (3, 2), elements=st.integers(-(2**53), 2**53)))
def test_whole_numbers_have_the_same_bits_however_they_come(X):
    for way, given in ways(X).items():
        rows = checked(given)
        assert rows.dtype == np.float64, way
        np.testing.assert_array_equal(rows, X.astype(np.float64), err_msg=way)


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (["float32", "float32"], np.float32),
        (["float32", "uint8"], np.float32),
        (["Float32", "boolean"], np.float32),
        (["float[pyarrow]", "int16[pyarrow]"], np.float32),
        (["float32", "int64"], np.float64),
        (["float32", "Int32"], np.float64),
        (["bool", "double[pyarrow]"], np.float64),
    ],
)
def test_a_frame_is_float32_if_that_holds_every_column(types, kept):
    pytest.importorskip("pyarrow")
    frame = pytest.importorskip("pandas").DataFrame({"a": [0, 1], "b": [1, 0]})
    rows = checked(frame.astype(dict(zip("ab", types, strict=True))))
    assert rows.dtype == kept
    np.testing.assert_array_equal(rows, frame)


def test_a_polars_frame_of_several_types_keeps_every_digit():
    pl = pytest.importorskip("polars")
    stamps = [1_700_000_001, 1_700_000_002]
    for kind in (pl.Int64, pl.Int32, pl.UInt32, pl.Decimal(20, 2)):
        columns = [pl.Series("t", stamps, dtype=kind), pl.Series("x", [0.5, 1], dtype=pl.Float32)]
        np.testing.assert_array_equal(checked(pl.DataFrame(columns))[:, 0], stamps)
    narrow = [pl.Series("t", [1, 2], dtype=pl.UInt8), pl.Series("x", [0.5, 1], dtype=pl.Float32)]
    assert checked(pl.DataFrame(narrow)).dtype == np.float32


def frames_with(values):
    """The values as column "b" of three, in pandas and polars."""
    numbers = [float(i) for i in range(len(values))]
    columns = {"a": numbers, "b": values, "c": numbers}
    yield pytest.importorskip("pandas").DataFrame(columns)
    yield pytest.importorskip("polars").DataFrame(columns)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", "2", "?", "4"], r"X holds '\?' in column 'b', row 2 .*not a number .*Replace it"),
        (["1", None, "?", "4"], r"X holds '\?' in column 'b', row 2 .*not a number .*Replace it"),
        ([1.0, 2.0, 3.0, float("-inf")], "infinity or a value too large .* in column 'b', row 3"),
    ],
)
def test_a_cell_at_fault_is_named(values, message):
    for frame in frames_with(values):
        with pytest.raises(ValueError, match=message) as caught:
            checked(frame)
        assert "Classifier" not in str(caught.value)


@pytest.mark.parametrize(
    "values", [[True, None, False, True], [1, None, 0, 1], [1.0, float("nan"), 0.0, 1.0]]
)
def test_gaps_of_frames_become_nan(values):
    for frame in frames_with(values):
        np.testing.assert_array_equal(checked(frame)[:, 1], [1, np.nan, 0, 1])


def test_gaps_of_nullable_columns_become_nan():
    pd = pytest.importorskip("pandas")
    for dtype in ("boolean", "Int64", "Float64", "bool[pyarrow]", "int64[pyarrow]", object):
        frame = pd.DataFrame({"a": [0.5] * 3, "b": pd.array([1, None, 0], dtype=dtype)})
        np.testing.assert_array_equal(checked(frame)[:, 1], [1, np.nan, 0])


@pytest.mark.parametrize("gap", [None, np.nan, np.datetime64("NaT")])
def test_gaps_among_objects_become_nan(gap):
    X = np.array([[1, 2], [3, gap]], dtype=object)
    np.testing.assert_array_equal(checked(X), [[1, 2], [3, np.nan]])


@pytest.mark.parametrize(
    "times",
    [
        [datetime.datetime(2026, 1, day) for day in (1, 2, 3)],
        [datetime.date(2026, 1, day) for day in (1, 2, 3)],
        [datetime.timedelta(hours=hour) for hour in (1, 2, 3)],
        [datetime.time(hour) for hour in (1, 2, 3)],
    ],
    ids=["datetimes", "dates", "durations", "times"],
)
def test_dates_and_times_are_refused_by_name(times):
    message = r"dates or times: 'b'. Drop them, or subtract .*dt.total_seconds\(\)"
    for frame in frames_with(times):
        with pytest.raises(ValueError, match=message):
            checked(frame)


def test_the_advice_on_times_is_accepted():
    for frame in frames_with([datetime.datetime(2026, 1, day) for day in (1, 2, 3)]):
        seconds = (frame["b"] - frame["b"].min()).dt.total_seconds()
        np.testing.assert_array_equal(seconds, [0, 86_400, 172_800])


def test_arrays_of_times_raise():
    times = np.array([["2026-01-01"], ["2026-01-02"]], dtype="datetime64[s]")
    for X in (times, times - times.min()):
        with pytest.raises(ValueError, match="dates or times: all. Drop them, or subtract"):
            checked(X)


def test_a_row_of_a_frame_raises_with_advice():
    message = (
        r"Expected 2D array, got 1D array instead: X is a Series. Reshape .*frame.iloc\[\[0\]\]"
    )
    pandas_frame, polars_frame = frames_with([1.0, 2.0, 3.0])
    for row in (pandas_frame.iloc[0], polars_frame["a"]):
        with pytest.raises(ValueError, match=message):
            checked(row)
    assert checked(pandas_frame.iloc[[0]]).shape == (1, 3)


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 3)])
def test_images_are_refused_with_the_advice_to_flatten(shape):
    X = np.zeros(shape)
    message = rf"dim {len(shape)}, while dim <= 2 .*Flatten images by X.reshape\(len\(X\), -1\)"
    with pytest.raises(ValueError, match=message):
        checked(X)
    assert checked(X.reshape(len(X), -1)).shape == (5, np.prod(shape[1:]))


def test_latent_rows_with_gaps_raise_and_the_cell_is_named():
    Z = np.ones((3, 2))
    Z[1, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN, .* in column 0, row 1"):
        check_latent_rows(BaseEstimator(), Z, 2)
