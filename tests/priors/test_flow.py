"""The flow prior against the Jacobian of autograd, quadrature and its own inverse."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.datasets import make_blobs
from sklearn.mixture import GaussianMixture
from torch.func import jacrev, vmap

from skvae.priors import FlowPrior


def build(n_components, n_layers=4, scale=0.5, seed=0):
    """Build a small flow in double precision, with random weights."""
    torch.manual_seed(seed)
    prior = FlowPrior(n_layers=n_layers, hidden_units=8).build(n_components).double()
    with torch.no_grad():
        for weights in prior.parameters():
            weights.add_(scale * torch.randn_like(weights))
    return prior


def draw(*shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def to_base(prior, z):
    """Return z transformed by all couplings, without their log determinants."""
    for coupling in prior.couplings:
        z, _ = coupling(z)
    return z


@pytest.mark.parametrize("n_components", [1, 2, 3, 6])
def test_log_prob_is_the_change_of_variables_formula(n_components):
    prior, z = build(n_components), draw(10, n_components)
    with torch.no_grad():
        jacobians = vmap(jacrev(lambda row: to_base(prior, row)))(z)
        base = stats.norm.logpdf(to_base(prior, z)).sum(-1)
        log_prob = prior.log_prob(z)
    log_det = np.linalg.slogdet(jacobians.numpy()).logabsdet
    np.testing.assert_allclose(log_prob, base + log_det)
    assert np.ptp(log_det) > 0.1 or n_components == 1  # it says something


@pytest.mark.parametrize("n_components", [1, 2, 3, 6])
def test_the_inverse_undoes_the_flow(n_components):
    prior, z = build(n_components), draw(10, n_components)
    back = to_base(prior, z)
    assert (back - z).abs().max() > 0.1
    for coupling in reversed(prior.couplings):
        back = coupling.inverse(back)
    torch.testing.assert_close(back, z)


@pytest.mark.parametrize("n_components", [1, 2])
def test_density_integrates_to_one(n_components):
    prior = build(n_components, n_layers=2, scale=0.2)
    z, cells = grid(n_components)
    with torch.no_grad():
        total = (prior.log_prob(z).exp() * cells).sum()
    assert total.item() == pytest.approx(1, abs=1e-5)


def grid(n_components):
    """Points and their volumes, dense near zero and wide, because a flow has long tails."""
    steps = torch.linspace(-6, 6, 801, dtype=torch.float64)
    axes, widths = [steps.sinh()] * n_components, [steps.cosh() * (12 / 800)] * n_components
    z, cells = (torch.cartesian_prod(*parts).reshape(-1, n_components) for parts in (axes, widths))
    return z, cells.prod(-1)


def test_draws_have_the_moments_of_the_density():
    prior, n = build(2, n_layers=2, scale=0.2), 50_000
    z, cells = grid(2)
    with torch.no_grad():
        mass = prior.log_prob(z).exp() * cells
        draws = prior.sample(n, torch.Generator().manual_seed(0))
    for moment in (
        lambda z: z,
        lambda z: z.square(),
        lambda z: z.prod(-1, keepdim=True),
        lambda z: (z > 0.5).double(),
    ):
        expected, square = mass @ moment(z), mass @ moment(z).square()
        error = 5 * ((square - expected.square()) / n).sqrt()
        assert ((moment(draws).mean(0) - expected).abs() < error).all()


def test_the_flow_of_one_component_is_affine():
    prior, n = build(1), 20_000
    z = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    second_differences = to_base(prior, z).detach().diff(n=2, dim=0)
    torch.testing.assert_close(second_differences, torch.zeros(48, 1, dtype=torch.float64))
    with torch.no_grad():
        draws = prior.sample(n, torch.Generator().manual_seed(0))
        inverse = to_base(prior, torch.tensor([[0.0], [1.0]], dtype=torch.float64))
    std = 1 / (inverse[1] - inverse[0]).item()
    normal = stats.norm(-inverse[0].item() * std, std)
    assert std != pytest.approx(1, abs=0.05)
    assert stats.kstest(draws.numpy()[:, 0], normal.cdf).pvalue > 1e-3


def test_the_initial_flow_is_the_standard_normal():
    prior = FlowPrior().build(3)
    z = draw(10, 3).float()
    np.testing.assert_allclose(prior.log_prob(z).detach(), stats.norm.logpdf(z).sum(-1), rtol=1e-5)
    draws = prior.sample(5, torch.Generator().manual_seed(0))
    assert torch.equal(draws, torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))


def test_two_layers_transform_every_component_and_one_transforms_half():
    for n_layers, moved in ((1, [True, False, True]), (2, [True, True, True])):
        prior, z = build(3, n_layers), draw(1, 3)
        assert (to_base(prior, z) != z)[0].tolist() == moved


def test_scales_are_bounded_however_large_the_weights():
    prior = build(2, n_layers=1, scale=100.0)
    _, log_scale = prior.couplings[0](draw(100, 2))
    assert log_scale.abs().max().item() == pytest.approx(2)
    assert prior.log_prob(1e6 * draw(100, 2)).isfinite().all()


def test_last_layers_have_gradients_at_the_start_and_all_weights_later():
    torch.manual_seed(0)
    start = FlowPrior(n_layers=4, hidden_units=8).build(2)
    for prior, names in ((start, ("4.weight", "4.bias")), (build(2), ("weight", "bias"))):
        prior.log_prob(draw(10, 2).to(next(prior.parameters()))).sum().backward()
        for name, weights in prior.named_parameters():
            assert weights.grad.abs().sum() > 0 or not name.endswith(names)


def test_gradient_agrees_with_finite_differences():
    prior = build(3)
    assert torch.autograd.gradcheck(prior.log_prob, draw(4, 3).requires_grad_())


def test_training_fits_a_density_of_two_clusters():
    truth = GaussianMixture(2, covariance_type="diag", random_state=0)
    z, _ = make_blobs(1000, centers=[[-2, 0], [2, 1]], cluster_std=0.5, random_state=0)
    highest = truth.fit(z).score(z)
    prior, z = build(2, n_layers=6, scale=0.0), torch.from_numpy(z)
    optimizer = torch.optim.Adam(prior.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = -prior.log_prob(z).mean()
        loss.backward()
        optimizer.step()
    assert -loss.item() == pytest.approx(highest, abs=0.3)
    assert stats.norm.logpdf(z).sum(1).mean() < highest - 1


def test_several_draws_per_row_are_scored_independently():
    prior, z = build(3), draw(5, 4, 3)
    together = prior.log_prob(z)
    assert together.shape == (5, 4)
    for i in range(4):
        torch.testing.assert_close(together[:, i], prior.log_prob(z[:, i]))


@pytest.mark.parametrize("name", ["n_layers", "hidden_units"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_parameters_out_of_range_raise(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of FlowPrior"):
        FlowPrior(**{name: value}).build(2)


def test_more_than_100_layers_raise():
    with pytest.raises(ValueError, match="'n_layers' parameter of FlowPrior"):
        FlowPrior(n_layers=10**12).build(2)
