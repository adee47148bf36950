"""The types of columns that pandas, polars and pyarrow have, by name, and columns of these types.

A column is built from NumPy arrays. What its values mean is not decided here.
"""

# Over 500 lines: what three libraries do differently, side by side.

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib import import_module
from numbers import Number
from typing import Any, NamedTuple, Protocol

import narwhals as nw
import numpy as np

_PLAIN = (str, bool, int, float)
_UNIT = r"(s|ms|us|ns)"
_PANDAS_NAMES = re.compile(
    rf"bool|boolean|(u?int|U?Int)(8|16|32|64)|float(16|32|64|128)|Float(32|64)"
    rf"|datetime64\[{_UNIT}(, .+)?\]|timedelta64\[{_UNIT}\]"
    r"|interval\[[^\[\]]+(\[[^\[\]]+\])?, (left|right|both|neither)\]"
)
_ARROW_NAMES = [  # of the functions that make them
    *("null", "bool_", "float16", "float32", "float64", "date32", "date64"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("string", "large_string", "string_view"),
]
_POLARS_NAMES = [
    *("Null", "Boolean", "Float16", "Float32", "Float64", "Date", "String", "Categorical"),
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
]


class Levels(NamedTuple):
    """The levels of a column, in the order of their codes.

    Parameters
    ----------
    values : list
        Text, booleans or numbers; the text of dates and intervals.
    dtype : str
        Name of the native type.
    categories : tuple or None, default=None
        The same levels in the order of the native type, if it lists them.
    ordered : bool, default=False
        Whether the native type says that they are ordered.
    """

    values: list[Any]
    dtype: str
    categories: tuple[Any, ...] | None = None
    ordered: bool = False

    @property
    def positions(self) -> np.ndarray:
        """The place of every level among the categories."""
        places = {level: place for place, level in enumerate(self.categories or ())}
        return np.array([places.get(level, -1) for level in self.values], dtype=np.int64)


class Library(Protocol):
    """What is done differently by each library."""

    name: str

    def names(self, frame: Any) -> list[Any]:
        """Return the names of the columns."""

    def columns(self, frame: Any) -> list[Any]:
        """Return the columns, in order."""

    def readable(self, column: Any) -> Any:
        """Return a column that narwhals reads, with dates in UTC and decimals as floats."""

    def type_name(self, column: Any) -> str:
        """Return the type of a column as text, from which it can be made again."""

    def categories(self, column: Any) -> tuple[list[Any], bool] | None:
        """Return the levels that the type lists and whether they are ordered, or None.

        Levels of all kinds are text, booleans or numbers.
        """

    def cells(self, column: Any) -> list[Any]:
        """Return the cells of a column of levels; what stands for missing ones does not matter."""

    def has_type(self, name: str) -> bool:
        """Return whether there is a type of this name that columns of tables may have."""

    def allows_missing(self, name: str) -> bool:
        """Return whether a column of this type can hold missing values."""

    def build(self, values: np.ndarray, missing: np.ndarray, dtype: str) -> Any:
        """Return a column of numbers, `datetime64` in UTC or `timedelta64`."""

    def take(self, levels: Levels, codes: np.ndarray, missing: np.ndarray) -> Any:
        """Return the column of the levels that have these codes; those of gaps do not matter."""

    def patched(self, column: Any, other: Any, chosen: np.ndarray) -> Any:
        """Return a column with the cells of another one where they are chosen."""

    def without(self, column: Any, value: Any) -> Any:
        """Return a column in which cells that equal a text or a number are missing."""

    def like(self, column: Any, values: np.ndarray) -> Any:
        """Return booleans as a column that goes beside another one."""

    def frame(self, names: list[Any], columns: list[Any]) -> Any:
        """Return the columns as a data frame."""


class _Pandas:
    name = "pandas"

    def names(self, frame: Any) -> list[Any]:
        return frame.columns.tolist()

    def columns(self, frame: Any) -> list[Any]:
        return [frame.iloc[:, position] for position in range(frame.shape[1])]

    def readable(self, column: Any) -> Any:
        pd = import_module("pandas")
        if isinstance(column.dtype, pd.ArrowDtype):
            return _ARROW.readable(_arrow_column(column))
        is_zoned = isinstance(column.dtype, pd.DatetimeTZDtype)
        return column.dt.tz_convert(None) if is_zoned else column

    def type_name(self, column: Any) -> str:
        return self._name(column.dtype)

    def categories(self, column: Any) -> tuple[list[Any], bool] | None:
        pd = import_module("pandas")
        if isinstance(column.dtype, pd.ArrowDtype):
            return _ARROW.categories(_arrow_column(column))
        if not isinstance(column.dtype, pd.CategoricalDtype):
            return None
        return _plain_categories(column), bool(column.dtype.ordered)

    def cells(self, column: Any) -> list[Any]:
        pd = import_module("pandas")
        if isinstance(column.dtype, pd.ArrowDtype):
            return _ARROW.cells(_arrow_column(column))
        if not isinstance(column.dtype, pd.CategoricalDtype):
            return column.tolist()
        levels = np.array([*_plain_categories(column), None], dtype=object)
        return levels[column.cat.codes.to_numpy()].tolist()

    def has_type(self, name: str) -> bool:
        return _succeeds(self.type_called, name)

    def allows_missing(self, name: str) -> bool:
        kind = self.type_called(name)
        return not (isinstance(kind, np.dtype) and kind.kind in "biu")

    def build(self, values: np.ndarray, missing: np.ndarray, dtype: str) -> Any:
        pd, kind = import_module("pandas"), self.type_called(dtype)
        if isinstance(kind, pd.ArrowDtype):
            return self._of_arrow(_ARROW.build(values, missing, str(kind.pyarrow_dtype)))
        if dtype.startswith("object"):
            return pd.Series(_objects(values, dtype, missing), dtype=object)
        series = pd.Series(values)
        if isinstance(kind, pd.DatetimeTZDtype):
            series = series.dt.tz_localize("UTC")
        series = series.astype(kind)
        return series.mask(missing) if missing.any() else series

    def take(self, levels: Levels, codes: np.ndarray, missing: np.ndarray) -> Any:
        pd, kind = import_module("pandas"), self.type_called(levels.dtype)
        if isinstance(kind, pd.ArrowDtype):
            of_arrow = levels._replace(dtype=str(kind.pyarrow_dtype))
            return self._of_arrow(_ARROW.take(of_arrow, codes, missing))
        if isinstance(kind, pd.CategoricalDtype):
            index = _index(levels.categories or (), _inner(levels.dtype))
            positions = np.where(missing, -1, levels.positions[codes])
            kind = pd.CategoricalDtype(index, levels.ordered)
            return pd.Series(pd.Categorical.from_codes(positions, dtype=kind))
        values = pd.Series(levels.values, dtype=object)
        if levels.dtype.startswith("object"):
            cells = values.to_numpy()[codes]
            return pd.Series(_objects(cells, levels.dtype, missing), dtype=object)
        series = values.astype(kind).take(codes).reset_index(drop=True)
        return series.mask(missing) if missing.any() else series

    def patched(self, column: Any, other: Any, chosen: np.ndarray) -> Any:
        pd = import_module("pandas")
        other = other.set_axis(column.index)
        if chosen.all():
            return other
        if isinstance(column.dtype, pd.CategoricalDtype):
            known = column.cat.categories
            other = other.astype(object).where(chosen)  # the rest may be no categories
            new = pd.Index(other[chosen].unique()).difference(known, sort=False)
            column = column.cat.add_categories(new)
        if column.dtype != object:
            kind = self._common_type(column.dtype, other[chosen])
            if kind != column.dtype:  # which need not hold a missing value
                column = column.where(~chosen, column[~chosen].iloc[0]).astype(kind)
            other = other.astype(kind)
        return column.where(~chosen, other)

    def _common_type(self, dtype: Any, values: Any) -> Any:
        """Return the type if it holds these values, else theirs; floats are rounded."""
        pd = import_module("pandas")
        if pd.api.types.is_float_dtype(dtype):
            return dtype
        try:
            is_held = (values.astype(dtype).astype(values.dtype) == values).all()
        except (ValueError, TypeError, OverflowError):
            is_held = False
        return dtype if is_held else values.dtype

    def without(self, column: Any, value: Any) -> Any:
        types, kind = import_module("pandas").api.types, column.dtype
        if isinstance(kind, import_module("pandas").CategoricalDtype):
            levels = [level for level in kind.categories.tolist() if _equal(level, value)]
            return column.cat.remove_categories(levels)
        if column.dtype == object:
            return column.mask([_equal(cell, value) for cell in column], None)
        is_number = types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind)
        if not (types.is_string_dtype(kind) if isinstance(value, str) else is_number):
            return column
        is_gap = (column == value).fillna(False).to_numpy(dtype=bool)
        if not is_gap.any():
            return column
        if isinstance(kind, np.dtype) and kind.kind in "iu":
            column = column.astype(kind.name.replace("int", "Int").replace("uI", "UI"))
        return column.mask(is_gap)

    def like(self, column: Any, values: np.ndarray) -> Any:
        return import_module("pandas").Series(values, index=column.index)

    def frame(self, names: list[Any], columns: list[Any]) -> Any:
        pd = import_module("pandas")
        frame = pd.DataFrame(dict(enumerate(columns)), copy=False)
        frame.columns = pd.Index(names)
        return frame

    def _of_arrow(self, column: Any) -> Any:
        pd = import_module("pandas")
        return pd.Series(pd.arrays.ArrowExtensionArray(column))

    def _name(self, dtype: Any) -> str:
        pd = import_module("pandas")
        if isinstance(dtype, pd.ArrowDtype):
            return f"ArrowDtype({dtype.pyarrow_dtype})"
        if isinstance(dtype, pd.StringDtype):
            return f"{'string' if dtype.na_value is pd.NA else 'str'}[{dtype.storage}]"
        if isinstance(dtype, pd.CategoricalDtype):
            return f"category[{self._name(dtype.categories.dtype)}]"
        if isinstance(dtype, pd.SparseDtype):
            return f"Sparse[{dtype.subtype}, {np.asarray(dtype.fill_value).item()}]"
        return str(dtype)

    def type_called(self, name: str) -> Any:
        pd = import_module("pandas")
        if match := re.fullmatch(r"ArrowDtype\((.+)\)", name):
            return pd.ArrowDtype(_ARROW.type_called(match[1]))
        if match := re.fullmatch(r"(string|str)\[(python|pyarrow)\]", name):
            missing = {} if match[1] == "string" else {"na_value": np.nan}
            return pd.StringDtype(match[2], **missing)
        if name.startswith("category[") and not _inner(name).startswith("category"):
            self.type_called(_inner(name))
            return pd.CategoricalDtype()
        if re.fullmatch(r"object(\[\w+(, nan)?\])?", name):
            return np.dtype(object)
        if match := re.fullmatch(r"Sparse\[(\w+), (\S+)\]", name):
            values = np.dtype(match[1])
            fill = match[2] == "True" if values.kind == "b" else float(match[2])
            return pd.SparseDtype(values, values.type(fill).item())
        if not _PANDAS_NAMES.fullmatch(name):
            raise ValueError(f"pandas has no type {name!r} for columns of a table.")
        return pd.api.types.pandas_dtype(name)


