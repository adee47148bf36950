"""Extreme and hostile tables give a good fit with finite results, or a clear error."""

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP
from tests.helpers import FEW_TREES, quick_parameters

BASE = np.random.default_rng(0).normal(size=(80, 5))
UNIT = 10.0 ** np.array([-30, -10, 0, 10, 30])
FITS = "fits"


def with_column(value):
    return np.column_stack([BASE[:, :2], np.full(80, value), BASE[:, 3:]])


def with_value(value):
    X = BASE.copy()
    X[3, 2] = value
    return X


def as_memory_map(X, folder):
    path = folder / "rows.bin"
    X.tofile(path)
    return np.memmap(path, dtype=X.dtype, mode="r", shape=X.shape)


EXTREMES = {
    "1e-300": (BASE * 1e-300, FITS),
    "1e-30": (BASE * 1e-30, FITS),
    "1e30": (BASE * 1e30, FITS),
    "1e300": (BASE * 1e300, FITS),
    "every scale": (BASE * UNIT, FITS),
    "every scale in float32": ((BASE * UNIT).astype(np.float32), FITS),
    "float32 denormals": ((BASE * 1e-41).astype(np.float32), FITS),
    "float64 denormals": (BASE * 1e-310, FITS),
    "offset 1e9": (BASE + 1e9, FITS),
    "offset 1e9 in float32": ((BASE + 1e9).astype(np.float32), FITS),
    "one constant column": (with_column(3.0), FITS),
    "one constant column of 1e30": (with_column(1e30), FITS),
    "all columns constant": (np.ones((80, 5)), FITS),
    "all zero": (np.zeros((80, 5)), FITS),
    "one value of 1e12": (with_value(1e12), FITS),
    "one value of 1e12 in float32": (with_value(1e12).astype(np.float32), FITS),
    "one value of 1e300": (with_value(1e300), FITS),
    "two rows, forty times each": (np.repeat(BASE[:2], 40, axis=0), FITS),
    "two rows": (BASE[:2], FITS),
    "one column": (BASE[:, :1], FITS),
    "one row": (BASE[:1], "minimum of 2 is required"),
    "float16": (BASE.astype(np.float16), FITS),
    "int8": ((BASE * 40).astype(np.int8), FITS),
    "int64 near 1e15": ((BASE * 1e15).astype(np.int64), FITS),
    "uint64 near 1e18": ((np.abs(BASE) * 1e18).astype(np.uint64), FITS),
    "booleans": (BASE > 0, FITS),
    "long double": (BASE.astype(np.longdouble), FITS),
    "objects that are numbers": (BASE.astype(object), FITS),
    "objects that are not": (np.full((80, 5), "x", dtype=object), "could not convert string"),
    "NaN": (with_value(np.nan), FITS),
    "nothing but NaN": (np.full((80, 5), np.nan), "80 of 80 rows of X have no observed value"),
    "infinity": (with_value(np.inf), "contains infinity"),
    "float32 infinity": (with_value(np.inf).astype(np.float32), "contains infinity"),
    "masked values": (np.ma.masked_greater(BASE, 2), FITS),
    "a mask that hides nothing": (np.ma.masked_array(BASE), FITS),
    "complex": (BASE + 1j, "Complex data not supported"),
    "sparse": (sparse.csr_array(BASE), FITS),
    "ragged": ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    "a string": ("table", "X is 'table', but rows are expected"),
    "nothing": (None, "Expected 2D array"),
}


def quick(estimator_class=VAEAnomalyDetector, **changes):
    settings = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 20, "random_state": 0}
    return estimator_class(2, **{**settings, **quick_parameters(estimator_class), **changes})


