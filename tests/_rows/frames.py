"""Data frames of all kinds of columns, drawn by hypothesis; no tests."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

ZONES = [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]
NANOSECONDS = {"D": 86_400 * 10**9, "h": 3_600 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3}
NANOSECONDS["ns"] = 1
MOST_ROWS = 12  # so few rows are never taken for identifiers


@st.composite
def whole_numbers(draw, dtype, n_rows):
    """Whole numbers of the type, near one another or small, so that floats hold them."""
    info = np.iinfo(dtype)
    low = draw(st.sampled_from([info.min, max(info.min, -(2**52)), max(0, info.max - 2**53)]))
    cells = st.integers(low, min(info.max, low + 2**53))
    return np.array(draw(st.lists(cells, min_size=n_rows, max_size=n_rows)), dtype=dtype)


@st.composite
def real_numbers(draw, dtype, n_rows):
    """Numbers of the type, on a grid of decimals or anywhere."""
    width = np.dtype(dtype).itemsize * 8
    cells = draw(
        st.sampled_from(
            [
                st.floats(width=width, allow_nan=False, allow_infinity=False),
                st.integers(-9999, 9999).map(lambda whole: whole / 10),
                st.integers(-(10**9), 10**9).map(lambda whole: whole / 100),
                st.integers(0, 50).map(float),
            ]
        )
    )
    numbers = np.array(draw(st.lists(cells, min_size=n_rows, max_size=n_rows)))
    return np.where(np.abs(numbers) > np.finfo(dtype).max, 0, numbers).astype(dtype)


@st.composite
def ticks(draw, resolution, n_rows):
    """Times of 1750 to 2200 as whole numbers, of which floats hold all differences."""
    per_tick = NANOSECONDS[resolution]
    unit = draw(st.sampled_from([ns for ns in NANOSECONDS.values() if ns >= per_tick]))
    low, high = -6_900 * 10**15 // unit, 7_200 * 10**15 // unit
    start = draw(st.integers(low, high - 1))
    cells = st.integers(start, min(high, start + 2**53))
    offset = draw(st.integers(0, unit // per_tick - 1))
    values = draw(st.lists(cells, min_size=n_rows, max_size=n_rows))
    return np.array(values, dtype=np.int64) * (unit // per_tick) + offset


def texts(n_rows):
    pools = st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True)
    return pools.flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows)
    )


def booleans(n_rows):
    return st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)


def gaps(n_rows):
    return st.lists(st.booleans(), min_size=n_rows, max_size=n_rows).map(np.array)


def with_gaps(cells, missing):
    return [None if gap else cell for cell, gap in zip(cells, missing, strict=True)]


@st.composite
def arrow_columns(draw, n_rows):
    missing = draw(gaps(n_rows))
    family = draw(st.sampled_from(["whole", "real", "text", "bool", "time", "date", "duration"]))
    if family == "whole":
        dtype = draw(st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]))
        return pa.array(draw(whole_numbers(dtype, n_rows)), mask=missing)
    if family == "real":
        dtype = draw(st.sampled_from(["float32", "float64", "decimal"]))
        if dtype != "decimal":
            return pa.array(draw(real_numbers(dtype, n_rows)), mask=missing)
        cents = draw(st.lists(st.integers(-(10**9), 10**9), min_size=n_rows, max_size=n_rows))
        cells = with_gaps([Decimal(cent).scaleb(-2) for cent in cents], missing)
        return pa.array(cells, pa.decimal128(12, 2))
    if family == "text":
        kind = draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]))
        column = pa.array(with_gaps(draw(texts(n_rows)), missing), kind)
        encodes = kind != pa.string_view() and draw(st.booleans())
        return column.dictionary_encode() if encodes else column
    if family == "bool":
        return pa.array(with_gaps(draw(booleans(n_rows)), missing), pa.bool_())
    if family == "date":
        days = draw(ticks("D", n_rows)).astype("M8[D]")
        return pa.array(days, mask=missing).cast(draw(st.sampled_from([pa.date32(), pa.date64()])))
    unit = draw(st.sampled_from(["s", "ms", "us", "ns"]))
    times = pa.array(draw(ticks(unit, n_rows)), mask=missing)
    zone = draw(st.sampled_from(ZONES))
    return times.cast(pa.timestamp(unit, zone) if family == "time" else pa.duration(unit))


@st.composite
def polars_columns(draw, n_rows):
    missing = draw(gaps(n_rows))
    family = draw(st.sampled_from(["whole", "real", "text", "bool", "time", "date", "duration"]))
    if family == "whole":
        dtype = draw(st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]))
        cells, kind = pl.Series(draw(whole_numbers(dtype, n_rows))), None
    elif family == "real":
        dtype = draw(st.sampled_from(["float32", "float64", "decimal"]))
        if dtype == "decimal":
            cents = draw(st.lists(st.integers(-(10**9), 10**9), min_size=n_rows, max_size=n_rows))
            cells, kind = pl.Series([Decimal(cent).scaleb(-2) for cent in cents]), pl.Decimal(12, 2)
        else:
            cells, kind = pl.Series(draw(real_numbers(dtype, n_rows))), None
    elif family == "text":
        cells = pl.Series(draw(texts(n_rows)), dtype=pl.String)
        levels = pl.Enum([*cells.unique().sort(), "never seen"])
        kind = draw(st.sampled_from([None, pl.Categorical, levels]))
    elif family == "bool":
        cells, kind = pl.Series(draw(booleans(n_rows))), None
    elif family == "date":
        cells, kind = pl.Series(draw(ticks("D", n_rows)).astype(np.int32)), pl.Date
    else:
        unit, zone = draw(st.sampled_from(["ms", "us", "ns"])), draw(st.sampled_from(ZONES))
        cells = pl.Series(draw(ticks(unit, n_rows)))
        kind = pl.Datetime(unit, zone) if family == "time" else pl.Duration(unit)
    cells = cells if kind is None else cells.cast(kind)
    return pl.select(pl.when(pl.Series(~missing)).then(cells)).to_series()


@st.composite
def pandas_columns(draw, n_rows):
    families = ["Arrow", "whole", "real", "text", "bool", "category", "time", "duration", "objects"]
    family, missing = draw(st.sampled_from(families)), draw(gaps(n_rows))
    if family == "Arrow":
        column = draw(arrow_columns(n_rows).filter(lambda column: column.type != pa.string_view()))
        return pd.Series(pd.arrays.ArrowExtensionArray(column))
    if family == "whole":
        dtype = draw(st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]))
        series = pd.Series(draw(whole_numbers(dtype, n_rows)))
        return series.astype(nullable(dtype)).mask(missing) if draw(st.booleans()) else series
    if family == "real":
        dtype = draw(st.sampled_from(["float32", "float64"]))
        series = pd.Series(draw(real_numbers(dtype, n_rows)))
        return (series.astype(nullable(dtype)) if draw(st.booleans()) else series).mask(missing)
    if family == "text":
        dtype = draw(st.sampled_from(["str", "string[python]", "string[pyarrow]", "object"]))
        return pd.Series(with_gaps(draw(texts(n_rows)), missing), dtype=dtype)
    if family == "bool":
        series = pd.Series(draw(booleans(n_rows)))
        return series.astype("boolean").mask(missing) if draw(st.booleans()) else series
    if family == "category":
        return draw(pandas_categories(n_rows, missing))
    if family == "objects":
        return draw(pandas_objects(n_rows, missing))
    unit, zone = draw(st.sampled_from(["s", "ms", "us", "ns"])), draw(st.sampled_from(ZONES))
    cells = draw(ticks(unit, n_rows))
    if family == "duration":
        return pd.Series(cells.view(f"m8[{unit}]")).mask(missing)
    series = pd.Series(cells.view(f"M8[{unit}]")).mask(missing)
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


def nullable(dtype):
    return dtype.capitalize().replace("Uint", "UInt")


@st.composite
def pandas_categories(draw, n_rows, missing):
    pools = [
        st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True),
        st.lists(st.integers(-99, 99), min_size=1, max_size=4, unique=True),
        st.lists(st.floats(-9, 9), min_size=1, max_size=4, unique=True),
        st.just([False, True]),
        st.just(pd.interval_range(0, 4)),
        st.just(pd.interval_range(0.0, 1.0, 4, closed="left")),
        st.just(list(pd.date_range("2020-01-01", periods=3))),
    ]
    levels = draw(st.one_of(pools))
    codes = st.lists(st.integers(0, len(levels) - 1), min_size=n_rows, max_size=n_rows)
    codes = np.where(missing, -1, draw(codes))
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(levels), draw(st.booleans())))


@st.composite
def pandas_objects(draw, n_rows, missing):
    ints = st.integers(-(2**40), 2**40)
    kinds = [
        st.booleans(),
        ints,
        st.floats(-1e9, 1e9),
        st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents).scaleb(-2)),
        st.dates(),
        st.datetimes(datetime(1900, 1, 1), datetime(2150, 1, 1)),
        ints.map(lambda us: timedelta(microseconds=us)),
    ]
    cells = draw(st.lists(draw(st.sampled_from(kinds)), min_size=n_rows, max_size=n_rows))
    gap = draw(st.sampled_from([None, np.nan]))
    cells = [gap if is_gap else cell for cell, is_gap in zip(cells, missing, strict=True)]
    return pd.Series(cells, dtype=object)


COLUMNS = {"pandas": pandas_columns, "polars": polars_columns, "pyarrow": arrow_columns}
NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=5, unique=True)
INDEX_NAMES = st.lists(st.integers(-5, 5), min_size=1, max_size=5, unique=True)


@st.composite
def frames(draw):
    """A data frame of one of the three libraries."""
    library = draw(st.sampled_from(sorted(COLUMNS)))
    names = draw(NAMES | INDEX_NAMES if library == "pandas" else NAMES)
    n_rows = draw(st.integers(1, MOST_ROWS))
    columns = [draw(COLUMNS[library](n_rows)) for _ in names]
    if library == "pyarrow":
        return pa.table(columns, names=names)
    if library == "polars":
        return pl.DataFrame(
            [column.alias(name) for name, column in zip(names, columns, strict=True)]
        )
    frame = pd.concat(columns, axis=1)
    frame.columns = pd.Index(names)
    frame.index = draw(st.sampled_from([frame.index, [7] * n_rows]))
    return frame


def assert_same_frame(found, expected):
    """Assert that two frames have the same names, types, categories and values."""
    if isinstance(expected, pd.DataFrame):
        expected = expected.reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_exact=True, check_column_type=True)
    elif isinstance(expected, pl.DataFrame):
        assert found.schema == expected.schema
        assert found.equals(expected)
    else:
        assert found.schema.equals(expected.schema)
        assert found.to_pylist() == expected.to_pylist()
