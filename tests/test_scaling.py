"""The rule of scaling="auto" on data of many kinds, and the statistics of the columns."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skvae._scaling import (
    column_moments,
    filled_by_ranks,
    measure,
    ordinary_ends,
    winsorized,
)
from skvae.datasets import fetch_emnist
from skvae.likelihoods import Gaussian


def chosen(X):
    return measure(X, "auto").kind


def spectra(seed=0):
    """Sums of overlapping bands of varying height, higher at one end, over a baseline."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(0, 1, 150)
    bands = np.exp(-((axis - np.linspace(-0.2, 1.2, 40)[:, None]) ** 2) / 0.01)
    heights = rng.gamma(2, 0.2, size=(200, 40)) * np.linspace(0.7, 1.3, 40)
    return 0.5 + heights @ bands


def terrain(n_samples=3000):
    """Ten columns in different units and forty binary columns, as in the covertype table."""
    rng = np.random.default_rng(0)
    centres = [2959, 156, 14, 269, 46, 2350, 212, 223, 143, 1980]
    spreads = [280, 112, 7.5, 213, 58, 1559, 27, 20, 38, 1324]
    wide = rng.normal(centres, spreads, size=(n_samples, 10)).round()
    binary = rng.random((n_samples, 40)) < rng.uniform(0.005, 0.5, 40)
    return np.hstack([wide, binary])


@pytest.mark.parametrize("factor", [1, 1 / 16, 255 / 16])
def test_images_get_one_scale(digits, factor):
    assert chosen(digits.data * factor) == "global"
    assert chosen((digits.data * factor).astype(np.float32)) == "global"


@pytest.mark.parametrize("digit", range(10))
def test_images_of_one_class_get_one_scale(digits, digit):
    assert chosen(digits.data[digits.target == digit]) == "global"


@pytest.mark.parametrize("n_samples", [30, 100])
def test_few_images_get_one_scale(digits, n_samples):
    assert chosen(digits.data[:n_samples]) == "global"


def test_images_with_noise_in_the_background_get_one_scale(digits):
    noise = np.random.default_rng(0).normal(size=digits.data.shape)
    assert chosen(digits.data + 0.1 * noise) == "global"
    assert chosen(16 - digits.data) == "global"


@given(st.integers(0, 2**32 - 1))
def test_a_column_in_other_units_is_seen(seed):
    rng = np.random.default_rng(seed)
    ability = rng.normal(size=(300, 1))
    marks = 60 + 12 * ability + rng.normal(size=(300, 18)) * rng.uniform(5, 20, 18)
    percentages = 100 * rng.beta(*rng.uniform(0.5, 3, (2, 18)), size=(300, 18))
    average = 2.5 + 0.5 * ability + rng.normal(0, 0.3, (300, 1))
    weather = rng.normal([15, 7], [8, 0.5], (300, 2))
    for columns, others in ((marks.clip(0, 100), average.clip(0, 4)), (percentages, weather)):
        order = rng.permutation(columns.shape[1] + others.shape[1])
        assert chosen(np.hstack([columns, others])[:, order]) == "feature"


@pytest.mark.parametrize("place", [0, 75, 150])
def test_a_measurement_beside_a_spectrum_is_seen(place):
    acidity = np.random.default_rng(0).normal(7, 0.5, 200)
    assert chosen(np.insert(spectra(), place, acidity, axis=1)) == "feature"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*holds other data than the official EMNIST:UserWarning")
def test_emnist_gets_one_scale():
    folder = os.environ.get("SKVAE_DATA")
    if not folder or not (Path(folder).expanduser() / "emnist").is_dir():
        pytest.skip("the environment variable SKVAE_DATA names no folder that holds emnist/")
    emnist = fetch_emnist(split="letters", download_if_missing=False)
    assert chosen(emnist.data[:3000]) == "global"
    assert chosen(emnist.data[emnist.target == 1]) == "global"


@pytest.mark.slow
def test_mnist_gets_one_scale(mnist):
    X = mnist.train.data[:5000]
    assert chosen(X) == "global"
    small = X.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196)
    assert chosen(small) == "global"


@pytest.mark.parametrize("seed", range(5))
def test_spectra_get_one_scale(seed):
    assert chosen(spectra(seed)) == "global"


