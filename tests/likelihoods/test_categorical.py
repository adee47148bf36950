"""The categorical likelihood against enumeration and frequencies."""

import numpy as np
import pytest
import torch

from skvae.likelihoods import Categorical

X = np.array([[0.0, 3.0], [2.0, 3.0], [1.0, 3.0], [2.0, 3.0]])
K = 4


def draw_outputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 2 * K, dtype=torch.float64, generator=generator)


def probabilities(outputs):
    """Softmax of the outputs plus the smoothed log frequencies, (..., 2, K)."""
    frequencies = (np.array([[1, 1, 2, 0], [0, 0, 0, 4]]) + 1 / K) / 5
    logits = outputs.numpy().reshape(*outputs.shape[:-1], K, 2)  # one category after another
    weights = frequencies * np.exp(logits.swapaxes(-1, -2))
    return weights / weights.sum(-1, keepdims=True)


@pytest.fixture
def density():
    return Categorical(n_categories=K).build(X).double()


def all_rows():
    axis = torch.arange(K, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)


def test_probabilities_of_all_rows_sum_to_one(density):
    log_prob = density.log_prob(draw_outputs().expand(K**2, -1), all_rows())
    assert log_prob.sum(1).exp().sum().item() == pytest.approx(1)


def test_log_prob_is_that_of_the_softmax(density):
    outputs = draw_outputs(4)
    p = probabilities(outputs)
    expected = [[np.log(p[i, j, int(x)]) for j, x in enumerate(row)] for i, row in enumerate(X)]
    np.testing.assert_allclose(density.log_prob(outputs, torch.from_numpy(X)), expected)


def test_outputs_of_zero_give_the_training_frequencies(density):
    zeros = torch.zeros(K, 2 * K, dtype=torch.float64)
    levels = torch.arange(K, dtype=torch.float64)
    rows = torch.stack([levels, torch.full((K,), 3.0)], 1)
    shares = density.log_prob(zeros, rows).exp()
    np.testing.assert_allclose(shares[:, 0], np.array([1.25, 1.25, 2.25, 0.25]) / 5)
    np.testing.assert_allclose(shares[:, 1], 4.25 / 5)


def test_the_mean_of_amounts_is_the_expectation(density):
    outputs = draw_outputs(5)
    expected = (probabilities(outputs) * np.arange(K)).sum(-1)
    np.testing.assert_allclose(density.mean(outputs), expected)


def test_the_mean_of_unordered_categories_is_the_most_probable_one():
    outputs = draw_outputs(5)
    density = Categorical(n_categories=K, ordered=False).build(X).double()
    np.testing.assert_array_equal(density.mean(outputs), probabilities(outputs).argmax(-1))


def test_draws_have_the_probabilities_of_the_density(density):
    outputs, n = draw_outputs(), 20_000
    draws = density.sample(outputs.expand(n, -1), torch.Generator().manual_seed(1)).numpy()
    p = probabilities(outputs)
    for feature in range(2):
        shares = np.bincount(draws[:, feature].astype(int), minlength=K) / n
        errors = np.sqrt(p[feature] * (1 - p[feature]) / n)
        assert np.all(np.abs(shares - p[feature]) < 5 * errors)


@pytest.mark.parametrize(("largest", "expected"), [(0.0, 2), (1.0, 2), (6.0, 7)])
def test_auto_counts_the_categories(largest, expected):
    rows = np.array([[0.0], [largest]])
    density = Categorical(n_categories="auto").build(rows)
    assert density.spec.n_categories == expected
    assert density.n_outputs == expected


def test_auto_raises_for_more_than_65536_categories():
    with pytest.raises(ValueError, match="from 0 to 65535, but column 0 of X holds 1000000"):
        Categorical(n_categories="auto").build(np.array([[1.0], [1e6]]))


def test_more_than_65536_categories_raise():
    with pytest.raises(ValueError, match="'n_categories' parameter of Categorical"):
        Categorical(n_categories=2**17).build(X)
