"""The Bernoulli likelihood against enumeration and scipy."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from skvae import VAETransformer
from skvae._validation import InvalidParameterError
from skvae.likelihoods import Bernoulli
from skvae.networks import MLP
from skvae.objectives import ELBO

X = np.array([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])


@pytest.fixture
def density():
    return Bernoulli().build(X).double()


def draw_outputs(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def probabilities(outputs):
    """Sigmoid of the outputs plus the logit of the training mean, clipped to [0.001, 0.999]."""
    mean = np.clip(X.mean(0), 1e-3, 1 - 1e-3)
    return 1 / (1 + np.exp(-(outputs.numpy() + np.log(mean / (1 - mean)))))


def test_probabilities_of_all_rows_sum_to_one(density):
    rows = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    outputs = draw_outputs(4).expand(16, 4)
    assert density.log_prob(outputs, rows).sum(1).exp().sum().item() == pytest.approx(1)


def test_log_prob_is_that_of_scipy(density):
    outputs = draw_outputs(3, 4)
    expected = stats.bernoulli(probabilities(outputs)).logpmf(X.astype(int))
    np.testing.assert_allclose(density.log_prob(outputs, torch.from_numpy(X)), expected)


def test_grey_levels_are_read_as_probabilities(density):
    outputs, grey = draw_outputs(3, 4), np.full((3, 4), 0.3)
    p = probabilities(outputs)
    expected = grey * np.log(p) + (1 - grey) * np.log1p(-p)
    np.testing.assert_allclose(density.log_prob(outputs, torch.from_numpy(grey)), expected)


def test_outputs_of_zero_decode_to_the_training_mean(density):
    expected = np.clip(X.mean(0), 1e-3, 1 - 1e-3)
    np.testing.assert_allclose(density.mean(torch.zeros(4, dtype=torch.float64)), expected)


def test_draws_have_the_mean_of_the_distribution(density):
    outputs = draw_outputs(4)
    p = probabilities(outputs)
    n = 20_000
    draws = density.sample(outputs.expand(n, 4), torch.Generator().manual_seed(1)).numpy()
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_allclose(density.mean(outputs), p)
    errors = np.sqrt(p * (1 - p) / n)
    assert np.all(np.abs(draws.mean(0) - p) < 5 * errors)


def test_gradient_agrees_with_finite_differences(density):
    outputs = draw_outputs(3, 4).requires_grad_()
    x = torch.rand(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.autograd.gradcheck(lambda outputs: density.log_prob(outputs, x), outputs)


def test_outputs_of_several_draws_broadcast_against_the_rows(density):
    outputs, x = draw_outputs(3, 7, 4), torch.from_numpy(X)
    together = density.log_prob(outputs, x[:, None])
    assert together.shape == (3, 7, 4)
    for draw in range(7):
        torch.testing.assert_close(together[:, draw], density.log_prob(outputs[:, draw], x))


def test_extreme_logits_and_constant_columns_stay_finite():
    density = Bernoulli().build(np.tile([0.0, 1.0], (10, 1)))
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    for outputs in (torch.zeros(2, 2), torch.full((2, 2), 1e4), torch.full((2, 2), -1e4)):
        assert density.log_prob(outputs, x).isfinite().all()
    assert density.standardize(x).isfinite().all()


def test_standardized_rows_have_mean_zero_and_pooled_variance_one(density):
    standardized = density.standardize(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(standardized.mean(0), 0, atol=1e-12)
    assert standardized.var(0).mean() == pytest.approx(1)


@pytest.mark.parametrize("bad", [-0.1, 1.5, 255.0])
def test_values_outside_the_unit_interval_raise(bad):
    with pytest.raises(
        ValueError, match=rf"in \[0, 1\], but column 1 of X holds {bad:g} in row 1,"
    ):
        Bernoulli().build(np.array([[0.0, 1.0], [0.5, bad]]))


def test_dynamic_rows_are_fresh_binary_draws_with_the_grey_mean():
    density = Bernoulli(binarize="dynamic").build(X)
    grey = torch.tensor([0.0, 0.2, 0.7, 1.0], dtype=torch.float64).expand(40_000, 4)
    generator = torch.Generator().manual_seed(0)
    draws, others = density.redraw(grey, generator), density.redraw(grey, generator)
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(draws, others)
    errors = (grey[0] * (1 - grey[0]) / len(grey)).sqrt()
    assert ((draws.mean(0) - grey[0]).abs() <= 5 * errors).all()


@pytest.mark.parametrize("binarize", [True, "static", 1])
def test_invalid_binarize_raises(binarize):
    with pytest.raises(InvalidParameterError, match="'binarize' parameter of Bernoulli must be"):
        Bernoulli(binarize=binarize).build(X)


class SeenRows(ELBO):
    """Keeps the batches on which the objective is evaluated."""

    seen = []

    def __call__(self, module, x, **kwargs):
        SeenRows.seen.append(x)
        return super().__call__(module, x, **kwargs)


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_rows_are_binarized_in_training_and_not_in_scoring(digits, binarize):
    SeenRows.seen = []
    rows = digits.data[:200] / 16
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=Bernoulli(binarize=binarize),
        objective=SeenRows(),
        max_epochs=2,
        early_stopping=True,
        random_state=0,
    ).fit(rows)
    binary = all(set(x.unique().tolist()) <= {0.0, 1.0} for x in SeenRows.seen)
    assert binary == (binarize == "dynamic")
    first, second = (x for x in SeenRows.seen if len(x) == 20)  # the validation rows, per epoch
    assert torch.equal(first, second)  # by the same draws, so that epochs can be compared
    assert not np.allclose(vae.score_samples(rows), vae.score_samples(rows.round()))
