"""Grids of values: any finite values have numbers, in their order, and come back from them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from skvae.compression._value_grids import ValueGrid

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=6)
FLOATS = st.floats(allow_infinity=False)
SHORT = st.floats(allow_infinity=False, width=32)
DECIMALS = st.tuples(st.integers(-(10**8), 10**8), st.integers(0, 10)).map(
    lambda pair: float(f"{pair[0]}e-{pair[1]}")
)


def same_bits(x, y):
    both = np.where(np.isnan(x), np.nan, x), np.where(np.isnan(y), np.nan, y)
    return both[0].tobytes() == both[1].tobytes()


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        arrays(np.float64, SHAPES, elements=FLOATS),
        arrays(np.float32, SHAPES, elements=SHORT).map(lambda X: X.astype(np.float64)),
        arrays(np.float64, SHAPES, elements=DECIMALS),
        arrays(np.float64, SHAPES, elements=DECIMALS).map(
            lambda X: X.astype(np.float32).astype(np.float64)
        ),
    )
)
def test_values_come_back_from_their_numbers(X):
    grid = ValueGrid.of_rows(X)
    numbers = grid.numbers(X)
    observed = ~np.isnan(X)
    values = np.where(observed, grid.values(numbers), np.nan)
    assert same_bits(values, X)
    inside = (grid.low <= numbers) & (numbers <= grid.high)
    assert inside[observed].all()
    state = json.loads(json.dumps(grid.state()))
    again = ValueGrid.from_state(state, X.shape[1])
    assert same_bits(again.values(numbers), grid.values(numbers))


@pytest.mark.parametrize(
    ("values", "scale", "is_short"),
    [
        ([3.0, -7.0], 1, False),
        ([0.1, 2.25], 100, False),
        (np.float32([0.1, 2.25]), 100, True),
        (np.arange(256) / 255, 255, False),
        (np.arange(256, dtype=np.float32) / np.float32(255), 255, True),
        ([-0.0, 1.0], 1, False),
        ([-0.0, 0.0, -0.1], 10, False),
        ([np.pi, 1.0], 0, False),
        ([np.nan, np.nan], 1, False),
        ([1e300, 1.0], 0, False),
    ],
)
def test_the_grid_is_the_coarsest_that_holds_the_values(values, scale, is_short):
    grid = ValueGrid.of_rows(np.array(values, dtype=np.float64)[:, None])
    assert (grid.scale[0], grid.short[0]) == (scale, is_short)


def test_numbers_are_in_the_order_of_the_values():
    X = np.array([-1e300, -2.5, -1e-310, -0.0, 0.0, 1e-310, 0.1, 1e300])[:, None]
    grid = ValueGrid.of_rows(X)
    numbers = grid.numbers(X)
    assert (np.diff(numbers[:, 0]) > 0).all()
    ends = grid.upper_ends(numbers)
    assert (ends >= X).all()
    assert (ends[:-1] < X[1:])[X[1:] != 0].all()


def test_half_of_the_cell_of_zero_is_that_of_the_negative_zero():
    X = np.array([-0.2, -0.1, -0.0, 0.0, 0.1])[:, None]
    grid = ValueGrid.of_rows(X)
    numbers = grid.numbers(X)
    np.testing.assert_array_equal(numbers[:, 0], [-3, -2, -1, 0, 1])
    np.testing.assert_allclose(grid.upper_ends(numbers)[:, 0], [-0.15, -0.05, 0, 0.05, 0.15])
    ordinary = ValueGrid.of_rows(np.array([[0.1]]))
    np.testing.assert_allclose(ordinary.upper_ends(np.array([[-1]])), [[-0.05]])


def test_columns_have_grids_of_their_own_unless_they_share_one():
    X = np.array([[1.0, 0.5], [4.0, 0.25]])
    grid = ValueGrid.of_rows(X)
    assert grid.state() == {"scale": [1, 100], "low": [1, 25], "high": [4, 50]}
    assert grid.in_common().state() == {"scale": [1, 100], "low": 1, "high": 50}


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 7},
        {"short": 2},
        {"signed": -1},
        {"low": 9, "high": 3},
        {"low": [0, 0, 0]},
        {"high": 2**60},
        {"high": "9"},
        {"high": 0.5},
        {"low": None},
        {"scale": 0, "high": 2**63 - 1},
    ],
)
def test_a_grid_from_a_file_is_checked(change):
    state = ValueGrid.of_rows(np.array([[1.0, 2.0], [3.0, 4.0]])).state()
    with pytest.raises(ValueError, match="values of its columns"):
        ValueGrid.from_state(state | change, 2)