class _Polars:
    name = "polars"

    def names(self, frame: Any) -> list[Any]:
        return frame.columns

    def columns(self, frame: Any) -> list[Any]:
        return frame.get_columns()

    def readable(self, column: Any) -> Any:
        pl = import_module("polars")
        if column.dtype == pl.Decimal:
            return column.cast(pl.Float64)
        is_zoned = column.dtype == pl.Datetime and column.dtype.time_zone is not None
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if is_zoned else column

    def type_name(self, column: Any) -> str:
        return str(column.dtype).partition("(categories=")[0]

    def categories(self, column: Any) -> tuple[list[Any], bool] | None:
        is_enum = self.type_name(column) == "Enum"
        return (column.dtype.categories.to_list(), True) if is_enum else None

    def cells(self, column: Any) -> list[Any]:
        return column.to_list()

    def has_type(self, name: str) -> bool:
        return _succeeds(self.type_called, name)

    def allows_missing(self, name: str) -> bool:
        return True

    def build(self, values: np.ndarray, missing: np.ndarray, dtype: str) -> Any:
        pl = import_module("polars")
        if values.dtype.kind in "mM":
            narrow = values.view(np.int64).astype(np.int32 if dtype == "Date" else np.int64)
            return self._masked(pl.Series(narrow).cast(self.type_called(dtype)), missing)
        kind = self.type_called(dtype)
        if kind == pl.Decimal:  # older versions do not round, but truncate
            values = values + np.copysign(0.25 * 10.0**-kind.scale, values)
        return self._masked(pl.Series(values).cast(kind), missing)

    def take(self, levels: Levels, codes: np.ndarray, missing: np.ndarray) -> Any:
        pl = import_module("polars")
        kind = self.type_called(levels.dtype, levels.categories or ())
        series = pl.Series(levels.values).cast(kind)
        return self._masked(series.gather(codes), missing)

    def patched(self, column: Any, other: Any, chosen: np.ndarray) -> Any:
        pl = import_module("polars")
        if chosen.all():
            return other
        filled = other.filter(pl.Series(chosen))
        if column.dtype == pl.Enum:
            known = column.dtype.categories
            new = filled.cast(pl.String).unique(maintain_order=True)
            column = column.cast(pl.Enum([*known, *new.filter(~new.is_in(known.to_list()))]))
        elif not self._holds(column.dtype, filled):
            column = column.cast(other.dtype)
        cells = pl.when(pl.Series(chosen)).then(other.cast(column.dtype, strict=False))
        return pl.select(cells.otherwise(column)).to_series()

    def _holds(self, dtype: Any, values: Any) -> bool:
        """Return whether the type holds these values; floats are rounded."""
        converted = values.cast(dtype, strict=False)
        return dtype.is_float() or converted.cast(values.dtype).equals(values)

    def without(self, column: Any, value: Any) -> Any:
        pl, kind = import_module("polars"), column.dtype
        is_text = kind in (pl.String, pl.Categorical, pl.Enum)
        if not (is_text if isinstance(value, str) else kind.is_numeric()):
            return column
        is_gap = (column.cast(pl.String) if is_text else column) == value
        column = self._masked(column, is_gap.fill_null(False).to_numpy())
        if kind != pl.Enum:
            return column
        return column.cast(pl.Enum(kind.categories.filter(kind.categories != value)))

    def like(self, column: Any, values: np.ndarray) -> Any:
        return import_module("polars").Series(values)

    def frame(self, names: list[Any], columns: list[Any]) -> Any:
        pairs = zip(names, columns, strict=True)
        return import_module("polars").DataFrame([column.alias(name) for name, column in pairs])

    def _masked(self, series: Any, missing: np.ndarray) -> Any:
        pl = import_module("polars")
        if not missing.any():
            return series
        return pl.select(pl.when(pl.Series(~missing)).then(series)).to_series()

    def type_called(self, name: str, categories: tuple[Any, ...] = ()) -> Any:
        pl = import_module("polars")
        if name in _POLARS_NAMES:
            return getattr(pl, name)
        if name == "Enum":
            return pl.Enum(list(categories))
        if match := re.fullmatch(r"Categorical\(ordering='(physical|lexical)'\)", name):
            return pl.Categorical(match[1])
        times = r"Datetime\(time_unit='(ms|us|ns)', time_zone=(None|'([^']+)')\)"
        if match := re.fullmatch(times, name):
            return pl.Datetime(match[1], match[3])
        if match := re.fullmatch(r"Duration\(time_unit='(ms|us|ns)'\)", name):
            return pl.Duration(match[1])
        decimal = r"Decimal\(precision=([12]?\d|3[0-8]), scale=(\d\d?)\)"
        if match := re.fullmatch(decimal, name):
            return pl.Decimal(int(match[1]), int(match[2]))
        raise ValueError(f"polars has no type {name!r} for columns of a table.")


