"""Codes of latent vectors: they invert, and cost what the densities say."""

import numpy as np
import pytest
import torch

from skvae.compression._bit_stack import BitStack
from skvae.compression._latent_code import LatentGrid, Posterior, PriorCode
from skvae.priors import ExPostMixture, MixturePrior, StandardNormal
from skvae.priors._densities import full_mixture_log_prob

GRID = LatentGrid(log_steps=8, log_reach=4)
N_ROWS, N_COMPONENTS = 400, 3


def random_words(n_words=20_000):
    words = np.random.default_rng(1).integers(1, 2**32, n_words, dtype=np.uint32)
    return words.astype("<u4").tobytes()


def mixture_with_covariances():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(4, N_COMPONENTS))
    factors = np.tril(rng.normal(size=(4, N_COMPONENTS, N_COMPONENTS)))
    places = np.arange(N_COMPONENTS)
    factors[:, places, places] = rng.uniform(0.3, 1.0, (4, N_COMPONENTS))
    return np.log(rng.dirichlet(np.ones(4))), means, factors


def normals_of(prior):
    torch.manual_seed(0)
    module = prior.build(N_COMPONENTS).eval()
    return [part.detach().double().numpy() for part in module.normals()]


@pytest.mark.parametrize(
    "normals",
    [
        pytest.param(normals_of(StandardNormal()), id="normal"),
        pytest.param(normals_of(MixturePrior(n_mixtures=7)), id="mixture"),
        pytest.param(mixture_with_covariances(), id="covariances"),
    ],
)
def test_latent_vectors_of_a_prior_cost_minus_its_log_density(normals):
    prior = PriorCode(*normals)
    stack = BitStack("a test", random_words())
    cells = prior.pop(stack, GRID, N_ROWS, bits_back=True)  # draws from the prior
    left = len(stack.payload)
    prior.push(stack, GRID, cells, bits_back=True)
    assert stack.payload == random_words()
    log_weights, means, spread = map(torch.tensor, normals)
    whitening = torch.linalg.inv(spread).mT
    z = torch.tensor(GRID.values(cells))
    log_density = full_mixture_log_prob(z, means, whitening, log_weights).numpy()
    bits = (-log_density / np.log(2) + N_COMPONENTS * GRID.log_steps).sum()
    assert 8 * (len(random_words()) - left) == pytest.approx(bits, rel=5e-3)


def test_the_first_latent_vectors_need_no_bits_on_the_stack():
    prior = PriorCode(*mixture_with_covariances())
    cells = GRID.cells(np.random.default_rng(0).normal(size=(5, N_COMPONENTS)))
    stack = BitStack("a test")
    prior.push(stack, GRID, cells, bits_back=False)
    np.testing.assert_array_equal(prior.pop(stack, GRID, 5, bits_back=False), cells)
    assert stack.payload == b""


def test_draws_have_the_moments_of_the_posterior():
    mean, std = np.full((5000, 1), 0.7), np.full((5000, 1), 0.2)
    drawn = GRID.values(GRID.pop_normal(BitStack("a test", random_words()), mean, std))
    assert drawn.mean() == pytest.approx(0.7, abs=0.01)
    assert drawn.std() == pytest.approx(0.2, rel=0.05)


def test_the_grid_is_fine_enough_and_reaches_all_posteriors():
    own = Posterior(np.array([[0.5, -30.0]]), np.array([[0.01, 1.0]]))
    grid = LatentGrid.of_posteriors([own])
    assert 2.0**-grid.log_steps <= 0.01 / 4
    assert 38 <= 2**grid.log_reach < 76
    ends = grid.values(np.array([~grid.high, grid.high]))
    np.testing.assert_allclose(ends, [-(2**grid.log_reach), 2**grid.log_reach], rtol=1e-3)
    np.testing.assert_array_equal(grid.cells(np.array([-1e9, 1e9])), [~grid.high, grid.high])


def test_too_many_cells_are_an_error():
    own = Posterior(np.array([[1e12]]), np.array([[1e-4]]))
    with pytest.raises(ValueError, match="lie too far from the training rows"):
        LatentGrid.of_posteriors([own])


def test_learned_priors_are_the_mixtures_that_they_return():
    prior = ExPostMixture(n_mixtures=3).build(2)
    rng = np.random.default_rng(0)
    prior.conclude(lambda: rng.normal(size=(300, 2)) @ [[1.0, 0.5], [0.0, 0.3]])
    prior.eval()
    log_weights, means, spread = prior.normals()
    z = torch.tensor(rng.normal(size=(20, 2)))
    whitening = torch.linalg.inv(spread).mT
    expected = full_mixture_log_prob(z, means, whitening, log_weights)
    torch.testing.assert_close(prior.log_prob(z), expected)