@pytest.mark.parametrize("case", EXTREMES)
def test_an_extreme_table_fits_or_raises(case):
    X, outcome = EXTREMES[case]
    if outcome != FITS:
        with pytest.raises((ValueError, TypeError), match=outcome):
            quick().fit(X)
        return
    detector = quick().fit(X)
    answers = [detector.score_samples(X), detector.reconstruct(X), *detector.posterior(X)]
    answers.append(detector.sample(20, random_state=0))
    for answer in answers:
        assert np.isfinite(answer).all()
    assert set(detector.predict(X)) <= {-1, 1}


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_the_units_change_the_likelihood_by_their_jacobian_alone(factor):
    vae = quick(VAETransformer)
    expected = vae.fit(BASE).score_samples(BASE) - 5 * np.log(factor)
    scores = vae.fit(BASE * factor).score_samples(BASE * factor)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_the_units_do_not_change_the_anomaly_score(factor):
    expected = quick().fit(BASE).score_samples(BASE)
    scores = quick().fit(BASE * factor).score_samples(BASE * factor)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_a_value_of_1e12_leaves_the_other_rows_a_good_fit():
    X = with_value(1e12)
    others = np.arange(80) != 3
    reference = multivariate_normal(BASE[others].mean(0), np.cov(BASE[others].T))
    scores = quick(VAETransformer, max_epochs=200).fit(X).score_samples(X)
    assert scores[others].mean() == pytest.approx(reference.logpdf(BASE[others]).mean(), abs=2)
    assert scores.argmin() == 3