class _Arrow:
    name = "pyarrow"

    def names(self, frame: Any) -> list[Any]:
        return frame.column_names

    def columns(self, frame: Any) -> list[Any]:
        return frame.columns

    def readable(self, column: Any) -> Any:
        pa = import_module("pyarrow")
        if pa.types.is_decimal(column.type):
            return column.cast(pa.float64())
        is_zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
        return column.cast(pa.timestamp(column.type.unit)) if is_zoned else column

    def type_name(self, column: Any) -> str:
        return str(column.type)

    def categories(self, column: Any) -> tuple[list[Any], bool] | None:
        pa = import_module("pyarrow")
        if not pa.types.is_dictionary(column.type):
            return None
        chunks = column.unify_dictionaries().chunks
        levels = chunks[0].dictionary.drop_null().to_pylist() if chunks else []
        return (levels, True) if column.type.ordered else (sorted(levels), False)

    def cells(self, column: Any) -> list[Any]:
        pa = import_module("pyarrow")
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column.to_numpy(zero_copy_only=False).tolist()

    def has_type(self, name: str) -> bool:
        return _succeeds(self.type_called, name)

    def allows_missing(self, name: str) -> bool:
        return True

    def build(self, values: np.ndarray, missing: np.ndarray, dtype: str) -> Any:
        pa = import_module("pyarrow")
        return pa.array(values, mask=missing).cast(self.type_called(dtype))

    def take(self, levels: Levels, codes: np.ndarray, missing: np.ndarray) -> Any:
        pa, kind = import_module("pyarrow"), self.type_called(levels.dtype)
        if pa.types.is_dictionary(kind):
            indices = pa.array(levels.positions[codes], kind.index_type, mask=missing)
            dictionary = pa.array(levels.categories, kind.value_type)
            return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=kind.ordered)
        return pa.array(levels.values).take(pa.array(codes, mask=missing)).cast(kind)

    def patched(self, column: Any, other: Any, chosen: np.ndarray) -> Any:
        pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
        if chosen.all():
            return other
        other, kind = other.cast(_without_views(other.type)), _without_views(column.type)
        if not self._holds(kind, other.filter(pa.array(chosen))):
            kind = other.type
        others = pc.if_else(pa.array(chosen), other, pa.scalar(None, other.type)).cast(kind)
        cells = pc.if_else(pa.array(chosen), others, column.cast(kind))
        if str(column.type) == "string_view":
            return cells.cast(column.type)
        if not pa.types.is_dictionary(column.type):
            return cells
        levels = column.unify_dictionaries().chunk(0).dictionary
        new = pc.unique(cells.filter(pc.invert(pc.is_in(cells, value_set=levels))))
        levels = pa.concat_arrays([levels, pc.drop_null(new).cast(levels.type)])
        return self._encoded(cells, levels, column.type)

    def without(self, column: Any, value: Any) -> Any:
        pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
        kind, types = _without_views(column.type), pa.types
        is_text = types.is_string(kind) or types.is_large_string(kind)
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        if not len(column) or not (is_text if isinstance(value, str) else is_number):
            return column
        cells = column.cast(kind)
        is_gap = pc.equal(cells.cast(pa.float64()) if types.is_decimal(kind) else cells, value)
        cells = pc.if_else(pc.fill_null(is_gap, False), pa.scalar(None, kind), cells)
        if not types.is_dictionary(column.type):
            return cells.cast(column.type)
        levels = column.unify_dictionaries().chunk(0).dictionary
        return self._encoded(cells, levels.filter(pc.not_equal(levels, value)), column.type)

    def _encoded(self, cells: Any, levels: Any, kind: Any) -> Any:
        """Return cells as a dictionary of these levels."""
        pa, pc = import_module("pyarrow"), import_module("pyarrow.compute")
        places = pc.index_in(cells, value_set=levels).cast(kind.index_type)
        return pa.chunked_array(
            [
                pa.DictionaryArray.from_arrays(chunk, levels, ordered=kind.ordered)
                for chunk in places.chunks
            ]
        )

    def _holds(self, kind: Any, values: Any) -> bool:
        """Return whether the type holds these values; floats are rounded."""
        return _succeeds(lambda type: values.cast(type), kind)

    def like(self, column: Any, values: np.ndarray) -> Any:
        return import_module("pyarrow").array(values)

    def frame(self, names: list[Any], columns: list[Any]) -> Any:
        return import_module("pyarrow").table(columns, names=names)

    def type_called(self, name: str) -> Any:
        pa = import_module("pyarrow")
        plain = {str(kind): kind for kind in (getattr(pa, each)() for each in _ARROW_NAMES)}
        if name in plain:
            return plain[name]
        if match := re.fullmatch(rf"timestamp\[{_UNIT}(, tz=(.+))?\]", name):
            return pa.timestamp(match[1], match[3])
        if match := re.fullmatch(rf"duration\[{_UNIT}\]", name):
            return pa.duration(match[1])
        if match := re.fullmatch(r"decimal(32|64|128|256)\((\d+), (\d+)\)", name):
            return getattr(pa, f"decimal{match[1]}")(int(match[2]), int(match[3]))
        plain_types = r"string|large_string|bool|u?int\d+|float|double"
        pattern = rf"dictionary<values=({plain_types}), indices=(u?int\d+), ordered=([01])>"
        if match := re.fullmatch(pattern, name):
            value, index = self.type_called(match[1]), self.type_called(match[2])
            return pa.dictionary(index, value, match[3] == "1")
        raise ValueError(f"pyarrow has no type {name!r} for columns of a table.")


