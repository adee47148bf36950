"""The schema of a data frame: frames to floats and back."""

import copy
import json
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skvae._rows.arrays import is_frame
from skvae._rows.lines import Lines
from skvae._rows.table import TableSchema

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

from tests._rows.frames import assert_same_frame, frames  # noqa: E402 - needs all three

nan = np.nan


def column_of(values, kinds=None, library=pd.DataFrame):
    """Return the schema's column of a frame of these values, and how they are encoded."""
    frame = library({"a": values})
    schema = TableSchema.learn(frame, kinds and {"a": kinds})
    return schema.columns[0], schema.encode(frame)[:, 0]


def restored(schema):
    state = json.loads(json.dumps(schema.state(), allow_nan=False))
    again = TableSchema.from_states(state["library"], state["columns"])
    assert TableSchema.from_packed(schema.packed()).columns == again.columns
    return again


def check_round_trip(frame):
    schema = TableSchema.learn(frame)
    X = schema.encode(frame)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert_same_frame(schema.decode(X), frame)
    again = restored(schema)
    assert (again.columns, again.library) == (schema.columns, schema.library)
    assert_same_frame(again.decode(X), frame)


drawn_frames = given(frames())
quickly = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow], deadline=None)
thoroughly = settings(quickly, max_examples=1000)


@quickly
@drawn_frames
def test_a_frame_comes_back_as_it_was(frame):
    check_round_trip(frame)


@pytest.mark.slow
@thoroughly
@drawn_frames
def test_a_thousand_frames_come_back_as_they_were(frame):
    check_round_trip(frame)


def arrow_backed(values, kind):
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, kind)))


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1.0, 0, 0.5], dtype=pd.SparseDtype(float, 0.0)),
        pd.Series([1.0, nan, 0.5], dtype=pd.SparseDtype(float)),
        pd.Series([1, 0, 0], dtype=pd.SparseDtype(int, 0)),
        pd.Series([True, False, True], dtype=pd.SparseDtype(bool, False)),
        pd.Series([1.5, nan, 0.5], dtype="float16"),
        pd.Series([2**70, None, -3], dtype=object),
        pd.Series([2**70, 2**70 + 2, 2**70 + 1], dtype=object),
        pd.Series([Decimal("1.10"), Decimal("2.675"), None], dtype=object),
        pd.Series([None, None, None], dtype=object),
        pd.Series([nan, nan, nan], dtype=object),
        pd.Series(["x", nan, "y"], dtype=object),
        pd.Series([nan, nan, nan]),
        pd.Series([None, None, None], dtype="Int64"),
        pd.Series([None, None, None], dtype="datetime64[s]"),
        pd.Series([None, None, None], dtype="category"),
        pd.Series(pd.Categorical([1, "x", None])),
        pd.Series(pd.Categorical(list(pd.date_range("2026", periods=3, tz="Europe/Berlin")))),
        pd.Series(pd.Categorical(list(pd.to_timedelta([1, 2, 3], unit="h")))),
        arrow_backed([None, None, None], pa.null()),
        arrow_backed(["x", None, "x"], pa.dictionary(pa.int8(), pa.string())),
        arrow_backed([Decimal("1.10"), None, Decimal("9.99")], pa.decimal256(40, 2)),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_column_of_an_unusual_type_comes_back(values):
    check_round_trip(pd.DataFrame({"a": values}))


@pytest.mark.parametrize(
    "kind", [pa.null(), pa.bool_(), pa.int8(), pa.float64(), pa.string(), pa.date64()]
)
def test_a_column_without_values_comes_back(kind):
    check_round_trip(pa.table({"a": pa.nulls(3, kind)}))
    check_round_trip(pl.DataFrame({"a": pa.nulls(3, kind)}))
    check_round_trip(pd.DataFrame({"a": arrow_backed([None], kind)}))


