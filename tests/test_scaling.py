"""The rule of scaling="auto" on data of many kinds, and the statistics of the columns."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skvae._scaling import column_moments, measure
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
