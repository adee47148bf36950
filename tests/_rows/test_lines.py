"""Values as lines of text: exact, parsed one by one, and never taken on trust."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvae._rows.lines import Lines

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
).filter(lambda value: "Infinity" not in json.dumps(value))


def text_of(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


@given(st.lists(PLAIN))
def test_values_come_back(values):
    lines = Lines.of(values)
    assert [*lines] == values
    assert len(lines) == len(values)
    assert [*Lines(lines.text)] == values


def test_lines_are_found_across_blocks():
    values = ["a" * n for n in (0, 2**16 - 3, 2**16 - 4, 2**16, 3, 2**17, 1)]
    assert [*Lines.of(values * 3)] == values * 3


@pytest.mark.parametrize(
    "text", [np.zeros(3), np.zeros((1, 1), np.uint8), text_of("1\n2"), np.array(10, np.uint8)]
)
def test_bytes_that_are_not_lines_are_refused(text):
    with pytest.raises(ValueError, match="not lines"):
        Lines(text)


@pytest.mark.parametrize("line", ["", "x", "é", '"' + "a" * 2**20 + '"', "9" * 5000])
def test_a_line_that_is_no_value_is_refused(line):
    lines = Lines(text_of(f"1\n{line}\n2\n"))
    with pytest.raises(ValueError, match=r"value|codec|at most|digits"):
        list(lines)


def test_values_that_are_not_finite_are_not_written():
    with pytest.raises(ValueError, match="JSON"):
        Lines.of([float("nan")])
