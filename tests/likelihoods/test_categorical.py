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


CODES = np.array([[60306.0, 9e6], [10115, 5], [60306, 9e6], [80331, 9e6]])


def observed_probabilities(outputs, column):
    """Softmax over the levels of a column of CODES and all others, as documented."""
    levels, counts = np.unique(CODES[:, column], return_counts=True)
    frequencies = np.r_[counts, 1] / (len(CODES) + 1)
    logits = np.r_[np.split(outputs, [3])[column], 0]  # one column after another
    weights = frequencies * np.exp(logits)
    return dict(zip([*levels, "other"], weights / weights.sum(), strict=True))


def test_auto_has_an_output_for_each_level_that_occurs():
    density = Categorical(n_categories="auto").build(CODES)
    assert (density.spec.n_categories, density.spec.levels) == ([3, 2], "observed")
    assert density.n_outputs == 5
    assert Categorical(n_categories="auto").build(CODES[:, 1:]).n_outputs == 2
    assert Categorical(n_categories="auto").build(np.zeros((2, 1))).n_outputs == 1


def test_observed_levels_and_others_have_the_documented_probabilities():
    density = Categorical(n_categories="auto").build(CODES).double()
    outputs = torch.randn(5, generator=torch.Generator().manual_seed(0)).double()
    x = np.array([[10115.0, 5.0], [60306, 9e6], [80331, 6], [7, -1]])
    found = density.log_prob(outputs, torch.from_numpy(x)).exp()
    for column in range(2):
        shares = observed_probabilities(outputs.numpy(), column)
        expected = [shares.get(value, shares["other"]) for value in x[:, column]]
        np.testing.assert_allclose(found[:, column], expected)


@pytest.mark.parametrize("ordered", [True, False])
def test_draws_and_modes_of_observed_levels_are_levels(ordered):
    density = Categorical(n_categories="auto", ordered=ordered).build(CODES)
    outputs = 3 * torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    draws = density.sample(outputs, torch.Generator().manual_seed(0))
    means = density.mean(outputs)
    for column in range(2):
        levels = set(np.unique(CODES[:, column]))
        assert set(draws[:, column].tolist()) == levels
        if ordered:
            assert min(levels) <= means[:, column].min() <= means[:, column].max() <= max(levels)
        else:
            assert set(means[:, column].tolist()) <= levels


INDICATORS = [[0.0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 1]]


def test_inputs_are_indicators_of_the_levels_and_standardised_amounts():
    density = Categorical(n_categories="auto").build(CODES)
    inputs = density.standardize(torch.from_numpy(CODES))
    assert inputs.shape == (4, density.n_inputs)
    np.testing.assert_array_equal(inputs[:, :5], INDICATORS)
    np.testing.assert_allclose(inputs[:, 5:], (CODES - CODES.mean(0)) / CODES.std(0))


def test_inputs_of_names_are_indicators_alone():
    density = Categorical(n_categories="auto", ordered=False).build(CODES)
    unseen = np.array([[10116.0, -5.0]])
    inputs = density.standardize(torch.from_numpy(np.vstack([CODES, unseen])))
    assert density.n_inputs == 5
    np.testing.assert_array_equal(inputs, [*INDICATORS, [0] * 5])


def test_a_list_has_the_sizes_of_a_model_whatever_the_rows():
    spec = Categorical(n_categories="auto").build(CODES).spec
    built, again = spec.build(CODES), spec.build(np.array([[0.0, 1], [1, 1]]))
    assert repr(built.spec) == repr(again.spec) == repr(spec)
    assert built.n_outputs == again.n_outputs == 5
    shapes = [{name: w.shape for name, w in b.state_dict().items()} for b in (built, again)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (Categorical(n_categories=[3]), "has 1 numbers, but X has 2 columns. Pass one number"),
        (Categorical(n_categories=[3, 0]), r"list of integers from 1 to 65536, got \[3, 0\]"),
        (Categorical(n_categories=[3, 2.0]), r"list of integers from 1 to 65536, got \[3, 2.0\]"),
        (Categorical(n_categories=[3, 2], levels="range"), "integer or 'auto' if levels='range'"),
    ],
)
def test_invalid_lists_of_sizes_raise(likelihood, message):
    with pytest.raises(ValueError, match=f"'n_categories' parameter of Categorical.*{message}"):
        likelihood.build(CODES)


def test_a_level_that_did_not_occur_is_accepted_and_recognised():
    support = Categorical(n_categories="auto").build(CODES).support
    X = np.array([[10115.0, 7.0], [10116, 8.9e6]])
    support.check(X, "categorical")
    np.testing.assert_array_equal(support.accepts(X), [[True, False], [False, False]])
    np.testing.assert_array_equal(support.nearest(X), [[10115, 5], [10115, 9e6]])


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (
            Categorical(n_categories=2, levels="observed"),
            "at most 2 .* levels, but column 0 .* a further one, 80331, in row 3, .* 3 levels",
        ),
        (
            Categorical(n_categories="auto", levels="range"),
            "from 0 to 65535, but column 1 of X holds 9000000",
        ),
    ],
)
def test_too_many_levels_raise(likelihood, message):
    with pytest.raises(ValueError, match=message):
        likelihood.build(CODES)


def test_observed_levels_are_whole_numbers():
    with pytest.raises(ValueError, match="whole numbers, but column 0 of X holds 0.5 in row 0"):
        Categorical(n_categories="auto").build(np.array([[0.5], [1.0]]))


def test_more_than_65536_categories_raise():
    with pytest.raises(ValueError, match="'n_categories' parameter of Categorical"):
        Categorical(n_categories=2**17).build(X)
