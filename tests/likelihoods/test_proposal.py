"""Proposed likelihoods of columns, by their values and their dtypes in pandas and polars."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import KFold, cross_val_score

from skvae import VAETransformer
from skvae.likelihoods import mixed_likelihood
from skvae.networks import MLP

RNG = np.random.default_rng(0)
N = 2000
KINDS = {
    "Bernoulli()": RNG.random(N) < 0.2,
    "Gaussian()": RNG.normal(size=N),
    "StudentT()": RNG.standard_t(2, size=N),
    "Categorical(levels='observed', n_categories=5)": RNG.integers(1, 6, size=N),
    "Poisson()": RNG.poisson(3.0, N),  # with a rare largest count
    "NegativeBinomial()": RNG.negative_binomial(1, 0.02, N),
}


def proposed(X):
    """The likelihood of each column, as text."""
    pairs = mixed_likelihood(X).columns
    by_column = {column: repr(spec) for spec, columns in pairs for column in columns}
    return [by_column[column] for column in sorted(by_column)]


@pytest.mark.parametrize(("expected", "values"), KINDS.items())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_kind_of_column_is_recognised(expected, values, dtype):
    assert proposed(values.astype(dtype)[:, None]) == [expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.normal(1985, 12, N).round(), "Gaussian()"),  # years: narrower than counts
        (RNG.integers(-3, 3, N), "Gaussian()"),
        (RNG.integers(0, 256, N), "NegativeBinomial()"),
        (np.where(RNG.random(N) < 0.5, 0, 7), "NegativeBinomial()"),  # levels between are missing
        (np.zeros(N), "Bernoulli()"),
        (np.full(N, 5), "Categorical(levels='observed', n_categories=2)"),
        (np.full(N, 0.5), "Gaussian()"),
        (np.where(RNG.random(N) < 0.8, 0, RNG.lognormal(size=N)), "StudentT()"),  # equal quartiles
        (np.where(RNG.random(N) < 0.999, 0.5, RNG.random(N)), "Gaussian()"),
    ],
)
def test_the_rule_in_less_common_cases(values, expected):
    assert proposed(np.asarray(values)[:, None]) == [expected]


def test_columns_with_the_same_likelihood_are_one_group():
    likelihood = mixed_likelihood(np.column_stack([*KINDS.values(), *KINDS.values()]))
    assert [columns for _, columns in likelihood.columns] == [[i, i + 6] for i in range(6)]
    assert proposed(load_wine().data)[12] == "NegativeBinomial()"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_read_by_their_columns(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame(KINDS)
    assert proposed(frame) == list(KINDS)


def test_pandas_categories_are_unordered_unless_the_dtype_is_ordered():
    pandas = pytest.importorskip("pandas")
    codes = RNG.integers(0, 40, N)
    frame = pandas.DataFrame({"named": codes, "graded": codes % 4, "plain": codes % 4})
    ordered = pandas.CategoricalDtype(range(4), ordered=True)
    frame = frame.astype({"named": "category", "graded": ordered})
    likelihood = mixed_likelihood(frame)
    assert proposed(frame) == [
        "Categorical(levels='observed', n_categories=40, ordered=False)",
        "Categorical(levels='observed', n_categories=4)",
        "Categorical(levels='observed', n_categories=4)",
    ]
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=1, random_state=0
    )
    reconstructed = vae.fit(frame).reconstruct(frame)
    assert np.all(reconstructed[:, 0] == np.rint(reconstructed[:, 0]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["red", "green", "red"],
            "columns that do not hold numbers: 'x'. Drop",
        ),
        ([1.0, None, 2.0], "NaN, a missing value, in column 'x', row 1"),
        ([1.0, np.inf, 2.0], "infinity or a value too large for .* in column 'x', row 1"),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_without_numbers_raise_and_are_named(library, values, message):
    frames = pytest.importorskip(library)
    with pytest.raises(ValueError, match=message):
        mixed_likelihood(frames.DataFrame({"x": values}))


@pytest.mark.parametrize("categories", [[0.5, 1.5], [-1, 1]])
def test_categories_that_are_not_codes_raise(categories):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": pandas.Categorical(categories)})
    with pytest.raises(ValueError, match="Column 'x' has categories that are not whole numbers"):
        mixed_likelihood(frame)


def test_invalid_arrays_raise():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        mixed_likelihood([1.0, 2.0])
    with pytest.raises(ValueError, match="contains NaN"):
        mixed_likelihood([[1.0], [np.nan]])


def test_a_fold_without_a_rare_level_is_scored():
    codes = np.r_[np.full(5, 4), np.arange(95) % 4]
    grades = np.r_[np.full(5, 7), 1 + np.arange(95) % 6]
    X = np.column_stack([RNG.normal(size=100), codes, grades])
    vae = VAETransformer(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood="mixed", max_epochs=1, random_state=0
    )
    scores = cross_val_score(vae, X, cv=KFold(4), error_score="raise")
    assert np.isfinite(scores).all()
    known, unseen = vae.fit(X[5:]).score_samples([[0.0, 1, 2], [0.0, 4, 2]])
    assert known - 10 < unseen < known


def test_codes_cost_an_output_for_each_that_occurs():
    pandas = pytest.importorskip("pandas")
    codes = RNG.choice([10115, 20095, 50667, 60306, 80331], 200)
    frame = pandas.DataFrame({"code": pandas.Categorical(codes), "x": RNG.normal(size=200)})
    likelihood = mixed_likelihood(frame)
    assert likelihood.build(frame.to_numpy(float)).n_outputs == 6
    settings = {"network": MLP(hidden_layer_sizes=(8,)), "max_epochs": 1, "random_state": 0}
    vae = VAETransformer(2, likelihood=likelihood, **settings).fit(frame)
    assert set(vae.sample(100, random_state=0)[:, 0]) <= set(codes)
    assert set(vae.reconstruct(frame)[:, 0]) <= set(codes)