_PANDAS, _POLARS, _ARROW = _Pandas(), _Polars(), _Arrow()
LIBRARIES: dict[str, Library] = {"pandas": _PANDAS, "polars": _POLARS, "pyarrow": _ARROW}


def library_of(frame: Any) -> Library | None:
    """Return the library of a data frame, or None for anything else. It imports none of them."""
    known = nw.dependencies
    tests = (known.is_pandas_dataframe, known.is_polars_dataframe, known.is_pyarrow_table)
    pairs = zip(LIBRARIES.values(), tests, strict=True)
    return next((library for library, is_own in pairs if is_own(frame)), None)


def _succeeds(function: Callable[[str], Any], name: str) -> bool:
    try:
        function(name)
    except (ValueError, TypeError):
        return False
    return True


def _arrow_column(series: Any) -> Any:
    """Return an Arrow-backed column of pandas as a chunked array."""
    pa = import_module("pyarrow")
    column = pa.array(series.array)
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _equal(cell: Any, value: Any) -> bool:
    """Return whether a Python object is a text or a number, as the value is, and equals it."""
    kind = str if isinstance(value, str) else Number
    return isinstance(cell, kind) and not isinstance(cell, bool) and cell == value


def _without_views(kind: Any) -> Any:
    """Return the type of the values of a column, or one that Arrow's functions accept for it."""
    pa = import_module("pyarrow")
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.string() if str(kind) == "string_view" else kind


