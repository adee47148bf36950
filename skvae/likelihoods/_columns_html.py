"""The columns of a mixed likelihood as a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from numbers import Integral
from typing import Any, NamedTuple

from skvae._parts import Likelihood

_UNDECIDED = "chosen in fit"
_HEADS = ("column", "kind", "likelihood")


class _Line(NamedTuple):
    column: Any
    kind: str
    likelihood: Any


def columns_as_html(spec: Likelihood) -> str:
    """Return the columns of a :class:`Mixed` with their kinds and likelihoods as HTML."""
    lines = [_html_of(line) for line in _lines(**spec.get_params(deep=False))]
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    name = escape(type(spec).__name__)
    return (
        f"<table><caption>{name}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _lines(columns: Any, kinds: dict[Any, str] | None) -> list[_Line]:
    """Return the columns that are named, and last the rest, if `fit` is to decide on it."""
    kinds = kinds or {}
    if columns == "auto":
        declared = [_Line(name, kind, _UNDECIDED) for name, kind in kinds.items()]
        return [*declared, _Line("all others" if kinds else "all", _UNDECIDED, _UNDECIDED)]
    pairs = list(_columns_and_likelihoods(columns))
    names = list(kinds) if len(kinds) == len(pairs) else []  # those of a fitted estimator
    if names and all(_is_position(column) for column, _ in pairs):
        pairs = [(names[column], spec) for column, spec in sorted(pairs, key=lambda pair: pair[0])]
    return [_Line(column, kinds.get(column, _UNDECIDED), spec) for column, spec in pairs]


def _columns_and_likelihoods(columns: Any) -> Iterator[tuple[Any, Any]]:
    for spec, which in columns.items() if isinstance(columns, dict) else columns:
        alone = isinstance(which, str | Integral | slice)
        for column in [which] if alone else which:
            yield str(column) if isinstance(column, slice) else column, spec


def _is_position(column: Any) -> bool:
    return isinstance(column, Integral) and not isinstance(column, bool)


def _html_of(line: _Line) -> str:
    cells = (escape(" ".join(str(cell).split())) for cell in line)  # a long repr has many lines
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