@pytest.mark.parametrize("n_bands", [3, 12])
@pytest.mark.parametrize("seed", range(5))
def test_smooth_spectra_of_few_bands_get_one_scale(seed, n_bands):
    rng = np.random.default_rng(seed)
    axis, centres = np.linspace(0, 1, 150), rng.random((n_bands, 1))
    bands = np.exp(-((axis - centres) ** 2) / 0.004)
    X = rng.gamma(2, size=(200, n_bands)) @ bands + 0.001 * rng.normal(size=(200, 150))
    assert chosen(X) == "global"
    assert chosen(rng.permuted(X, axis=1)[:, ::-1] * np.geomspace(1, 1e4, 150)) == "feature"


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_diabetes])
def test_tables_get_a_scale_for_each_column(load):
    X = load().data
    assert chosen(X) == "feature"
    assert chosen(StandardScaler().fit_transform(X)) == "feature"


def test_raw_diabetes_gets_a_scale_for_each_column():
    assert chosen(load_diabetes(scaled=False).data) == "feature"


def test_a_mix_of_binary_and_wide_columns_gets_a_scale_for_each():
    assert chosen(terrain()) == "feature"
    assert chosen(StandardScaler().fit_transform(terrain())) == "feature"


def test_the_chosen_scaling_is_an_attribute(digits):
    assert Gaussian().build(digits.data).scaling == "global"
    assert Gaussian(scaling="feature").build(digits.data).scaling == "feature"


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_choice_does_not_depend_on_the_units(digits, factor):
    for X in (digits.data, load_breast_cancer().data, spectra()):
        assert chosen(factor * X - 3 * factor) == chosen(X)


def test_moments_agree_with_numpy():
    X = np.random.default_rng(0).normal(5, 2, size=(30_000, 20)).astype(np.float32)
    mean, std = column_moments(X)
    np.testing.assert_allclose(mean, X.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(std, X.std(0, dtype=np.float64), rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 1e30, 1e300])
def test_moments_neither_overflow_nor_vanish(factor):
    X = np.random.default_rng(0).normal(5, 2, size=(100, 3))
    mean, std = column_moments(X * factor)
    np.testing.assert_allclose(mean, X.mean(0) * factor, rtol=1e-12)
    np.testing.assert_allclose(std, X.std(0) * factor, rtol=1e-12)
    for scaling in ("feature", "global", "none"):
        scale = measure(X, scaling).scale
        np.testing.assert_allclose(measure(X * factor, scaling).scale, scale * factor, rtol=1e-9)


def test_one_huge_value_does_not_degrade_the_moments():
    X = np.zeros((1_000_000, 1))
    X[7] = 1e200
    mean, std = column_moments(X)
    assert mean[0] == pytest.approx(1e194)
    assert std[0] == pytest.approx(1e200 * np.sqrt(1e-6 * (1 - 1e-6)))


@pytest.mark.parametrize("value", [0.1, -7e30, 1e-310])
def test_moments_of_a_constant_column_are_exact(value):
    mean, std = column_moments(np.full((77, 1), value))
    assert (mean[0], std[0]) == (value, 0)


def test_the_noise_floor_is_the_rounding_error():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=5000).round(1), rng.poisson(3, 5000)]).astype(float)
    table = measure(X, "feature")
    np.testing.assert_allclose(
        table.noise_floor * table.scale, np.array([0.1, 1]) / np.sqrt(12), rtol=1e-6
    )


def test_saturated_values_are_scaled_by_half_their_range(digits):
    table = measure(digits.data, "global")
    assert table.saturated
    assert (table.low, table.high) == (0, 16)
    assert set(table.scale) == {8}


@pytest.mark.parametrize("n_samples", [2, 10, 200])
def test_other_values_are_scaled_by_their_pooled_deviation(n_samples):
    # however few the values are, one of them is the smallest and one the largest
    X = spectra()[:n_samples]
    table = measure(X, "global")
    assert not table.saturated
    np.testing.assert_allclose(table.scale, np.sqrt(X.var(0).mean()))


def test_the_scale_of_a_constant_table_is_one():
    for scaling in ("feature", "global", "none"):
        assert set(measure(np.full((5, 3), 7.0), scaling).scale) == {1.0}


def test_a_constant_column_gets_the_median_scale_of_the_others():
    X = np.random.default_rng(0).normal(size=(100, 4)) * [1, 10, 100, 0] + 5
    table = measure(X, "feature")
    assert table.unknown.tolist() == [False, False, False, True]
    assert table.scale[3] == pytest.approx(X[:, 1].std())