@settings(quickly, max_examples=40)
@given(frames(), st.integers(0, 99), st.floats(0, 1e6))
def test_any_values_become_a_frame_within_the_bounds(frame, seed, scale):
    schema = TableSchema.learn(frame)
    rng = np.random.default_rng(seed)
    X = rng.normal(scale=scale, size=(5, len(schema.columns)))
    drawn = schema.decode(X, rng)
    assert_same_frame(drawn[:0], frame[:0])
    found = schema.encode(drawn)
    bounded = [column.low is not None for column in schema.columns]
    assert np.isnan(found).all(axis=0).tolist() == [not each for each in bounded]
    known = [column for column in schema.columns if column.low is not None]
    assert (found[:, bounded] >= [column.low for column in known]).all()
    assert (found[:, bounded] <= [column.high for column in known]).all()
    assert_same_frame(schema.decode(found), drawn)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 5], "whole"),
        ([1.5, 2.0, nan], "real"),
        ([1.0, 2.0, 5.0], "real"),
        ([Decimal("1.5"), Decimal(2), None], "real"),
        ([1, 2.5, None], "real"),
        (["a", "b", None], "level"),
        ([True, False, False], "level"),
        (pd.Categorical([1, 2, 1]), "level"),
        ([date(2026, 1, 1), date(2026, 1, 3), None], "datetime"),
        ([datetime(2026, 1, 1), datetime(2026, 1, 3, 8), None], "datetime"),
        ([timedelta(1), timedelta(hours=2), None], "duration"),
        ([4, 4, 4], "constant"),
        (["x", None, "x"], "constant"),
        ([True, True, True], "constant"),
    ],
)
def test_the_type_decides_the_kind(values, kind):
    assert column_of(pd.Series(values))[0].kind == kind
    assert column_of(pd.Series(values, dtype=getattr(values, "dtype", object)))[0].kind == kind


@pytest.mark.parametrize(
    ("values", "declared", "codes"),
    [
        ([30, 10, 10], "level", [1, 0, 0]),
        ([1.5, nan, 0.5], "level", [1, nan, 0]),
        ([3.0, 1.0, nan], "whole", [3, 1, nan]),
        ([3, 1, 2], "real", [3, 1, 2]),
        ([4, 4, 4], "whole", [4, 4, 4]),
        (["a", "a", None], "level", [0, 0, nan]),
    ],
)
def test_a_declared_kind_overrules_the_type(values, declared, codes):
    column, x = column_of(values, declared)
    assert column.kind == column.base == declared
    np.testing.assert_array_equal(x, codes)
    frame = pd.DataFrame({"a": values})
    schema = TableSchema.learn(frame, {"a": declared})
    assert_same_frame(restored(schema).decode(x[:, None]), frame)


@pytest.mark.parametrize(
    ("values", "kinds", "message"),
    [
        (["x", "y"], {"a": "whole"}, "'a' of type .* cannot be of kind 'whole'. Expected 'level'"),
        ([1, 2], {"a": "number"}, "of kind 'number'. Expected 'real' or 'whole' or 'level'"),
        ([1.0, 2.5], {"a": "whole"}, r"holds 2.5 in column 'a', row 1 .*Declare it as 'real'"),
        ([1, 2], {"b": "whole"}, r"'kinds' names columns that X lacks: 'b'. .* are \['a'\]"),
        ([date(2026, 1, 1)], {"a": "level"}, "cannot be of kind 'level'. Expected 'datetime'"),
    ],
)
def test_an_impossible_kind_raises(values, kinds, message):
    with pytest.raises(ValueError, match=message):
        TableSchema.learn(pd.DataFrame({"a": values}), kinds)


def test_numbers_keep_bounds_decimals_and_step():
    column, _ = column_of([0.25, 1.5, nan])
    assert (column.low, column.high, column.decimals, column.step) == (0.25, 1.5, 2, 0.01)
    assert column.missing
    column, _ = column_of([1.0, 7.0])
    assert (column.kind, column.dtype, column.decimals, column.step) == ("real", "float64", 0, 1)
    column, _ = column_of(np.random.default_rng(0).normal(size=9))
    assert (column.decimals, column.step) == (None, None)
    column, _ = column_of(np.float32([0.1, 0.2, 0.3]))
    assert column.decimals == 1
    column, _ = column_of(np.random.default_rng(0).normal(size=99).astype(np.float32))
    assert column.decimals is None


def test_decoded_numbers_are_moved_and_rounded():
    frame = pd.DataFrame({"price": [0.25, 9.99], "age": [18, 90]}).astype({"age": "Int8"})
    schema, rows = TableSchema.learn(frame), [[-4, 17.2], [5.123, 33.6], [1e9, np.inf]]
    draws = schema.decode(rows, np.random.default_rng(0))
    assert draws["price"].tolist() == [0.25, 5.12, 9.99]
    means = schema.decode(rows)
    assert means["price"].tolist() == [-4, 5.123, 1e9]
    assert draws["age"].tolist() == means["age"].tolist() == [18, 34, 90]


