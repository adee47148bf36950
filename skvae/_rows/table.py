"""The schema of a data frame: its columns as an array of floats, and back to the same frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from skvae._rows import columns as _columns
from skvae._rows.cells import read
from skvae._rows.columns import Column
from skvae._rows.native import LIBRARIES, Library, library_of
from skvae._rows.states import (
    PACKED,
    alike,
    bounds_of,
    check_types,
    column_of,
    column_state,
    packed,
    unpacked,
)

__all__ = ["Column", "TableSchema", "refuse_unknown_names"]


class TableSchema:
    """The columns of a data frame, learned from its rows.

    The frame becomes one array of floats, and draws or means of such an array become a frame of the
    same library, names, order, types and categories.

    Parameters
    ----------
    columns : tuple of Column
        What is known of each column, in the order of the frame.
    library : {"pandas", "polars", "pyarrow"}
        The library of the frame.

    Notes
    -----
    The type of a column decides its kind, and the values only what the type leaves open:

    ==================================  =============  ============================================
    type                                kind           encoded as
    ==================================  =============  ============================================
    integers                            ``whole``      the number, minus `origin`
    floats and decimals                 ``real``       the number
    text, categories, booleans          ``level``      its code, from 0 in the order of `levels`
    dates, with or without time         ``datetime``   time since the first date, in `unit`
    durations                           ``duration``   the duration, minus `origin`, in `unit`
    any of these with a single value    ``constant``   as above
    ==================================  =============  ============================================

    pandas columns of Python objects have the kind of what they hold: text, booleans, numbers,
    decimals, dates or durations. A missing value is NaN; a column whose values are all missing has
    no bounds.

    *Numbers.* Whole numbers beyond 2**53, which floats do not hold, are counted from the smallest
    one if the differences fit, and rounded otherwise. The decimals of real numbers are counted, up
    to 10 and as far as the type holds more digits; `step` is then ``10**-decimals``, and 1 for
    floats that are all whole numbers. Dates and durations have the coarsest unit from days to
    nanoseconds of which all are multiples. Differences beyond 2**53 units are rounded.

    *Levels.* Categories keep their order, unused ones included; other levels are sorted, and
    booleans are always two. Of more than 100 levels, the 99 most frequent have codes of their own
    and the others share the next one. Their shares among one another are kept, so that members can
    be drawn again. A level that was not seen in training has the code after the last. Text is
    refused as identifiers or free text if there are more than 20 values and more than 9 in 10 of
    the levels differ from one another.

    *Spikes* are values of numbers, dates and durations that at least 2 % of the observed rows and
    at least 10 rows share.
    """

    def __init__(self, columns: tuple[Column, ...], library: str):
        self.columns = columns
        self.library = library

    @property
    def names(self) -> list[Any]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    @property
    def is_numeric(self) -> bool:
        """Whether every column holds numbers, constants among them."""
        return all(column.base in ("real", "whole") for column in self.columns)

    @classmethod
    def learn(cls, frame: Any, kinds: Mapping[Any, str] | None = None) -> TableSchema:
        """Return the schema of a data frame.

        Parameters
        ----------
        frame : DataFrame or Table
            Of pandas, polars or pyarrow.
        kinds : dict or None, default=None
            Kinds of columns by their names, instead of those of the rule: "real", "whole" or
            "level" for numbers, "level" for text. Text that is declared as levels may be as varied
            as it likes, and a declared column is never constant.

        Returns
        -------
        TableSchema

        Raises
        ------
        ValueError
            Naming the column, if it looks like identifiers or free text, holds infinite values, is
            of a type without a kind or cannot be of the kind declared, or shares its name.
        """
        library = _library_of(frame)
        names, kinds = library.names(frame), kinds or {}
        _refuse_duplicates(names)
        refuse_unknown_names(kinds, names)
        if not names or len(frame) == 0:
            raise ValueError(
                f"Found a frame with {len(frame)} sample(s) and {len(names)} feature(s), while a "
                "minimum of 1 is required of each."
            )
        columns = [_columns.learn(cells, kinds.get(cells.name)) for cells in read(frame, library)]
        return cls(tuple(columns), library.name)

    def encode(self, frame: Any) -> np.ndarray:
        """Return the rows of a data frame as floats.

        Parameters
        ----------
        frame : DataFrame or Table
            Of any of the three libraries, with the columns of training in the same order.

        Returns
        -------
        X : ndarray of shape (n_rows, n_columns)
            float64 and C-contiguous, with NaN for missing values.

        Raises
        ------
        ValueError
            Naming the column, if names or order differ from those of training, or a column holds
            something else than it did, such as text instead of numbers.
        """
        library = _library_of(frame)
        self._check_names(library.names(frame))
        X = np.empty((len(frame), len(self.columns)))
        pairs = zip(self.columns, read(frame, library), strict=True)
        for position, (column, cells) in enumerate(pairs):
            X[:, position] = _columns.encode(column, cells)
        return X

    def decode(self, X: Any, rng: np.random.Generator | None = None) -> Any:
        """Return encoded rows as a data frame, which is like that of training.

        Values outside the bounds are moved to the nearest one, and all are rounded to what the
        column can hold: whole numbers, decimals, units of time, codes of levels. Values that were
        seen in training come back as they were, except for levels that share a code.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Encoded rows, such as draws or means; NaN becomes a missing value.
        rng : numpy.random.Generator or None, default=None
            Source of the levels that share a code. Without it, rows are means: each such level is
            the most frequent one, and numbers with a point stay as they are.

        Returns
        -------
        frame : DataFrame or Table
            Of the library of training. The rows are new ones: those of pandas are numbered from 0.

        Raises
        ------
        ValueError
            If X is of another width, or NaN in a column whose type holds no missing values.
        """
        X = np.asarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.columns):
            raise ValueError(
                f"Expected an array of shape (n_rows, {len(self.columns)}), got {X.shape}."
            )
        library = LIBRARIES[self.library]
        columns = [
            _columns.decode(column, x, library, rng)
            for column, x in zip(self.columns, X.T, strict=True)
        ]
        return library.frame(self.names, columns)

    def bounds(self) -> dict[int, list[float]]:
        """Return the encoded bounds of columns by their positions; some columns have none."""
        pairs = enumerate(map(bounds_of, self.columns))
        return {place: bounds.tolist() for place, bounds in pairs if len(bounds)}

    def decoded_bounds(self) -> Iterator[tuple[list[int], Any]]:
        """Yield positions of columns, and a frame of one column with the two bounds of each."""
        library, bounds = LIBRARIES[self.library], self.bounds()
        for places in alike(self.columns):
            places = [place for place in places if place in bounds]
            if places:
                columns = [self.columns[place] for place in places]
                values = [np.array(bounds[place]) for place in places]
                native = _columns.decode_joined(columns, values, library)
                yield places, library.frame(["bounds"], [native])

    def state(self) -> dict[str, Any]:
        """Return the schema as plain values, which JSON can hold."""
        return {"library": self.library, "columns": list(map(column_state, self.columns))}

    @classmethod
    def from_states(cls, library: Any, states: Iterable[Any]) -> TableSchema:
        """Return the schema of such a library and columns. None of the values is trusted.

        Raises
        ------
        ValueError
            Naming the column and the field, if a value is not what a schema can have.
        """
        if not isinstance(library, str) or library not in LIBRARIES:
            raise ValueError(f"Expected a library among {sorted(LIBRARIES)}, got {library!r}.")
        schema = cls(tuple(map(column_of, states)), library)
        if not schema.columns:
            raise ValueError("The schema of a table must have columns.")
        _refuse_duplicates(schema.names)
        check_types(schema.columns, LIBRARIES[library])
        return schema

    def packed(self) -> dict[str, Any]:
        """Return the schema as lines of text and arrays, for many columns and levels."""
        return {"library": self.library, **packed(self.columns)}

    @classmethod
    def from_packed(cls, state: Any) -> TableSchema:
        """Return the schema of what `packed` returned. Nothing in it is trusted.

        Raises
        ------
        ValueError
            Naming the column and the field, if a value is not what a schema can have.
        """
        if not isinstance(state, dict) or set(state) != {"library", *PACKED}:
            raise ValueError(f"A table must have the fields {('library', *PACKED)}.")
        return cls.from_states(state["library"], unpacked(state))

    def _check_names(self, names: list[Any]) -> None:
        if names == self.names:
            return
        missing = [name for name in self.names if name not in names]
        unknown = [name for name in names if name not in self.names]
        problem = f"missing: {missing}; not seen in training: {unknown}"
        if not missing and not unknown:
            problem = f"the order is {names} instead of {self.names}"
        raise ValueError(
            f"The columns of X must be those of training, in the same order; {problem}. Select "
            "them by a list of names."
        )


def _library_of(frame: Any) -> Library:
    library = library_of(frame)
    if library is None:
        raise ValueError(
            f"Expected a data frame of pandas, polars or pyarrow, got {type(frame).__name__}."
        )
    return library


def _refuse_duplicates(names: list[Any]) -> None:
    repeated = sorted(str(name) for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(
            f"X has several columns of the same name: {', '.join(map(repr, repeated))}. Rename "
            "or drop them."
        )


def refuse_unknown_names(kinds: Mapping[Any, str], names: list[Any]) -> None:
    """Refuse kinds of columns that a table lacks."""
    unknown = [name for name in kinds if name not in names]
    if unknown:
        raise ValueError(
            f"'kinds' names columns that X lacks: {', '.join(map(repr, unknown))}. The columns of "
            f"X are {names}."
        )
