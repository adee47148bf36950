"""The discrepancy between q(z) and p(z), against enumeration and closed forms."""

from itertools import product

import numpy as np
import pytest
import torch

from skvae.objectives import ELBO, InfoVAE

KERNELS = {
    "rbf": lambda squares, bandwidth: np.exp(-squares / (2 * bandwidth**2)),
    "inverse_multiquadric": lambda squares, bandwidth: (
        2 * bandwidth**2 / (2 * bandwidth**2 + squares)
    ),
}


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_without_weight_of_the_mmd_it_is_an_elbo(linear, evaluate, scale):
    model = linear(2)
    record = evaluate(InfoVAE(alpha=1 - scale, scale=scale), model)
    for name, value in evaluate(ELBO(beta=scale), model).items():
        torch.testing.assert_close(record[name], value)


def test_loss_is_the_weighted_sum(linear, evaluate):
    record = evaluate(InfoVAE(alpha=0.3, scale=20), linear(2))
    expected = 0.7 * record["kl"] + 19.3 * record["mmd"] - record["reconstruction"]
    torch.testing.assert_close(record["loss"], expected)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", ["auto", 0.5])
def test_mmd_is_the_sum_over_all_pairs(linear, evaluate, kernel, bandwidth):
    model = linear(2, n_rows=5)
    generator = torch.Generator().manual_seed(0)
    mean, log_var = model.encode(model.x)
    noise = torch.randn(5, 1, 2, generator=generator, dtype=float)[:, 0]
    z = (mean + (0.5 * log_var).exp() * noise).detach().numpy()
    other = model.sample_prior(5, generator).numpy().astype(float)

    def k(a, b):
        width = np.sqrt(2) if bandwidth == "auto" else bandwidth
        return KERNELS[kernel](np.sum((a - b) ** 2), width)

    pairs = list(product(range(5), repeat=2))
    within = np.mean([k(z[i], z[j]) + k(other[i], other[j]) for i, j in pairs if i != j])
    between = np.mean([k(z[i], other[j]) for i, j in pairs])
    record = evaluate(InfoVAE(kernel=kernel, bandwidth=bandwidth), model)
    assert record["mmd"].item() == pytest.approx(within - 2 * between)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.5)])
@pytest.mark.parametrize("n_rows", [2, 20])
def test_mmd_of_normals_is_unbiased_in_batches_of_any_size(linear, evaluate, mean, std, n_rows):
    """The mean of the kernel over normal differences has a closed form."""
    model = linear(3, n_rows=n_rows)
    with torch.no_grad():
        model.slope.zero_()
        model.intercept.fill_(mean)
        model.log_var.fill_(2 * np.log(std))
        objective = InfoVAE(bandwidth=1.2)
        values = [evaluate(objective, model, seed)["mmd"].item() for seed in range(1000)]

    def kernel_mean(shift, variance):
        spread = 1.2**2 + variance
        return (1.2**2 / spread) ** 1.5 * np.exp(-3 * shift**2 / (2 * spread))

    within = kernel_mean(0, 2 * std**2) + kernel_mean(0, 2)
    expected = within - 2 * kernel_mean(mean, std**2 + 1)
    assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(1000)
    assert expected == 0 or expected > 0.3


@pytest.mark.parametrize("kernel", KERNELS)
def test_minimising_the_mmd_matches_the_posteriors_to_the_prior(linear, evaluate, kernel):
    model = linear(1, n_rows=200)
    with torch.no_grad():
        model.slope.fill_(2.0)
        model.intercept.fill_(3.0)
    optimizer = torch.optim.Adam(model.encoder(), lr=0.04)
    for seed in range(200):
        optimizer.zero_grad()
        evaluate(InfoVAE(kernel=kernel), model, seed)["mmd"].backward()
        optimizer.step()
    means, log_var = model.encode(model.x)
    assert means.mean().item() == pytest.approx(0, abs=0.15)
    assert (means.var() + log_var.exp().mean()).item() == pytest.approx(1, abs=0.2)


def test_the_mmd_of_a_batch_of_one_row_is_zero(linear, evaluate):
    record = evaluate(InfoVAE(), linear(2, n_rows=1))
    assert record["mmd"] == 0
    record["loss"].backward()
