"""Supports: which values a likelihood accepts, and errors that name the cell and the remedy."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from skvae import VAETransformer
from skvae._parts import OutsideSupportError
from skvae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Mixed,
    NegativeBinomial,
    Poisson,
    Support,
)
from skvae.likelihoods._support import (
    BINARY,
    CODES,
    COUNTS,
    UNIT_INTERVAL,
    WholeNumbers,
    categories,
)
from skvae.networks import MLP

SOUND = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])
BITS = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
MIXED = Mixed(columns=[("bernoulli", [1]), ("poisson", [2]), ("gaussian", [0])])
SUPPORTS = {
    "unit interval": (UNIT_INTERVAL, lambda value: 0 <= value <= 1),
    "binary": (BINARY, lambda value: 0 <= value <= 1),
    "counts": (COUNTS, lambda value: value >= 0 and value == round(value) and value <= 2.0**53),
    "codes": (CODES, lambda value: value == round(value)),
    "categories": (categories(4), lambda value: value in (0, 1, 2, 3)),
}
CODE = st.integers(-3, 3).map(lambda number: number * 1e6)
VALUES = st.one_of(
    st.integers(-2, 6).map(float),
    st.floats(-3, 6, width=32),
    st.sampled_from([1.0001, 30.5, 1e16, -1e16]),
)


def with_value(value, column, rows=SOUND):
    rows = rows.copy()
    rows[1, column] = value
    return rows


@pytest.mark.parametrize("support", SUPPORTS)
@given(X=arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=VALUES))
@settings(max_examples=40, deadline=None)
def test_a_support_accepts_its_own_values_and_no_others(support, X):
    support, belongs = SUPPORTS[support]
    expected = np.array([[belongs(value) for value in row] for row in X.tolist()])
    assert_array_equal(support.accepts(X), expected)
    assert_array_equal(support.n_outside(X), (~expected).sum(1))
    moved = support.nearest(X)
    assert support.accepts(moved).all()
    assert_array_equal(moved[expected], X[expected])
    if expected.all():
        support.check(X, "likelihood")
        return
    with pytest.raises(OutsideSupportError) as caught:
        support.check(X, "likelihood")
    cell = caught.value.row, caught.value.column
    assert cell == tuple(np.argwhere(~expected)[0])


@given(
    X=arrays(np.float64, (4, 3), elements=VALUES),
    order=st.permutations([0, 1, 2]),
)
@settings(max_examples=40, deadline=None)
def test_a_mixed_support_has_that_of_each_column_at_its_place(X, order):
    kinds = [("bernoulli", [order[0]]), (Categorical(n_categories=4), [order[1]])]
    support = Mixed(columns=[*kinds, ("gaussian", [order[2]])]).build(BITS).support
    accepted, moved = support.accepts(X), support.nearest(X)
    for column, (part, _) in zip(order, (SUPPORTS["binary"], SUPPORTS["categories"]), strict=False):
        assert_array_equal(accepted[:, [column]], part.accepts(X[:, [column]]))
        assert_array_equal(moved[:, [column]], part.nearest(X[:, [column]]))
    assert accepted[:, order[2]].all()
    assert_array_equal(moved[:, order[2]], X[:, order[2]])


@pytest.mark.parametrize("likelihood", [Poisson(), NegativeBinomial()], ids=repr)
@pytest.mark.parametrize(
    ("value", "shown"), [(-1.0, "-1"), (30.5, "30.5"), (1e16, "1e\\+16"), (1e-12, "1e-12")]
)
def test_invalid_counts_raise(likelihood, value, shown):
    message = (
        rf"{type(likelihood).__name__}\(\) accepts whole numbers from 0 on, but column 2 of X "
        rf"holds {shown} in row 1, counted from 0. Round X if it holds counts, or choose the "
        "likelihood 'gaussian'"
    )
    with pytest.raises(ValueError, match=message):
        likelihood.build(with_value(value, 2))


@pytest.mark.parametrize(
    ("likelihood", "remedy"),
    [
        (Categorical(n_categories=4), "were not among the training rows, or fit .*'n_categories'"),
        (DiscretizedLogistic(n_levels=4), "Set 'n_levels' .*255"),
    ],
)
@pytest.mark.parametrize("value", [-1.0, 1.5, 4.0])
def test_invalid_levels_raise(likelihood, remedy, value):
    message = rf"from 0 to 3, but column 1 of X holds {value:g} in row 1, .*0. .*{remedy}"
    with pytest.raises(ValueError, match=message):
        likelihood.build(with_value(value, 1))
    assert likelihood.build(SOUND).n_outputs >= 3


@given(
    codes=arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=CODE),
    n_categories=st.integers(2, 4),
)
@settings(max_examples=40, deadline=None)
def test_the_first_level_too_many_is_named(codes, n_categories):
    likelihood = Categorical(n_categories=n_categories, levels="observed")
    n_levels = [len(set(column)) for column in codes.T]
    if max(n_levels) <= n_categories:
        assert likelihood.build(codes).n_outputs == sum(n_levels)
        return
    with pytest.raises(OutsideSupportError) as caught:
        likelihood.build(codes)
    column, row = caught.value.column, caught.value.row
    assert n_levels[column] == max(n_levels)
    before, there = set(codes[:row, column]), codes[row, column]
    assert len(before) == n_categories
    assert there not in before
    assert f"column {column} of X holds a further one, {there:.16g}, in row {row}," in str(
        caught.value
    )


def test_errors_for_observed_levels_name_the_column_of_a_frame():
    pandas = pytest.importorskip("pandas", reason="pandas is optional")
    frame = pandas.DataFrame({"height": [1.5, 2.5, 0.0], "code": [5.0, 7.0, 9.0]})
    for likelihood, message in (
        (Categorical(n_categories="auto"), "whole numbers, but column 'height' of X holds 1.5 in"),
        (
            Mixed(
                columns=[("gaussian", [0]), (Categorical(n_categories=2, levels="observed"), [1])]
            ),
            "at most 2 different levels, but column 'code' of X holds a further one, 9, in row 2",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            VAETransformer(2, likelihood=likelihood, max_epochs=1).fit(frame)


@pytest.mark.parametrize(
    ("likelihood", "value", "remedy", "other"),
    [
        (Bernoulli(), 2, "Code no and yes as 0 and 1, or choose", "grey|Scale"),
        (Bernoulli(), 255, r"ranges from 0 to 255. Scale .* or X / 255, or choose", "Code"),
        (ContinuousBernoulli(), 2, r"ranges from 0 to 2. Scale .* or X / 2, or choose", "Code"),
        (ContinuousBernoulli(), -2, r"from -2 to 1. Scale .*\(clip=True\), or", "Code|X /"),
        (ContinuousBernoulli(), 1.0001, r"Clip such values with X.clip\(0, 1\), or choose", "Code"),
    ],
)
def test_the_advice_on_the_unit_interval_follows_the_values(likelihood, value, remedy, other):
    message = rf"accepts values in \[0, 1\], but column 2 of X holds {value:g} in row 1, .*{remedy}"
    with pytest.raises(ValueError, match=message) as caught:
        likelihood.build(with_value(value, 2, BITS))
    with pytest.raises(AssertionError):
        caught.match(other)


def test_an_invalid_value_at_the_end_of_a_large_table_raises():
    rows = np.zeros((300_000, 2), dtype=np.float32)
    rows[-1, 1] = 0.25
    with pytest.raises(ValueError, match="column 1 of X holds 0.25 in row 299999"):
        WholeNumbers(10, "Round X").check(rows, "poisson")


def test_the_value_is_shown_in_the_precision_of_the_rows():
    with pytest.raises(ValueError, match=r"holds 1\.0001 in row 0"):
        UNIT_INTERVAL.check(np.array([[1.0001]], dtype=np.float32), "bernoulli")


def test_the_error_survives_pickle_as_joblib_sends_it():
    with pytest.raises(ValueError, match="column 0") as caught:
        COUNTS.check(np.array([[0.5]]), "poisson")
    error = caught.value.at(name="visits")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.row) == (OutsideSupportError, str(error), 0)
    assert "column 'visits' of X holds 0.5 in row 0" in str(again)


@pytest.mark.parametrize("likelihood", [Poisson(), Categorical(n_categories=4), MIXED])
@pytest.mark.parametrize("named", [True, False])
def test_invalid_rows_after_fit_raise(likelihood, named):
    pandas = pytest.importorskip("pandas", reason="pandas is optional")

    def table(rows):
        return pandas.DataFrame(rows, columns=["a", "b", "c"]) if named else rows

    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=1
    ).fit(table(with_value(0, 1)))
    assert np.isfinite(vae.score_samples(table(SOUND))).all()
    column = "column 'c'" if named else "column 2"
    for method in (vae.fit, vae.score_samples, vae.transform, vae.reconstruct, vae.partial_fit):
        for value in (-1.0, 0.5):
            with pytest.raises(ValueError, match=f"{column} of X holds {value:g} in row 1, "):
                method(table(with_value(value, 2)))


class Positive(Support):
    def accepts(self, X):
        return X > 0


def test_a_users_support_needs_one_method():
    rows = np.array([[1.0, 2.0], [3.0, -4.0]])
    assert Positive().nearest(rows) is rows
    assert_array_equal(Positive().n_outside(rows), [0, 1])
    message = "'mine' accepts other values, but column 1 of X holds -4 in row 1, .*Leave out such"
    with pytest.raises(ValueError, match=message):
        Positive().check(rows, "mine")
