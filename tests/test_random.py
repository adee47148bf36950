"""Seeds, generators and fixed draws, which leave the global generators as they are."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from skvae._random import draw_seed, fixed_normal_draws, isolated_rng, make_generator
from tests.helpers import global_states


def test_isolated_rng_seeds_inside_and_restores_outside():
    before = global_states()
    with isolated_rng(3):
        first = torch.randn(5)
    with isolated_rng(3):
        second = torch.randn(5)
    assert torch.equal(first, second)
    assert global_states() == before


def test_isolated_rng_restores_after_an_error():
    before = global_states()
    with pytest.raises(RuntimeError, match="shape"), isolated_rng(3):
        torch.randn(5).reshape(2, 2)
    assert global_states() == before


@pytest.mark.parametrize("before", [False, True])
def test_convolutions_are_deterministic_inside_alone(before, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", before)
    with isolated_rng(3):
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.deterministic == before


def test_seeds_follow_the_random_state():
    assert draw_seed(5) == draw_seed(5) != draw_seed(6)
    shared = np.random.RandomState(0)
    assert draw_seed(shared) != draw_seed(shared)


def test_without_random_state_seeds_come_from_fresh_entropy():
    before = global_states()
    seeds = {draw_seed(None) for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert global_states() == before


def test_generators_are_independent_of_the_global_one():
    before = global_states()
    first = torch.randn(4, generator=make_generator(1))
    assert torch.equal(first, torch.randn(4, generator=make_generator(1)))
    assert global_states() == before


@pytest.mark.parametrize("n_samples", [1, 2, 3, 16, 100])
@pytest.mark.parametrize("n_components", [1, 7])
def test_draws_have_unit_second_moment_and_never_change(n_samples, n_components):
    draws = fixed_normal_draws(n_samples, n_components)
    assert draws.shape == (n_samples, n_components)
    np.testing.assert_allclose(np.mean(draws**2, axis=0), 1)
    np.testing.assert_array_equal(draws, fixed_normal_draws(n_samples, n_components))
    assert not draws.flags.writeable


def test_many_draws_are_normal_and_uncorrelated():
    draws = fixed_normal_draws(4096, 6)
    for column in draws.T:
        assert kstest(column, "norm").pvalue > 0.05
    np.testing.assert_allclose(np.corrcoef(draws.T), np.eye(6), atol=0.02)


def test_draws_may_have_more_dimensions_than_a_sobol_sequence():
    draws = fixed_normal_draws(2, 21_300)
    assert draws.shape == (2, 21_300)
    assert np.isfinite(draws).all()
