"""The stack of bits: what is pushed is popped, in as many bits as the distribution says."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import binom

from skvae.compression._bit_stack import BitStack, of_shares, uniform

SIZES = st.integers(1, 40)


def normal(x):
    return ndtr(x / 100)


def nowhere(x):
    """The distribution function of a model that computes nothing sensible."""
    return np.full(np.shape(x), np.nan)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20),
    st.sampled_from([normal, nowhere, uniform(-(2.0**62), 2.0**62)]),
)
def test_pushed_numbers_are_popped_whatever_their_distribution(numbers, cdf):
    stack = BitStack("a test")
    numbers = np.array(numbers)
    stack.push(numbers, numbers.min(), numbers.max(), cdf)
    other = BitStack("a test", stack.payload)
    popped = other.pop(numbers.shape, numbers.min(), numbers.max(), cdf)
    np.testing.assert_array_equal(popped, numbers)
    assert other.payload == b""


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40), SIZES, SIZES)
def test_popped_numbers_are_pushed_back_also_beyond_the_end(data, n_rows, n_columns):
    words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4")
    payload = words.tobytes().rstrip(b"\0")
    payload += b"\0" * (-len(payload) % 4)
    stack = BitStack("a test", payload)
    popped = stack.pop((n_rows, n_columns), -300, 300, normal)
    stack.push(popped, -300, 300, normal)
    assert stack.payload == payload


def test_the_number_of_bits_is_that_of_the_distribution():
    rng = np.random.default_rng(0)
    numbers = rng.binomial(40, 0.2, (200, 100))
    stack = BitStack("a test")
    stack.push(numbers, 0, 40, lambda x: binom.cdf(x, 40, 0.2))
    bits = -binom.logpmf(numbers, 40, 0.2).sum() / np.log(2)
    assert 8 * len(stack.payload) == pytest.approx(bits, rel=2e-3)


def test_popping_random_bits_draws_from_the_distribution():
    words = np.random.default_rng(0).integers(1, 2**32, 20_000, dtype=np.uint32)
    stack = BitStack("a test", words.astype("<u4").tobytes())
    drawn = stack.pop((50_000,), 0, 40, lambda x: binom.cdf(x, 40, 0.2))
    counts = np.bincount(drawn, minlength=41)
    expected = 50_000 * binom.pmf(np.arange(41), 40, 0.2)
    common = expected > 20
    assert (np.abs(counts - expected) / np.sqrt(expected))[common].max() < 4.5


def test_numbers_without_a_choice_take_no_bits():
    stack = BitStack("a test")
    stack.push(np.full((5, 3), 7), 7, 7, uniform(7, 7))
    assert stack.payload == b""


def test_shares_of_rows_give_a_distribution_for_each():
    shares = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    np.testing.assert_allclose(of_shares(shares)(np.array([-1, 1])), [0, 0.3])
    np.testing.assert_allclose(of_shares(shares)(np.array([0, 2])), [0.5, 1])


def test_without_the_package_an_error_names_the_caller_and_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(ImportError, match=r"skvae.compress needs .* 'skvae\[compression\]'"):
        BitStack("skvae.compress")