def test_whole_numbers_beyond_floats_are_exact_or_near():
    close = [2**63 + 1, 2**63 + 5, 2**64 - 2**50]
    column, x = column_of(np.array(close[:2], np.uint64))
    assert column.origin == 2**63 + 1
    assert x.tolist() == [0, 4]
    frame = pd.DataFrame({"a": np.array([0, 2**63 + 5, 2**64 - 1], np.uint64)})
    schema = TableSchema.learn(frame)
    decoded = schema.decode([[-1.0], [2.0**63], [1e30]])["a"].tolist()
    assert decoded[:2] == [0, 2**63]
    assert 2**64 - 4096 < decoded[2] < 2**64


def test_spikes_are_values_that_many_rows_share():
    hours = np.r_[np.full(60, 40), np.full(12, 0), np.arange(100, 200)]
    assert column_of(hours)[0].spikes == (0, 40)
    assert column_of(hours / 8)[0].spikes == (0, 5)
    assert column_of(np.r_[np.full(9, 3), np.arange(9)])[0].spikes == (3,)
    assert column_of(np.r_[np.full(8, 3), np.arange(4, 9)])[0].spikes == ()


@pytest.mark.parametrize(
    ("times", "unit", "codes"),
    [
        (["2026-01-03", "2026-01-01", None], "D", [2, 0, nan]),
        (["2026-01-03 12:00", "2026-01-01 12:00"], "D", [2, 0]),
        (["2026-01-01 12:30", "2026-01-01 10:30"], "h", [2, 0]),
        (["2026-01-01 12:00", "2026-01-01 10:01"], "m", [119, 0]),
        (["2026-01-01", "2026-01-01 00:00:01"], "s", [0, 1]),
        (["2026-01-01", "2026-01-01 00:00:00.250"], "ms", [0, 250]),
        (["2026-01-01", "2026-01-01 00:00:00.000001"], "us", [0, 1]),
        (["2026-01-01", "2026-01-01 00:00:00.000000001"], "ns", [0, 1]),
        (["1700-01-01", "2250-01-01"], "D", [0, 200_883]),
    ],
)
def test_dates_are_counted_in_the_coarsest_exact_unit(times, unit, codes):
    column, x = column_of(pd.Series(times, dtype="datetime64[ns]"))
    assert column.unit == unit
    np.testing.assert_array_equal(x, codes)


def test_later_dates_may_be_finer_or_coarser_than_in_training():
    days = pd.DataFrame({"a": pd.to_datetime(["2026-01-01", "2026-01-03"]).astype("M8[ns]")})
    schema = TableSchema.learn(days)
    later = pl.DataFrame({"a": [datetime(2026, 1, 1, 6), datetime(9999, 1, 2), None]})
    np.testing.assert_array_equal(schema.encode(later)[:, 0], [0.25, 2_912_079, nan])
    np.testing.assert_array_equal(schema.encode(later.cast(pl.Date))[:, 0], [0, 2_912_079, nan])


def test_the_hour_that_occurs_twice_keeps_its_two_instants():
    instants = pd.date_range("2026-10-25 00:00", periods=4, freq="30min", tz="UTC", unit="us")
    frame = pd.DataFrame({"a": instants.tz_convert("Europe/Berlin")})
    assert frame["a"].dt.hour.tolist() == [2, 2, 2, 2]
    check_round_trip(frame)
    check_round_trip(pl.from_pandas(frame))
    check_round_trip(pa.Table.from_pandas(frame).replace_schema_metadata())
    in_utc = pd.DataFrame({"a": instants})
    np.testing.assert_array_equal(TableSchema.learn(frame).encode(in_utc)[:, 0], [0, 30, 60, 90])


def test_levels_are_sorted_unless_the_type_orders_them():
    for rows in (["b", "a", "é"], ["é", "b", "a"]):
        assert column_of(rows)[0].levels == ("a", "b", "é")
        categorical = pl.Series(rows, dtype=pl.Categorical)
        assert column_of(categorical, library=pl.DataFrame)[0].levels == ("a", "b", "é")
    sizes = pd.Categorical(["L", "S", None], ["S", "M", "L"], ordered=True)
    column, x = column_of(sizes)
    assert (column.levels, column.ordered, column.n_codes) == (("S", "M", "L"), True, 3)
    np.testing.assert_array_equal(x, [2, 0, nan])
    assert column_of([True, True])[0].levels == (False, True)


