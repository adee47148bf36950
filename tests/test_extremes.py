"""Extreme and hostile tables give a good fit with finite results, or a clear error."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import multivariate_normal

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

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
    "NaN": (with_value(np.nan), "contains NaN"),
    "infinity": (with_value(np.inf), "contains infinity"),
    "float32 infinity": (with_value(np.inf).astype(np.float32), "contains infinity"),
    "masked values": (np.ma.masked_greater(BASE, 2), "masked array with 7 masked values"),
    "a mask that hides nothing": (np.ma.masked_array(BASE), FITS),
    "complex": (BASE + 1j, "Complex data not supported"),
    "sparse": (sparse.csr_array(BASE), "dense data is required"),
    "ragged": ([[1.0, 2.0], [3.0]], "inhomogeneous"),
    "a string": ("table", "could not convert string"),
    "nothing": (None, "Expected 2D array"),
}


def quick(estimator_class=VAEAnomalyDetector, **changes):
    settings = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 20, "random_state": 0}
    return estimator_class(2, **{**settings, **changes})


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
    reference = multivariate_normal(BASE[:, [0, 1, 3, 4]].mean(0), np.cov(BASE[:, [0, 1, 3, 4]].T))
    scores = quick(VAETransformer, max_epochs=200).fit(X).score_samples(X)
    column = -np.log(X[:, 2].std()) - 0.5 * np.log(
        2 * np.pi
    )  # contribution of that column to each row
    typical = reference.logpdf(BASE[:, [0, 1, 3, 4]]).mean() + column
    assert scores[others].mean() == pytest.approx(typical, abs=6)
    assert scores.argmin() == 3


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
    expected = quick(VAETransformer).fit(X).transform(X)
    converted = LAYOUTS[name](X)
    found = quick(VAETransformer).fit(converted).transform(converted)
    in_single = name in ("objects", "lists")
    np.testing.assert_allclose(found, expected, rtol=1e-4 if in_single else 0, atol=1e-5)
    assert found.dtype == (np.float32 if in_single else dtype)


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
    assert quick().fit(pd.DataFrame(numbers)).n_features_in_ == 3
    bad = {
        "text": ["x", "y"] * 40,
        "category": pd.Categorical(["x", "y"] * 40),
        "time": pd.Series(["now"] * 80, dtype=object),
    }
    with pytest.raises(ValueError, match="do not hold numbers: 'text', 'category', 'time'. Drop"):
        quick().fit(pd.DataFrame({**numbers, **bad}))
    missing = pd.array([1, None] * 40, dtype="Int64")
    with pytest.raises(ValueError, match="contains NaN"):
        quick().fit(pd.DataFrame({**numbers, "missing": missing}))


def test_polars_columns_fit_or_raise():
    pl = pytest.importorskip("polars", reason="polars is not installed")
    X = pl.DataFrame(BASE)
    expected = quick().fit(BASE).score_samples(BASE)
    np.testing.assert_array_equal(quick().fit(X).score_samples(X), expected)
    with pytest.raises(ValueError, match="do not hold numbers: 'name'"):
        quick().fit(X.with_columns(pl.Series("name", ["x"] * 80)))
    with pytest.raises(ValueError, match="contains NaN"):
        quick().fit(pl.DataFrame({"a": [None] + [1.0] * 79, "b": BASE[:, 1]}))
