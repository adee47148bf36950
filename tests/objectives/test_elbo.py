"""The evidence lower bound: its parts, its three weights, its gradient, its mean."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad

from skvae._model.module import build_module
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO
from skvae.priors import StandardNormal

X = np.random.default_rng(0).normal(size=(6, 4))


@pytest.fixture
def module():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build_module(
            MLP(hidden_layer_sizes=(5,), activation="tanh"),
            Gaussian(noise=0.8),
            StandardNormal(),
            X,
            3,
        )
    return module.double()


def evaluate(objective, module, seed=0, x=X, **options):
    generator = torch.Generator().manual_seed(seed)
    return objective(module, torch.from_numpy(x), generator=generator, **options)


def parts_by_hand(module, seed=0):
    """Reconstruction per row, and KL per row and component, from their formulas."""
    with torch.no_grad():
        mean, log_var = (part.numpy() for part in module.encode(torch.from_numpy(X)))
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=float)
        z = mean + np.exp(0.5 * log_var) * noise.numpy()
        outputs = module.decode(torch.from_numpy(z))
        centre = module.likelihood.mean(outputs).numpy()
    reconstruction = stats.norm.logpdf(X, centre, 0.8).sum(1)
    return reconstruction, 0.5 * (mean**2 + np.exp(log_var) - log_var - 1)


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_weighted_kl_minus_reconstruction(module, beta):
    record = evaluate(ELBO(beta=beta), module)
    reconstruction, kl = parts_by_hand(module)
    assert set(record) == {"loss", "reconstruction", "kl"}
    assert record["reconstruction"].item() == pytest.approx(reconstruction.mean())
    assert record["kl"].item() == pytest.approx(kl.sum(1).mean())
    assert record["loss"].item() == pytest.approx(beta * kl.sum(1).mean() - reconstruction.mean())


@pytest.mark.parametrize("free_bits", [0.01, 0.3, 10.0])
def test_free_bits_are_a_lower_bound_of_each_dimension(module, free_bits):
    record = evaluate(ELBO(beta=2.0, free_bits=free_bits), module)
    reconstruction, kl = parts_by_hand(module)
    charged = np.maximum(free_bits, kl.mean(0)).sum()  # equation 15: batch mean, then maximum
    assert record["loss"].item() == pytest.approx(2 * charged - reconstruction.mean())
    assert record["kl"].item() == pytest.approx(kl.mean(0).sum())  # the KL itself stays as it is


def test_the_weighted_kl_is_at_least_the_free_bits(module):
    with torch.no_grad():
        module.encoder[-1].weight.zero_()
        module.encoder[-1].bias.zero_()  # q is the prior: the KL is zero
    record = evaluate(ELBO(free_bits=0.25), module)
    assert record["kl"].item() == 0
    assert (record["loss"] + record["reconstruction"]).item() == pytest.approx(3 * 0.25)


def test_dimensions_within_their_free_bits_have_no_kl_gradient(module):
    evaluate(ELBO(free_bits=100.0), module)["loss"].backward()
    free = [p.grad.clone() for p in module.encoder.parameters()]
    module.zero_grad()
    evaluate(ELBO(beta=0.0), module)["loss"].backward()
    for gradient, parameter in zip(free, module.encoder.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


@pytest.mark.parametrize(
    ("epoch", "share"), [(0.0, 0.0), (1.0, 0.25), (2.5, 0.625), (4.0, 1.0), (9.0, 1.0), (None, 1)]
)
def test_warmup_is_linear_in_the_epoch(module, epoch, share):
    record = evaluate(ELBO(beta=3.0, warmup=4), module, epoch=epoch)
    expected = 3 * share * record["kl"] - record["reconstruction"]
    torch.testing.assert_close(record["loss"], expected)


@pytest.mark.parametrize("warmup_epochs", [0.0, 8.0])
def test_an_automatic_warmup_lasts_as_long_as_the_module_says(module, warmup_epochs):
    module.warmup_epochs = warmup_epochs
    record = evaluate(ELBO(), module, epoch=2.0)
    expected = evaluate(ELBO(warmup=warmup_epochs), module, epoch=2.0)
    torch.testing.assert_close(record["loss"], expected["loss"])


@pytest.mark.parametrize(
    "objective", [ELBO(), ELBO(beta=2.0, free_bits=0.02, warmup=4), ELBO(beta=0.5)], ids=repr
)
def test_gradient_agrees_with_finite_differences(module, objective):
    def loss():
        return evaluate(objective, module, epoch=1.5)["loss"]

    loss().backward()
    for name, parameter in module.named_parameters():
        values, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for i in {0, len(values) // 2, len(values) - 1}:
            start, step = values[i].item(), 1e-6
            values[i] = start + step
            above = loss().item()
            values[i] = start - step
            below = loss().item()
            values[i] = start
            slope = (above - below) / (2 * step)
            assert gradient[i].item() == pytest.approx(slope, rel=1e-5, abs=1e-7), name


def test_mean_of_many_single_draws_is_the_bound():
    x = X[:, :1]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        linear = build_module(
            MLP(hidden_layer_sizes=()), Gaussian(noise=0.8), StandardNormal(), x, 1
        ).double()
    row = torch.from_numpy(x[:1])
    with torch.no_grad():
        mean, log_var = (part.item() for part in linear.encode(row))
        q = stats.norm(mean, math.exp(0.5 * log_var))

        def integrand(z):
            centre = linear.likelihood.mean(linear.decode(torch.tensor([[z]], dtype=float)))
            log_joint = stats.norm.logpdf(x[0, 0], centre.item(), 0.8) + stats.norm.logpdf(z)
            return q.pdf(z) * (log_joint - q.logpdf(z))

        bound, _ = quad(integrand, mean - 9 * q.std(), mean + 9 * q.std())
        losses = [evaluate(ELBO(), linear, seed, x[:1])["loss"].item() for seed in range(4000)]
    assert abs(np.mean(losses) + bound) < 5 * np.std(losses) / np.sqrt(len(losses))


@pytest.mark.parametrize("free_bits", [0.0, 0.5])
def test_a_kl_without_closed_form_is_averaged_over_the_draws(module, only_density, free_bits):
    exact = evaluate(ELBO(), module)["kl"].item()
    module.prior = only_density(module.prior)
    with torch.no_grad():
        records = [evaluate(ELBO(free_bits=free_bits), module, seed) for seed in range(2000)]
    kl = np.array([record["kl"] for record in records])
    assert abs(kl.mean() - exact) < 5 * kl.std() / np.sqrt(len(kl))
    for record in records[:100]:
        # the free nats are those of all components together
        charged = max(record["kl"].item(), 3 * free_bits) if free_bits else record["kl"].item()
        loss = charged - record["reconstruction"].item()
        assert record["loss"].item() == pytest.approx(loss)


def test_draws_are_a_function_of_the_generator(module):
    assert evaluate(ELBO(), module)["loss"] == evaluate(ELBO(), module)["loss"]
    assert evaluate(ELBO(), module)["loss"] != evaluate(ELBO(), module, seed=1)["loss"]


def test_several_draws_are_averaged(linear):
    model = linear(2)
    mean, log_var = model.encode(model.x)
    noise = torch.randn(6, 3, 2, generator=torch.Generator().manual_seed(0), dtype=float)
    z = mean[:, None] + (0.5 * log_var).exp()[:, None] * noise
    decoded = [model.decode(z[:, draw]) for draw in range(3)]
    by_hand = [model.log_density(model.x, outputs).mean() for outputs in decoded]
    record = evaluate(ELBO(n_samples=3), model, x=model.x.numpy())
    torch.testing.assert_close(record["reconstruction"], torch.stack(by_hand).mean())
    torch.testing.assert_close(record["kl"], evaluate(ELBO(), model, x=model.x.numpy())["kl"])


@pytest.mark.parametrize("n_samples", [4, 16])
def test_n_samples_divides_the_variance_and_keeps_the_mean(linear, only_density, n_samples):
    model = linear(2)
    model.prior, x = only_density(model.prior), model.x.numpy()
    with torch.no_grad():
        one, many = (
            torch.stack([evaluate(objective, model, seed, x)["loss"] for seed in range(500)])
            for objective in (ELBO(), ELBO(n_samples=n_samples))
        )
    assert (many.mean() - one.mean()).abs() < 4 * (one.var() / 500).sqrt()
    assert (one.var() / many.var()).item() == pytest.approx(n_samples, rel=0.3)