def test_an_unseen_level_has_the_code_after_the_last():
    schema = TableSchema.learn(pd.DataFrame({"a": ["x", "y"], "b": [True, True]}))
    later = pd.DataFrame({"a": ["", "y", None], "b": [False, True, None]})
    np.testing.assert_array_equal(schema.encode(later), [[2, 0], [1, 1], [nan, nan]])
    sizes = pd.DataFrame({"a": pd.Categorical(["S", "L"])})
    other = pd.DataFrame({"a": pd.Categorical(["XL", "S"])})
    np.testing.assert_array_equal(TableSchema.learn(sizes).encode(other)[:, 0], [2, 1])


def many_levels():
    """One level of 300 rows, 98 of 20 and 50 rare ones of 1 to 50, in a fixed order."""
    counts = {"top": 300} | {f"common {i:02}": 60 for i in range(98)}
    counts |= {f"rare {i:02}": i + 1 for i in range(50)}
    return pl.DataFrame({"a": [level for level, n in counts.items() for _ in range(n)]}), counts


def test_rare_levels_share_a_code_and_are_drawn_by_their_shares():
    frame, counts = many_levels()
    schema = TableSchema.learn(frame)
    (column,) = schema.columns
    rare = [level for level in counts if level.startswith("rare")]
    assert column.others == tuple(rare)
    assert column.shares == pytest.approx([counts[level] / 1275 for level in rare])
    assert column.n_codes == 100
    X = schema.encode(frame)
    assert X.max() == column.high == 99
    kept = X[:, 0] < 99
    assert schema.decode(X).filter(kept).equals(frame.filter(kept))
    assert schema.decode([[99.0]])["a"].to_list() == ["rare 49"]
    drawn = schema.decode(np.full((20_000, 1), 99.0), np.random.default_rng(0))["a"].to_list()
    shares = [drawn.count(level) / 20_000 for level in rare]
    np.testing.assert_allclose(shares, column.shares, atol=0.006)  # five standard errors
    np.testing.assert_array_equal(schema.encode(pl.DataFrame({"a": ["new"]})), [[100]])
    assert restored(schema).columns == schema.columns


def test_grouped_categories_keep_their_order():
    categories = [f"level {i:03}" for i in range(150)][::-1]
    codes = np.r_[np.arange(150), np.tile(np.arange(40, 130), 3)]
    frame = pd.DataFrame({"a": pd.Categorical.from_codes(codes, categories, ordered=True)})
    schema = restored(TableSchema.learn(frame))
    drawn = schema.decode(schema.encode(frame), np.random.default_rng(0))
    assert drawn.dtypes.tolist() == frame.dtypes.tolist()
    kept = (codes >= 40) & (codes < 130)
    assert_same_frame(drawn[kept].reset_index(drop=True), frame[kept])


def test_100_levels_all_have_a_code_of_their_own():
    column, _ = column_of([f"level {i}" for i in range(100)] * 2)
    assert (column.n_codes, column.others) == (100, ())


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame, pa.table])
def test_identifiers_are_refused_by_name(library):
    frame = library({"id": [f"c{i}" for i in range(30)], "x": list(range(30))})
    with pytest.raises(ValueError, match=r"'id' looks like identifiers .* 30 of 30 .*Drop it, or"):
        TableSchema.learn(frame)
    declared = TableSchema.learn(frame, {"id": "level"})
    assert_same_frame(declared.decode(declared.encode(frame)), frame)