def clean_column(kind, n, rng):
    return {
        "normal": rng.normal(size=n),
        "uniform": rng.random(n),
        "log-normal": rng.lognormal(size=n),
        "counts": rng.poisson(3, n).astype(float),
        "rare counts": rng.poisson(0.02, n).astype(float),
        "rare ones": (rng.random(n) < 0.01).astype(float),
        "zeros and a rest": np.where(rng.random(n) < 0.8, 0, rng.lognormal(size=n)),
        "constant": np.full(n, 7.0),
    }[kind]


CLEAN = ["normal", "uniform", "counts", "rare counts", "rare ones", "constant"]
WITH_SPREAD = ["normal", "uniform", "log-normal", "counts", "zeros and a rest"]


@given(st.sampled_from(CLEAN), st.integers(20, 2000), st.integers(0, 2**32 - 1))
def test_clean_columns_have_no_wild_values(kind, n, seed):
    X = clean_column(kind, n, np.random.default_rng(seed))[:, None]
    ends = ordinary_ends(X)
    assert not ends.wild.any()
    assert (ends.low[0], ends.high[0]) == (X.min(), X.max())


@given(
    st.sampled_from(WITH_SPREAD),
    st.integers(50, 2000),
    st.floats(1e4, 1e300),
    st.sampled_from([-1, 1]),
    st.integers(0, 2**32 - 1),
)
def test_one_wild_cell_does_not_decide_the_scale(kind, n, size, sign, seed):
    X = clean_column(kind, n, np.random.default_rng(seed))[:, None]
    clean = measure(X, "feature")
    X[n // 2] = sign * size
    spoilt = measure(X, "feature")
    assert spoilt.scale[0] <= 1.5 * clean.scale[0]
    assert abs(spoilt.loc[0] - clean.loc[0]) <= 0.5 * clean.scale[0]
    assert winsorized(X).std() <= 1.5 * clean.scale[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_wild_pixel_does_not_decide_the_common_scale(digits, dtype):
    X = digits.data.astype(dtype)
    clean = measure(X, "auto")
    X[5, 30] = 1e30
    spoilt = measure(X, "auto")
    assert (spoilt.kind, spoilt.saturated, spoilt.high) == ("global", True, 16)
    np.testing.assert_allclose(spoilt.scale, clean.scale)


@pytest.mark.parametrize("kind", ["zeros and a rest", "rare ones"])
def test_a_spike_leaves_a_spread(kind):
    X = clean_column(kind, 1000, np.random.default_rng(0))[:, None]
    assert measure(X, "feature").scale[0] >= 0.999 * X.std()
    assert not measure(X, "feature").unknown[0]


def test_a_share_of_large_values_is_ordinary():
    X = np.r_[np.random.default_rng(0).normal(size=950), np.full(50, 1000.0)][:, None]
    assert not ordinary_ends(X).wild.any()


def test_inputs_of_columns_with_wild_values_are_cut_off_sooner():
    X = np.random.default_rng(0).normal(size=(500, 2))
    X[3, 1] = 1e9
    largest = measure(X, "feature").largest_input
    assert largest[0] == 20
    assert 5 < largest[1] < 8


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95))
def test_stand_ins_keep_the_marginals_of_the_observed_values(seed, share):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 3)) * [1, 100, 1e-3]
    X[:, 1] = X[:, 1].round(-1)
    gaps = np.where(rng.random(X.shape) < share, np.nan, X)
    filled = filled_by_ranks(gaps)
    assert not np.isnan(filled).any()
    observed = ~np.isnan(gaps)
    np.testing.assert_array_equal(filled[observed], X[observed])
    np.testing.assert_array_equal(filled_by_ranks(filled), filled)
    for column, own, seen in zip(filled.T, X.T, observed.T, strict=True):
        if seen.any():
            assert np.isin(column, own[seen]).all()
            levels = np.linspace(0, 1, 11)
            ranks = np.searchsorted(np.sort(own[seen]), np.quantile(column, levels)) / seen.sum()
            assert np.abs(ranks - levels).max() < 0.1 + 2 / seen.sum()


def test_images_and_spectra_with_gaps_get_one_scale(digits):
    rng = np.random.default_rng(0)
    for rows in (digits.data, spectra()):
        assert chosen(filled_by_ranks(np.where(rng.random(rows.shape) < 0.3, np.nan, rows))) == (
            "global"
        )


def test_columns_without_values_become_zero():
    X = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    np.testing.assert_array_equal(filled_by_ranks(X), [[0, 1], [0, 1]])