def with_odd_rows():
    """Rows near a plane in five dimensions, and twenty whose values belong to different rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 5)) + 0.2 * rng.normal(size=(500, 5))
    X[:20] = 1.5 * rng.permuted(X, axis=0)[:20]
    return X, np.arange(500) < 20


@pytest.mark.parametrize("score", ["residual_neighbors", "log_likelihood", "relative_error"])
@pytest.mark.parametrize("likelihood", ["gaussian", "student_t"])
def test_one_wild_cell_does_not_hide_the_outliers(likelihood, score):
    X, odd = with_odd_rows()
    detector = quick(likelihood=likelihood, anomaly_score=score)
    clean = roc_auc_score(odd, -detector.fit(X).score_samples(X))
    X[250, 2] = 999_999
    scores = detector.fit(X).score_samples(X)
    others = np.arange(500) != 250
    assert roc_auc_score(odd[others], -scores[others]) > clean - 0.02
    assert scores[250] < np.quantile(scores, 0.05)


def test_one_wild_count_does_not_hide_the_others():
    rng = np.random.default_rng(0)
    X = rng.poisson(np.exp(rng.normal(1, 0.7, size=(300, 1))), size=(300, 4)).astype(float)
    vae = quick(VAETransformer, likelihood="poisson")
    clean = vae.fit(X).score(X[1:])
    X[0, 1] = 1e9
    assert vae.fit(X).score(X[1:]) == pytest.approx(clean, abs=0.2)


def test_a_spike_of_zeros_leaves_every_column_its_spread():
    X = BASE.copy()
    X[:, 2] = np.where(np.arange(80) % 5, 0, X[:, 2])
    for likelihood in ("gaussian", "student_t"):
        scale = quick(VAETransformer, likelihood=likelihood).fit(X).module_.likelihood.scale
        assert scale.min() > 0.2


def test_seconds_since_1970_keep_their_digits_in_every_form():
    rng = np.random.default_rng(0)
    start = rng.integers(1_700_000_000, 1_700_003_000, size=(200, 1))
    duration = rng.integers(20, 40, size=(200, 1))
    odd = np.arange(200) < 10
    duration[odd] = 300
    X = np.hstack([start, start + duration])
    detector = quick(max_epochs=40, anomaly_score="residual_neighbors")
    expected = detector.fit(X.astype(float)).score_samples(X.astype(float))
    assert roc_auc_score(odd, -expected) > 0.95
    for given in (X, X.tolist(), X.astype(float).tolist(), X.astype(object)):
        np.testing.assert_array_equal(detector.fit(given).score_samples(given), expected)


# The same rows in other layouts and types.

LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "strides": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "negative strides": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "read-only": lambda X: np.frombuffer(X.tobytes(), dtype=X.dtype).reshape(X.shape),
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_the_rows_does_not_change_the_embedding(name, dtype):
    X = BASE.astype(dtype)
    converted = LAYOUTS[name](X)
    if name in ("objects", "lists"):  # which do not tell how many digits their numbers have
        X = X.astype(np.float64)
    expected = quick(VAETransformer).fit(X).transform(X)
    found = quick(VAETransformer).fit(converted).transform(converted)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == X.dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_read_only_memory_map_gives_the_same_embedding(tmp_path, dtype):
    X = as_memory_map(BASE.astype(dtype), tmp_path)
    found = quick(VAETransformer).fit(X).transform(X)
    expected = quick(VAETransformer).fit(BASE.astype(dtype)).transform(BASE.astype(dtype))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == dtype


def test_columns_without_numbers_raise():
    pd = pytest.importorskip("pandas", reason="columns of many types come in a DataFrame")
    numbers = {"a": BASE[:, 0], "b": (BASE[:, 1] * 10).astype(int), "c": BASE[:, 2] > 0}
    gaussian = quick(likelihood="gaussian")
    assert gaussian.fit(pd.DataFrame(numbers)).n_features_in_ == 3
    bad = {
        "text": ["x", "y"] * 40,
        "category": pd.Categorical(["x", "y"] * 40),
        "time": pd.Series(["now"] * 80, dtype=object),
    }
    with pytest.raises(ValueError, match="do not hold numbers: 'text', 'category', 'time'. Drop"):
        gaussian.fit(pd.DataFrame({**numbers, **bad}))
    missing = pd.array([1, None] * 40, dtype="Int64")
    assert gaussian.fit(pd.DataFrame({**numbers, "missing": missing})).n_features_in_ == 4


def test_polars_columns_fit_or_raise():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    X = pl.DataFrame(BASE)
    expected = quick().fit(BASE).score_samples(BASE)
    np.testing.assert_array_equal(quick().fit(X).score_samples(X), expected)
    with pytest.raises(ValueError, match="do not hold numbers: 'name'"):
        quick(likelihood="gaussian").fit(X.with_columns(pl.Series("name", ["x"] * 80)))
    assert quick().fit(pl.DataFrame({"a": [None] + [1.0] * 79, "b": BASE[:, 1]})).n_iter_


# Rows far from all others.

FAR = {np.float32: [1e10, 1e20, 1e30, 3e38], np.float64: [1e10, 1e30, 1e100, 1e200, 1e300, 1.7e308]}


@pytest.mark.parametrize(
    "scale", [1e-3, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (1.0, 1e3))]
)
@pytest.mark.parametrize("dtype", FAR)
@pytest.mark.parametrize(
    ("score", "likelihood"),
    [
        ("residual_neighbors", "gaussian"),
        ("novelty_rarity", "gaussian"),
        ("log_likelihood", "gaussian"),
        ("log_likelihood", "student_t"),
        ("log_likelihood", "histogram"),
        ("likelihood_regret", "gaussian"),
        ("relative_error", "gaussian"),
        ("combined", "gaussian"),
        ("typicality", "gaussian"),
        ("latent_density", "mixed"),
    ],
)
def test_scores_of_far_rows_are_finite_and_in_order(score, likelihood, dtype, scale):
    score = FEW_TREES if score == "novelty_rarity" else score
    X = scale * np.random.default_rng(0).normal(size=(60, 5))
    detector = VAEAnomalyDetector(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=likelihood,
        anomaly_score=score,
        max_epochs=2,
        random_state=0,
    ).fit(X)
    far = np.array(FAR[dtype], dtype=dtype)[:, None] * np.array([1, -1, 1, 1, -1], dtype=dtype)
    scores = detector.score_samples(far)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) <= 1e-4 * np.abs(scores).max()).all()
    assert scores.max() < detector.score_samples(X).max()
    assert np.isfinite(detector.decision_function(far)).all()
    assert np.isfinite(detector.explain(far)).all()
    assert np.isfinite(detector.transform(far)).all()


def test_results_that_are_not_finite_are_errors():
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    vae = VAETransformer(2, network=MLP(hidden_layer_sizes=(4,)), max_epochs=1, random_state=0)
    vae.fit(X)
    with torch.no_grad():
        for weights in vae.module_.parameters():
            weights.fill_(3e38)
    for method in (vae.transform, vae.reconstruct, vae.score_samples):
        with pytest.raises(ValueError, match="values that are not finite. Either its weights"):
            method(X)
    with pytest.raises(ValueError, match="not finite"):
        vae.sample(50, random_state=0)