def test_text_that_is_not_unique_or_short_is_no_identifier():
    assert column_of([f"c{i}" for i in range(20)])[0].kind == "level"
    assert column_of([f"c{i % 27}" for i in range(30)])[0].kind == "level"
    assert column_of(pd.Categorical([f"c{i}" for i in range(30)]))[0].kind == "level"
    assert column_of(list(range(30)))[0].kind == "whole"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pa.table({"a": [[1], [2]]}), "'a' is of type list<.*>. Expected numbers, text"),
        (pl.DataFrame({"a": [{"b": 1}]}), "'a' is of type Struct"),
        (pd.DataFrame({"a": [b"x", b"y"]}), r"'a' is of type object\[bytes\]"),
        (pd.DataFrame({"a": [1j, 2]}), "'a' is of type complex128"),
        (pd.DataFrame({"a": pd.period_range("2026", periods=2, freq="M")}), r"type period\[M\]"),
        (pl.DataFrame({"a": [time(12)]}), "'a' is of type Time"),
        (pd.DataFrame({"a": [1, "x", 2]}), r"several types: int \(row 0\), str \(row 1\).*Convert"),
        (pd.DataFrame({"a": [1, 2**200]}), "beyond .* in column 'a', row 1 "),
        (pd.DataFrame({"a": pd.Categorical([date(2026, 1, 1)])}), "'a' has categories such as"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "infinity in column 'a', row 1"),
        (pl.DataFrame({"a": [1.0, None, -np.inf]}), "infinity in column 'a', row 2"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns of the same name: 'a'"),
        (pd.DataFrame({"a": []}), r"0 sample\(s\) and 1 feature"),
        (pd.DataFrame(index=[1, 2]), r"2 sample\(s\) and 0 feature"),
        (np.ones((2, 2)), "Expected a data frame of pandas, polars or pyarrow, got ndarray"),
    ],
)
def test_what_is_no_table_is_refused_by_name(frame, message):
    with pytest.raises(ValueError, match=message):
        TableSchema.learn(frame)


def test_objects_with_a_time_zone_are_refused_with_advice():
    berlin = pd.Timestamp("2026-01-01", tz="Europe/Berlin").to_pydatetime()
    with pytest.raises(ValueError, match="'a' holds Python objects of dates with a time zone"):
        column_of(pd.Series([berlin, berlin], dtype=object))


TRAINED = {
    "number": [1.5, 2.5],
    "text": ["x", "y"],
    "code": [1, 2],
    "day": [datetime(2026, 1, 1), datetime(2026, 1, 2)],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": ["x", "y"]}, "'number' held numbers .*float64.* now holds levels .*Convert"),
        ({"number": TRAINED["day"]}, "'number' held numbers .* now holds dates"),
        ({"text": [1, 2]}, "'text' held levels .* now holds numbers"),
        ({"text": TRAINED["day"]}, "'text' held levels .* now holds dates"),
        ({"code": ["1", "2"]}, "'code' held levels of type int64 .* now holds levels of type"),
        ({"day": ["2026-01-01", "x"]}, "'day' held dates .* now holds levels"),
        ({"day": pd.to_datetime(TRAINED["day"], utc=True)}, "now holds dates .* time zone UTC"),
        ({"number": [1.0, np.inf]}, "infinity in column 'number', row 1"),
    ],
)
def test_a_column_of_another_kind_than_in_training_raises(changes, message):
    schema = TableSchema.learn(pd.DataFrame(TRAINED), {"code": "level"})
    with pytest.raises(ValueError, match=message):
        schema.encode(pd.DataFrame(TRAINED | changes))


def test_numbers_may_change_their_type_and_booleans_stand_for_numbers():
    schema = TableSchema.learn(pd.DataFrame({"a": [0, 1], "b": [0.5, 1]}))
    for later in (
        pd.DataFrame({"a": [False, True], "b": [0, 1]}),
        pd.DataFrame({"a": pd.array([0, 1], "Int8"), "b": [Decimal(0), Decimal(1)]}),
        pl.DataFrame({"a": [0.0, 1.0], "b": [0, 1]}),
        pa.table({"a": [False, True], "b": [0.0, 1.0]}),
    ):
        np.testing.assert_array_equal(schema.encode(later), [[0, 0], [1, 1]])
    nothing = pd.DataFrame({"a": [None, None], "b": [nan, nan]})
    assert np.isnan(schema.encode(nothing)).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["b", "a"], r"same order; the order is \['b', 'a'\] instead of \['a', 'b'\]"),
        (["a"], r"missing: \['b'\]; not seen in training: \[\]"),
        (["a", "b", "c"], r"missing: \[\]; not seen in training: \['c'\]"),
        (["a", "B"], r"missing: \['b'\]; not seen in training: \['B'\]"),
    ],
)
def test_other_names_than_in_training_raise(names, message):
    schema = TableSchema.learn(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "b"]))
    later = pd.DataFrame(np.ones((2, len(names))), columns=names)
    with pytest.raises(ValueError, match=message):
        schema.encode(later)


