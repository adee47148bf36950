"""Proposed likelihoods of columns, by their values and their kinds in pandas and polars."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.model_selection import KFold, cross_val_score

from skvae import VAETransformer
from skvae.likelihoods import mixed_likelihood
from skvae.networks import MLP

RNG = np.random.default_rng(0)
N = 900
LEVELS, NAMES = (
    "Categorical(n_categories='auto')",
    "Categorical(n_categories='auto', ordered=False)",
)
KINDS = [
    (LEVELS, RNG.random(N) < 0.2),
    ("Gaussian()", RNG.normal(size=N)),
    ("StudentT()", RNG.standard_t(2, size=N)),
    (LEVELS, RNG.integers(1, 6, size=N)),
    ("Poisson()", RNG.poisson(3.0, N)),  # with a rare largest count
    ("NegativeBinomial()", RNG.negative_binomial(1, 0.02, N)),
]


def proposed(X):
    """The likelihood of each column, as text."""
    pairs = mixed_likelihood(X).columns
    by_column = {column: repr(spec) for spec, columns in pairs for column in columns}
    return [by_column[column] for column in sorted(by_column)]


@pytest.mark.parametrize(("expected", "values"), KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_kind_of_column_is_recognised(expected, values, dtype):
    assert proposed(values.astype(dtype)[:, None]) == [expected]


@pytest.mark.parametrize(("expected", "values"), KINDS)
def test_a_frame_of_a_thousand_rows_has_histograms_and_levels(expected, values):
    pandas = pytest.importorskip("pandas", reason="pandas is optional")
    X = np.concatenate([values, values])[:, None].astype(float)
    assert proposed(X[:1000]) == [expected]
    frame = pandas.DataFrame(X, columns=["x"])
    assert proposed(frame[:1000]) == [LEVELS if expected == LEVELS else "Histogram()"]
    assert proposed(frame[:999]) == [expected]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (RNG.normal(1985, 12, N).round(), "Gaussian()"),  # years: narrower than counts
        (RNG.integers(-3, 3, N), "Gaussian()"),
        (RNG.integers(0, 256, N), "NegativeBinomial()"),
        (np.where(RNG.random(N) < 0.5, 0, 7), "NegativeBinomial()"),  # levels between are missing
        (np.zeros(N), LEVELS),
        (np.full(N, 5), LEVELS),
        (np.where(RNG.random(N) < 0.001, 1, 0), LEVELS),  # yes and no, however rare
        (np.full(N, 0.5), "Gaussian()"),
        (np.where(RNG.random(N) < 0.8, 0, RNG.lognormal(size=N)), "StudentT()"),  # equal quartiles
        (np.where(RNG.random(N) < 0.999, 0.5, RNG.random(N)), "Gaussian()"),
    ],
)
def test_the_rule_in_less_common_cases(values, expected):
    assert proposed(np.asarray(values)[:, None]) == [expected]


def test_columns_with_the_same_likelihood_are_one_group():
    columns = [values for _, values in KINDS]
    likelihood = mixed_likelihood(np.column_stack([*columns, *columns]))
    groups = [columns for _, columns in likelihood.columns]
    assert groups == [[0, 3, 6, 9], [1, 7], [2, 8], [4, 10], [5, 11]]
    assert proposed(load_wine().data)[12] == "NegativeBinomial()"


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_are_read_by_their_columns(library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({f"x{i}": values for i, (_, values) in enumerate(KINDS)})
    assert proposed(frame) == [NAMES, *[expected for expected, _ in KINDS[1:]]]  # true and false


def test_text_and_categories_of_any_kind_are_names():
    pandas = pytest.importorskip("pandas")
    codes = RNG.integers(0, 40, N)
    text = np.array(["red", "green", "blue"])[codes % 3]
    frame = pandas.DataFrame({"code": codes, "grade": codes % 4, "plain": codes % 4, "text": text})
    ordered = pandas.CategoricalDtype(range(4), ordered=True)
    frame = frame.astype({"code": "category", "grade": ordered})
    frame["half"] = pandas.Categorical(codes % 2 + 0.5)
    assert proposed(frame) == [NAMES, NAMES, LEVELS, NAMES, NAMES]
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=mixed_likelihood(frame),
        max_epochs=1,
        random_state=0,
    )
    reconstructed = vae.fit(frame).reconstruct(frame)
    assert set(reconstructed["code"]) <= set(codes)
    assert set(reconstructed["text"]) <= set(text)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([f"person {i}" for i in range(100)], "Column 'x' .* 100 .*Drop"),
        ([1.0, np.inf, 2.0], "X contains infinity in column 'x', row 1"),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_without_a_likelihood_raise_and_are_named(library, values, message):
    frames = pytest.importorskip(library)
    with pytest.raises(ValueError, match=message):
        mixed_likelihood(frames.DataFrame({"x": values}))


def test_invalid_arrays_raise():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        mixed_likelihood([1.0, 2.0])


def test_missing_values_have_no_influence_on_the_proposal():
    X = np.column_stack([np.arange(200.0) % 5, np.linspace(0, 1, 200) ** 2])
    gaps = X.copy()
    gaps[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    assert repr(mixed_likelihood(gaps)) == repr(mixed_likelihood(X))


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
    settings = {"network": MLP(hidden_layer_sizes=(8,)), "max_epochs": 1, "random_state": 0}
    vae = VAETransformer(2, likelihood=mixed_likelihood(frame), **settings).fit(frame)
    assert vae.module_.likelihood.n_outputs == 6
    assert set(vae.sample(100, random_state=0)["code"]) <= set(codes)
    assert set(vae.reconstruct(frame)["code"]) <= set(codes)
