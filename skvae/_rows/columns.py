"""What a column of a table is, learned from its cells, and its values as floats and back."""

# Over 500 lines: what is learned, encoded and decoded of numbers, levels and times, side by side.

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, repeat
from typing import Any

import numpy as np

from skvae._rows.arrays import place_of
from skvae._rows.cells import Cells
from skvae._rows.native import Levels, Library
from skvae._validation import IdentifierError

MOST_LEVELS = 100
MOST_DECIMALS = 10
SPIKE_SHARE, SPIKE_ROWS = 0.02, 10
IDENTIFIER_SHARE, IDENTIFIER_ROWS = 0.9, 20
UNITS = {  # nanoseconds
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
KINDS = {  # that a column of each family of values can have
    "number": ("real", "whole", "level"),
    "level": ("level",),
    "datetime": ("datetime",),
    "duration": ("duration",),
}
_EXACT = 2**53  # floats hold all whole numbers up to this one


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a column of a table.

    Parameters
    ----------
    name : object
        Name of the column. Those of pandas need not be text.
    kind : {"real", "whole", "level", "datetime", "duration", "constant"}
        What the values are. A column is constant if a single value was seen.
    base : {"real", "whole", "level", "datetime", "duration"}
        How the values are encoded: the kind, or that of a constant if it had more values.
    dtype : str
        Name of the native type, from which it is restored.
    missing : bool, default=False
        Whether cells were missing.
    levels : tuple, default=()
        The levels, in the order of their codes.
    others : tuple, default=()
        Rare levels, which share the code after those of `levels`.
    shares : tuple of float, default=()
        The share of each of `others` in their common code.
    categories : tuple or None, default=None
        The levels that the native type lists, in its order.
    ordered : bool, default=False
        Whether the native type says that its levels are ordered.
    low, high : float or None, default=None
        Bounds of the encoded values; None if no value was seen.
    decimals : int or None, default=None
        Number of decimals of the values; None if there are too many, or if they are not numbers.
    step : float or None, default=None
        Distance of neighbouring encoded values, if all lie on one lattice.
    unit : str or None, default=None
        Unit of encoded dates and durations, as NumPy calls it.
    resolution : str or None, default=None
        Unit in which the native type counts.
    origin : int, default=0
        Value that is encoded as zero, in `resolution` for dates and durations.
    time_zone : str or None, default=None
        Time zone of the dates.
    spikes : tuple of float, default=()
        Encoded values that many rows share.
    """

    name: Any
    kind: str
    base: str
    dtype: str
    missing: bool = False
    levels: tuple[Any, ...] = ()
    others: tuple[Any, ...] = ()
    shares: tuple[float, ...] = ()
    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    step: float | None = None
    unit: str | None = None
    resolution: str | None = None
    origin: int = 0
    time_zone: str | None = None
    spikes: tuple[float, ...] = ()

    @property
    def n_codes(self) -> int:
        """Number of codes of levels. An unseen level is encoded as this number."""
        return len(self.levels) + bool(self.others)


def learn(cells: Cells, kind: str | None = None) -> Column:
    """Return what is known of a column. A kind that is given overrules the rule."""
    possible = KINDS[cells.family]
    if kind is not None and kind not in possible:
        raise ValueError(
            f"Column {cells.name!r} of type {cells.dtype} cannot be of kind {kind!r}. Expected "
            f"{' or '.join(map(repr, possible))}. Convert the column to have another kind."
        )
    if kind == "level" and cells.family == "number":
        cells = cells.as_levels()
    base = kind or _default_kind(cells)
    column = Column(cells.name, base, base, cells.dtype, missing=bool(cells.missing.any()))
    if base == "level":
        return _learn_levels(column, cells, declared=kind is not None)
    learn_lattice = _learn_times if cells.family != "number" else _learn_numbers
    return _learn_values(learn_lattice(column, cells), cells, declared=kind is not None)


def encode(column: Column, cells: Cells) -> np.ndarray:
    """Return the cells of a column as float64, with NaN for those that are missing."""
    if cells.missing.all():
        return np.full(len(cells), np.nan)
    code = {"level": _encode_levels, "real": _encode_numbers, "whole": _encode_numbers}
    values = code.get(column.base, _encode_times)(column, cells)
    values[cells.missing] = np.nan
    return values


def decode(column: Column, x: np.ndarray, library: Library, rng: np.random.Generator | None) -> Any:
    """Return encoded values as a column of the native type."""
    return decode_joined([column], [x], library, rng)


def decode_joined(
    columns: Sequence[Column],
    blocks: Sequence[np.ndarray],
    library: Library,
    rng: np.random.Generator | None = None,
) -> Any:
    """Return encoded values of columns that can be joined as one native column, end to end.

    A native column takes about as long as hundreds of values.
    """
    pairs = list(zip(columns, blocks, strict=True))
    gaps = [_gaps(column, x, library) for column, x in pairs]
    triples = zip(columns, blocks, gaps, strict=True)
    missing, dtype = np.concatenate(gaps), columns[0].dtype
    if columns[0].base == "level":
        codes = [_decoded_codes(*triple, rng) for triple in triples]
        sizes = [len(column.levels) + len(column.others) for column in columns]
        starts = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(x) for x in blocks])
        return library.take(_joined_levels(columns), np.concatenate(codes) + starts, missing)
    values = np.concatenate([_decoded_values(*triple, rng) for triple in triples])
    return library.build(values, missing, dtype)


def joined_type(column: Column) -> tuple[Any, ...]:
    """Return what columns must share to be joined."""
    if column.base == "level":
        levels = chain(column.levels, column.others)
        has_list = column.categories is not None
        return column.dtype, column.ordered, has_list, frozenset(map(type, levels))
    bounds = [abs(bound) for bound in (column.low, column.high) if bound is not None]
    is_wide = column.origin != 0 or max(bounds, default=0) > _EXACT
    return column.dtype, column.base, column.resolution, is_wide


def _gaps(column: Column, x: np.ndarray, library: Library) -> np.ndarray:
    missing = np.isnan(x) | (column.low is None)
    _refuse_missing(column, missing, library)
    return missing


def _within_bounds(column: Column, x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    low, high = (0.0, 0.0) if column.low is None else (column.low, column.high)
    return np.clip(np.where(missing, low, x), low, high)


def _decoded_values(
    column: Column, x: np.ndarray, missing: np.ndarray, rng: np.random.Generator | None
) -> np.ndarray:
    """Return numbers, dates or durations as NumPy holds them; gaps have any value."""
    if rng is None and column.base == "real":  # a mean
        return np.where(missing, 0.0, x)
    x = _within_bounds(column, x, missing)
    if column.base not in ("real", "whole"):
        return _decoded_times(column, x, missing)
    if column.decimals is not None:
        x = np.round(x, column.decimals)
    return _decoded_numbers(column, x)


def _default_kind(cells: Cells) -> str:
    if cells.family != "number":
        return cells.family
    return "real" if cells.values.dtype.kind == "f" else "whole"


def _learn_values(column: Column, cells: Cells, declared: bool) -> Column:
    """Learn bounds, spikes and constants from the encoded values."""
    x = encode(column, cells)
    values, counts = np.unique(x[~cells.missing], return_counts=True)
    if len(values) == 0:
        return column
    least = max(SPIKE_ROWS, SPIKE_SHARE * counts.sum())
    kind = "constant" if len(values) == 1 and not declared else column.kind
    low, high = _bounds(column, cells, values)
    spikes = tuple(np.unique(values[counts >= least].clip(low, high)).tolist())
    return replace(column, kind=kind, low=low, high=high, spikes=spikes)


def _bounds(column: Column, cells: Cells, x: np.ndarray) -> tuple[float, float]:
    """Return the ends of encoded values; of rounded whole numbers, floats within the true ends."""
    low, high = float(x[0]), float(x[-1])
    if cells.values.dtype.kind in "iuO" and not column.origin:
        values = cells.observed
        low = low if int(low) >= int(values.min()) else float(np.nextafter(low, np.inf))
        high = high if int(high) <= int(values.max()) else float(np.nextafter(high, -np.inf))
    return low, high


# Numbers


def _learn_numbers(column: Column, cells: Cells) -> Column:
    values = cells.observed
    if values.dtype.kind != "f":
        step = 1.0 if column.base == "whole" else None
        return replace(column, origin=_origin(values), decimals=0, step=step)
    if column.base == "whole":
        _refuse_fractions(cells)
    decimals = 0 if column.base == "whole" else _decimals(values)
    return replace(column, decimals=decimals, step=None if decimals is None else 10.0**-decimals)


def _origin(values: np.ndarray) -> int:
    """Return the smallest of large whole numbers if floats then hold all differences, else 0."""
    if not _is_beyond_floats(values):
        return 0
    low, high = int(values.min()), int(values.max())
    return low if high - low <= _EXACT else 0


def _is_beyond_floats(values: np.ndarray) -> bool:
    """Return whether there are whole numbers so large that floats skip some of their size."""
    return len(values) > 0 and max(-int(values.min()), int(values.max())) > _EXACT


def _decimals(values: np.ndarray) -> int | None:
    """Return how many decimals the values have, if they are few and the type holds more digits."""
    distinct = np.unique(values)
    if len(distinct) == 0:
        return None
    wide, largest = distinct.astype(np.float64), float(np.abs(distinct).max())
    for decimals in range(MOST_DECIMALS + 1):
        if largest * 10.0**decimals > 2.0 ** np.finfo(values.dtype).nmant:
            return None
        if (np.round(wide, decimals).astype(values.dtype) == distinct).all():
            return decimals
    return None


def _encode_numbers(column: Column, cells: Cells) -> np.ndarray:
    values = _numbers_of(column, cells)
    if column.origin:
        values = values.astype(object) - column.origin
    return values.astype(np.float64)


def _numbers_of(column: Column, cells: Cells) -> np.ndarray:
    """Return numbers; booleans may stand for 0 and 1."""
    if cells.family == "number":
        return cells.values
    values = np.array(cells.values, dtype=object)
    values[cells.missing] = False
    if cells.family != "level" or set(map(type, values.tolist())) != {bool}:
        raise _error_of_family(column, cells)
    return values.astype(np.int64)


def _decoded_numbers(column: Column, x: np.ndarray) -> np.ndarray:
    if not _is_integer(column.dtype):
        return x
    x = np.round(x)
    if not column.origin and np.abs(x).max(initial=0) <= _EXACT:
        return x.astype(np.int64)
    values = np.array([column.origin + int(number) for number in x.tolist()], dtype=object)
    if column.dtype.startswith("object"):
        return values
    return values.astype(np.uint64 if "uint" in column.dtype.lower() else np.int64)


def _is_integer(dtype: str) -> bool:
    return "int" in dtype.lower()


# Levels


def _learn_levels(column: Column, cells: Cells, declared: bool) -> Column:
    counts = Counter(cells.observed)
    if cells.is_text and not declared:
        _refuse_identifier(column, counts)
    levels = cells.categories
    if levels is None:
        levels = tuple(sorted(_with_both_booleans(counts)))
    column = replace(column, categories=cells.categories, ordered=cells.ordered)
    column = _grouped(column, levels, counts)
    return _with_code_bounds(column, counts, declared)


def _with_both_booleans(counts: Counter[Any]) -> set[Any]:
    are_booleans = counts and all(type(level) is bool for level in counts)
    return {False, True} if are_booleans else set(counts)


def _grouped(column: Column, levels: tuple[Any, ...], counts: Counter[Any]) -> Column:
    """Give codes to the most frequent levels and one to all others, if there are too many."""
    if len(levels) <= MOST_LEVELS:
        return replace(column, levels=levels)
    ranked = sorted(range(len(levels)), key=lambda place: (-counts[levels[place]], place))
    is_frequent = np.zeros(len(levels), dtype=bool)
    is_frequent[ranked[: MOST_LEVELS - 1]] = True
    others = tuple(compress(levels, ~is_frequent))
    n_rows = np.array([counts[level] for level in others], dtype=np.float64)
    n_rows += not n_rows.any()  # levels without any row are as likely as one another
    shares = tuple((n_rows / n_rows.sum()).tolist())
    frequent = tuple(compress(levels, is_frequent))
    return replace(column, levels=frequent, others=others, shares=shares)


def _with_code_bounds(column: Column, counts: Counter[Any], declared: bool) -> Column:
    if not counts:
        return column
    if len(counts) == 1 and not declared:
        code = float(_codes(column)[next(iter(counts))])
        return replace(column, kind="constant", low=code, high=code)
    return replace(column, low=0.0, high=column.n_codes - 1.0)


def _codes(column: Column) -> dict[Any, int]:
    codes = {level: code for code, level in enumerate(column.levels)}
    return codes | dict.fromkeys(column.others, len(column.levels))


def _encode_levels(column: Column, cells: Cells) -> np.ndarray:
    given, cells = cells, cells.as_levels() if cells.family == "number" else cells
    if cells.family != "level":
        raise _error_of_family(column, given)
    _refuse_other_levels(column, given, set(cells.observed))
    codes = map(_codes(column).get, cells.values, repeat(column.n_codes))
    return np.fromiter(codes, np.float64, len(cells))


def _refuse_other_levels(column: Column, cells: Cells, levels: Iterable[Any]) -> None:
    """Refuse numbers where text was seen, and text where numbers were: none would be known."""
    was_text = {isinstance(level, str) for level in chain(column.levels, column.others)}
    is_text = {isinstance(level, str) for level in levels}
    if was_text and is_text and not was_text & is_text:
        raise _error_of_family(column, cells)


def _decoded_codes(
    column: Column, x: np.ndarray, missing: np.ndarray, rng: np.random.Generator | None
) -> np.ndarray:
    """Return the positions of levels, the rare ones after the others."""
    codes = np.rint(_within_bounds(column, x, missing)).astype(np.int64)
    if column.others:
        in_group = codes == len(column.levels)
        codes[in_group] += _members(column, int(in_group.sum()), rng)
    return codes


def _joined_levels(columns: Sequence[Column]) -> Levels:
    """Return the levels of all columns, one column after another."""
    first = columns[0]
    levels = [level for column in columns for level in chain(column.levels, column.others)]
    lists = [column.categories or () for column in columns]
    categories = None if first.categories is None else tuple(dict.fromkeys(chain(*lists)))
    return Levels(levels or [None], first.dtype, categories, first.ordered)


def _members(column: Column, n_draws: int, rng: np.random.Generator | None) -> Any:
    if rng is None:
        return int(np.argmax(column.shares))
    shares = np.array(column.shares)
    return rng.choice(len(shares), n_draws, p=shares / shares.sum())


# Dates and durations


def _learn_times(column: Column, cells: Cells) -> Column:
    resolution = _resolution(cells.values)
    ticks = cells.observed.view(np.int64)
    unit, origin = _unit(ticks, 0, resolution), 0
    per_unit = UNITS[unit] // UNITS[resolution]
    if len(ticks) and (cells.family == "datetime" or _is_beyond_floats(ticks // per_unit)):
        origin = int(ticks.min())
        unit = _unit(ticks, origin, resolution)
    return replace(
        column,
        unit=unit,
        resolution=resolution,
        origin=origin,
        step=1.0,
        time_zone=cells.time_zone,
    )


def _resolution(values: np.ndarray) -> str:
    return np.datetime_data(values.dtype)[0]


def _unit(ticks: np.ndarray, origin: int, resolution: str) -> str:
    """Return the coarsest unit of which all distances from the origin are multiples."""
    multiples = {unit: max(1, size // UNITS[resolution]) for unit, size in UNITS.items()}
    return next(unit for unit, each in multiples.items() if (ticks % each == origin % each).all())


def _encode_times(column: Column, cells: Cells) -> np.ndarray:
    if cells.family != column.base or (cells.time_zone is None) != (column.time_zone is None):
        raise _error_of_family(column, cells)
    resolution = _resolution(cells.values)
    size, own_size = UNITS[resolution], UNITS[column.resolution or "ns"]
    ticks = np.where(cells.missing, 0, cells.values.view(np.int64))
    days, rest = np.divmod(ticks, UNITS["D"] // size)
    origin_days, origin_rest = divmod(column.origin, UNITS["D"] // own_size)
    nanoseconds = rest * size - origin_rest * own_size
    unit = UNITS[column.unit or "ns"]
    return (days - origin_days) * (UNITS["D"] / unit) + nanoseconds / unit


def _decoded_times(column: Column, x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    per_unit = UNITS[column.unit or "ns"] // UNITS[column.resolution or "ns"]
    ticks = column.origin + np.rint(x).astype(np.int64) * per_unit
    code = "M8" if column.base == "datetime" else "m8"
    values = ticks.view(f"{code}[{column.resolution}]")
    values[missing] = "NaT"
    return values


# Errors


def _refuse_identifier(column: Column, counts: Counter[Any]) -> None:
    n_values = sum(counts.values())
    if n_values > IDENTIFIER_ROWS and len(counts) > IDENTIFIER_SHARE * n_values:
        example = next(iter(counts))
        raise IdentifierError(
            column.name,
            f"Column {column.name!r} looks like identifiers or free text: {len(counts)} of "
            f"{n_values} values are different, such as {example!r}",
            "Drop it, or convert it to a categorical type if its values are levels.",
        )


def _refuse_fractions(cells: Cells) -> None:
    wrong = (cells.values % 1 != 0) & ~cells.missing
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"X holds {cells.values[row]} in {place_of(cells.name, row)}, but this column is "
            "declared as 'whole'. Declare it as 'real', or round it."
        )


def _refuse_missing(column: Column, missing: np.ndarray, library: Library) -> None:
    if missing.any() and not library.allows_missing(column.dtype):
        raise ValueError(
            f"X is NaN in {place_of(column.name, int(missing.argmax()))}, but this column is of "
            f"type {column.dtype}, which cannot hold missing values. Replace it."
        )


def _error_of_family(column: Column, cells: Cells) -> ValueError:
    return ValueError(
        f"Column {column.name!r} held {_described(column.base, column.dtype, column.time_zone)} in "
        f"training, but now holds {_described(cells.family, cells.dtype, cells.time_zone)}. "
        "Convert it to the type of training."
    )


def _described(kind: str, dtype: str, time_zone: str | None) -> str:
    words = {
        "real": "numbers",
        "whole": "whole numbers",
        "number": "numbers",
        "level": "levels",
        "datetime": "dates",
        "duration": "durations",
    }
    zone = f" in time zone {time_zone}" if time_zone else ""
    return f"{words[kind]} of type {dtype}{zone}"