@pytest.mark.parametrize("names", [[0, 1], [0.5, 1.5], [("a", 1), ("b", 2)], ["a", "A"], ["", "ñ"]])
def test_names_come_back(names):
    frame = pd.DataFrame([[1, "x"], [3, "y"]])
    frame.columns = pd.Index(names)  # of pairs, it has two levels
    schema = restored(TableSchema.learn(frame))
    assert schema.names == names
    assert_same_frame(schema.decode(schema.encode(frame)), frame)


def test_a_gap_where_the_type_has_none_raises():
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 1.5]})
    schema = TableSchema.learn(frame)
    assert schema.decode([[1, 0, nan]])["c"].isna().all()
    with pytest.raises(ValueError, match="NaN in column 'a', row 1 .*int64, which cannot hold"):
        schema.decode([[1, 0, 0.5], [nan, 0, 0.5]])
    with pytest.raises(ValueError, match="NaN in column 'b', row 0 .*bool"):
        schema.decode([[1, nan, 0.5]])


def test_an_array_of_another_width_raises():
    schema = TableSchema.learn(pd.DataFrame({"a": [1, 2]}))
    with pytest.raises(ValueError, match=r"shape \(n_rows, 1\), got \(3, 2\)"):
        schema.decode(np.ones((3, 2)))


def test_no_rows_are_encoded_and_decoded():
    for frame in (pd.DataFrame(TRAINED), pl.DataFrame(TRAINED), pa.table(TRAINED)):
        schema = TableSchema.learn(frame)
        X = schema.encode(frame[:0])
        assert X.shape == (0, 4)
        assert_same_frame(schema.decode(X), frame[:0])


def test_frames_are_told_from_other_rows():
    frame = pd.DataFrame({"a": [1]})
    assert all(map(is_frame, (frame, pl.DataFrame({"a": [1]}), pa.table({"a": [1]}))))
    others = (frame["a"], pl.Series([1]), pl.LazyFrame({"a": [1]}), frame.to_numpy(), [[1]], None)
    assert not any(map(is_frame, others))


def test_no_library_is_imported_that_is_not_in_use(monkeypatch):
    libraries = ("pandas", "polars", "pyarrow")
    for name in libraries:
        monkeypatch.delitem(sys.modules, name)
    assert not is_frame([[1]])
    assert not set(libraries) & set(sys.modules)


def test_a_table_of_numbers_is_told_from_others():
    numbers = {"a": [1, 2], "b": [0.5, nan], "c": [3, 3]}
    assert TableSchema.learn(pd.DataFrame(numbers)).is_numeric
    for other in (["x", "y"], [True, False], ["x", "x"], pd.to_datetime(["2026", "2027"])):
        assert not TableSchema.learn(pd.DataFrame(numbers | {"d": other})).is_numeric


KEPT = {"kept": pd.Categorical(["x", None], ["z", "x"])}
STATE = TableSchema.learn(
    pd.DataFrame(TRAINED | KEPT).astype({"day": "datetime64[us]"}), {"code": "level"}
).state()


def schema_of(state):
    return TableSchema.from_states(state["library"], state["columns"])


def test_the_untouched_state_is_accepted():
    assert schema_of(copy.deepcopy(STATE)).state() == STATE


