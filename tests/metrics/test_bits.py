"""Bits per dimension of distributions whose code lengths are known."""

import numpy as np
import pytest
from scipy.stats import bernoulli, norm, uniform

from skvae.metrics import bits_per_dim


@pytest.mark.parametrize("n_features", [1, 784])
def test_a_uniform_density_over_bytes_takes_eight_bits(n_features):
    in_bytes = n_features * uniform(0, 256).logpdf(17)
    in_units = n_features * uniform(0, 1).logpdf(17 / 256)
    assert bits_per_dim(in_bytes, n_features) == pytest.approx(8)
    assert bits_per_dim(in_units, n_features, step=1 / 256) == pytest.approx(8)


def test_a_fair_coin_takes_one_bit():
    assert bits_per_dim(10 * bernoulli(0.5).logpmf(1), 10) == pytest.approx(1)


def test_a_smooth_density_takes_the_entropy_of_its_histogram():
    edges = np.arange(-60, 61) * 0.1
    masses = np.diff(norm.cdf(edges))
    entropy = -np.sum(masses * np.log2(masses))
    mean_log_density = -norm.entropy()
    assert bits_per_dim(mean_log_density, 1, step=0.1) == pytest.approx(entropy, abs=1e-3)


def test_bits_do_not_depend_on_the_units():
    ll = np.array([-3.0, 4.0])
    scaled = ll - 5 * np.log(255)  # density of five features in units of 1/255
    np.testing.assert_allclose(bits_per_dim(scaled, 5), bits_per_dim(ll, 5, step=1 / 255))


def test_arrays_keep_their_shape_and_scalars_give_floats():
    assert type(bits_per_dim(np.float32(-1.0), 2)) is float
    bits = bits_per_dim([[-1.0, -2.0, -np.inf]], 2)
    np.testing.assert_allclose(bits, [[0.5 / np.log(2), 1 / np.log(2), np.inf]])


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((np.nan, 2), {}, "'log_likelihood' contains NaN"),
        ((1.0, 0), {}, "'n_features' must be an integer of at least 1, got 0"),
        ((1.0, 2.5), {}, "'n_features' must be an integer of at least 1, got 2.5"),
        ((1.0, 2), {"step": 0}, "'step' must be a positive number, got 0"),
        ((1.0, 2), {"step": "1/255"}, "'step' must be a positive number, got '1/255'"),
        ((1.0, 2), {"step": np.nan}, "'step' must be a positive number, got nan"),
    ],
)
def test_invalid_input_raises(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        bits_per_dim(*args, **kwargs)