def _inner(name: str) -> str:
    """Return the name of the type of the categories."""
    return name.removeprefix("category[").removesuffix("]")


def _plain_categories(column: Any) -> list[Any]:
    """Return the categories of a pandas column; dates, durations and intervals as text."""
    index = column.dtype.categories
    plain = [level if isinstance(level, _PLAIN) else str(level) for level in index.tolist()]
    if not _index(plain, _inner(_PANDAS.type_name(column))).equals(index):
        raise ValueError(
            f"Column {column.name!r} has categories such as {index[0]!r}. Expected text, booleans, "
            "numbers, dates or intervals. Convert it, for example by astype(str), or drop it."
        )
    return plain


def _index(levels: Sequence[Any], dtype: str) -> Any:
    """Return such categories as an index of the type."""
    pd, kind = import_module("pandas"), _PANDAS.type_called(dtype)
    if not isinstance(kind, pd.IntervalDtype):
        return pd.Index(list(levels), dtype=object).astype(kind)
    ends = [level[1:-1].split(", ") for level in levels]
    left, right = (
        pd.Index([end[side] for end in ends], dtype=object).astype(kind.subtype) for side in (0, 1)
    )
    return pd.IntervalIndex.from_arrays(left, right, kind.closed)


def _objects(values: np.ndarray, dtype: str, missing: np.ndarray) -> np.ndarray:
    """Return Python objects of the type in the name, such as "object[date]"."""
    if dtype.startswith("object[Decimal"):
        values = np.array([Decimal(str(value)) for value in values.tolist()], dtype=object)
    if values.dtype.kind in "mM":
        unit = "D" if dtype.startswith(("object[date]", "object[date,")) else "us"
        values = values.astype(f"{values.dtype.kind}8[{unit}]")
    objects = values.astype(object)
    objects[missing] = np.nan if dtype.endswith(", nan]") else None
    return objects