@pytest.mark.parametrize(
    ("position", "field", "value"),
    [
        (0, "name", {}),
        (0, "name", "text"),
        (0, "kind", "duration"),
        (0, "base", "constant"),
        (0, "base", ["real"]),
        (0, "base", "datetime"),
        (0, "dtype", None),
        (0, "dtype", "float64x"),
        (0, "dtype", "object[int]"),
        (0, "dtype", "int8"),
        (0, "dtype", "f8,f8"),
        (0, "dtype", "category[" * 2000),
        (0, "missing", 1),
        (0, "levels", ["x"]),
        (0, "low", None),
        (0, "low", "1"),
        (0, "low", 99.0),
        (0, "high", float("inf")),
        (0, "high", float("nan")),
        (0, "high", 10**400),
        (0, "decimals", 11),
        (0, "decimals", True),
        (0, "step", 0.0),
        (0, "unit", "D"),
        (0, "origin", 0.5),
        (0, "origin", 2**130),
        (0, "spikes", [99.0]),
        (0, "spikes", [2.0] * 51),
        (0, "spikes", 2.0),
        (0, "time_zone", "UTC"),
        (0, "kind", "constant"),
        (1, "levels", ["x", "x"]),
        (1, "levels", ["x"]),
        (1, "levels", ["x", None]),
        (1, "levels", "xy"),
        (1, "others", ["x"]),
        (1, "others", ["z"]),
        (1, "shares", [1.0]),
        (1, "high", 2.0),
        (1, "low", 0.5),
        (1, "low", -1.0),
        (1, "categories", ["x", "z"]),
        (1, "dtype", "int64"),
        (2, "levels", [1, "x"]),
        (2, "levels", [1, 2**80]),
        (3, "unit", "fortnight"),
        (3, "unit", None),
        (3, "unit", "ns"),
        (3, "resolution", "D"),
        (3, "resolution", "m"),
        (3, "origin", 2**63),
        (3, "high", 1e300),
        (3, "time_zone", "Mars/Olympus"),
        (3, "dtype", "datetime64[us, Mars/Olympus]"),
        (3, "dtype", "datetime64[us, ../../etc/passwd]"),
        (4, "categories", ["z"]),
        (4, "categories", None),
        (4, "ordered", "yes"),
    ],
)
def test_a_forged_state_is_refused(position, field, value):
    state = copy.deepcopy(STATE)
    state["columns"][position][field] = value
    name = "'text'" if field == "name" else repr(STATE["columns"][position]["name"])
    name = r"\{\}" if value == {} else name
    with pytest.raises(ValueError, match=name):
        schema_of(state)


@pytest.mark.parametrize(
    "state",
    [
        STATE | {"library": "dask"},
        STATE | {"library": ["pandas"]},
        STATE | {"columns": []},
        STATE | {"columns": [None]},
        STATE | {"columns": [{"name": "a"}]},
    ],
)
def test_a_state_of_another_form_is_refused(state):
    with pytest.raises(ValueError, match=r"must have|Expected a library"):
        schema_of(state)


PACKED = schema_of(STATE).packed()


def first_column(**changes):
    first, *others = PACKED["columns"]
    return Lines.of([first | changes, *others])


def column_of_levels(**changes):
    columns = [
        column | changes if column["name"] == "kept" else column for column in PACKED["columns"]
    ]
    assert columns != [*PACKED["columns"]]
    return Lines.of(columns)


@pytest.mark.parametrize(
    "change",
    [
        {"library": "dask"},
        {"more": 1},
        {"columns": [{}]},
        {"columns": Lines.of([])},
        {"columns": Lines.of([None])},
        {"columns": Lines.of([{"name": "a"}])},
        {"columns": first_column(shares=[])},
        {"columns": first_column(levels=-1)},
        {"columns": first_column(levels=True)},
        {"columns": first_column(levels=10**30)},
        {"columns": first_column(levels=[])},
        {"columns": first_column(others=1)},
        {"columns": first_column(categories=False)},
        {"columns": first_column(name=[["a"] * 65])},
        {"columns": column_of_levels(levels=0)},
        {"columns": column_of_levels(levels=1000)},
        {"columns": column_of_levels(categories=None)},
        {"levels": Lines.of([])},
        {"levels": Lines.of([*PACKED["levels"], "more"])},
        {"levels": Lines.of([[] for _ in PACKED["levels"]])},
        {"levels": Lines.of([None for _ in PACKED["levels"]])},
        {"levels": [*PACKED["levels"]]},
        {"shares": np.ones(1)},
        {"shares": np.ones(0, np.float32)},
        {"shares": np.ones((0, 1))},
        {"categories": PACKED["categories"] * 0},
        {"categories": PACKED["categories"] - 1},
        {"categories": PACKED["categories"] + 1000},
        {"categories": PACKED["categories"].astype(float)},
        {"categories": np.append(PACKED["categories"], 0)},
    ],
)
def test_packed_columns_that_are_forged_are_refused(change):
    assert TableSchema.from_packed({**PACKED}).state() == STATE
    with pytest.raises(ValueError, match=r"must (have|be)|Expected a library|impossible|stand"):
        TableSchema.from_packed(PACKED | change)


def test_columns_without_a_field_are_refused():
    for field in PACKED:
        state = {name: value for name, value in PACKED.items() if name != field}
        with pytest.raises(ValueError, match="must have the fields"):
            TableSchema.from_packed(state)
