"""Student's t likelihood against scipy and quadrature, and its robustness to outliers."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from skvae._scaling import within_fences
from skvae.likelihoods import Gaussian, StudentT

X = np.random.default_rng(0).normal([3, 40, -5], [1, 9, 0.1], size=(50, 3))
CASES = [
    StudentT(df=df, scaling=scaling)
    for df in ("learned", 1.0, 3.5)
    for scaling in ("feature", "global")
]


def build(likelihood, rows=X):
    density = likelihood.build(rows).double()
    with torch.no_grad():
        for name in ("free_log_variance", "free_log_df"):
            parameter = getattr(density, name)
            if parameter is not None:
                values = torch.linspace(-0.1, 0.1, parameter.numel(), dtype=torch.float64)
                parameter.copy_(values)
    return density


def draw_outputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 3, dtype=torch.float64, generator=generator)


def of_scipy(likelihood, outputs):
    """The distribution by the documented formulas; no row is beyond the fences."""
    std = X.std(0)
    scale = std if likelihood.scaling == "feature" else np.full(3, np.sqrt(np.mean(std**2)))
    steps = np.linspace(-0.1, 0.1, 3)
    df = 1 + 3 * np.exp(5 * steps) if likelihood.df == "learned" else likelihood.df
    noise = np.sqrt(np.exp(10 * steps) + 1e-3**2)
    return stats.t(df, X.mean(0) + scale * outputs.numpy(), scale * noise)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_log_prob_is_that_of_scipy(likelihood):
    density, outputs = build(likelihood), draw_outputs(50)
    expected = of_scipy(likelihood, outputs).logpdf(X)
    log_prob = density.log_prob(outputs, torch.from_numpy(X)).detach()
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_density_integrates_to_one(likelihood):
    density = build(likelihood, X[:, :1])

    def p(value):
        x = torch.tensor([[value]], dtype=torch.float64)
        outputs = torch.full((1, 1), 0.3, dtype=torch.float64)
        return density.log_prob(outputs, x).exp().item()

    total, _ = integrate.quad(p, -np.inf, np.inf)
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("likelihood", CASES, ids=repr)
def test_draws_have_the_distribution_of_the_density(likelihood):
    density, outputs, n = build(likelihood), draw_outputs(), 20_000
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        draws = density.sample(outputs.expand(n, -1), generator).numpy()
    expected = of_scipy(likelihood, outputs)
    np.testing.assert_allclose(density.mean(outputs), expected.median())
    for probability in (0.01, 0.3, 0.5, 0.9, 0.999):
        shares = (draws < expected.ppf(probability)).mean(0)
        error = np.sqrt(probability * (1 - probability) / n)
        assert np.all(np.abs(shares - probability) < 5 * error)


def test_many_degrees_of_freedom_give_a_gaussian():
    student, normal = StudentT(df=1e8).build(X).double(), Gaussian().build(X).double()
    outputs, x = draw_outputs(50), torch.from_numpy(X)
    torch.testing.assert_close(
        student.log_prob(outputs, x), normal.log_prob(outputs, x), rtol=1e-6, atol=1e-6
    )


def test_units_of_X():
    density, moved = (build(StudentT(), rows) for rows in (X, 1000 * X + 5))
    outputs, x = draw_outputs(50), torch.from_numpy(X)
    torch.testing.assert_close(
        moved.log_prob(outputs, 1000 * x + 5), density.log_prob(outputs, x) - np.log(1000)
    )
    torch.testing.assert_close(moved.mean(outputs), 1000 * density.mean(outputs) + 5)


def test_degrees_of_freedom_are_learned_from_the_tails():
    """Maximum likelihood, with the step sizes of training, recovers the true values."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.standard_t(2, 20_000), rng.standard_t(8, 20_000)])
    density, x = StudentT().build(rows).double(), torch.from_numpy(rows)
    optimizer = torch.optim.Adam(density.parameters(), lr=1e-2)
    outputs = torch.zeros(1, 2, dtype=torch.float64)
    for _ in range(200):
        optimizer.zero_grad()
        (-density.log_prob(outputs, x).sum(1).mean()).backward()
        optimizer.step()
    np.testing.assert_allclose(density.df().detach(), [2, 8], rtol=0.1)


def test_outliers_do_not_determine_the_scale():
    rows = np.vstack([X, [[1e9, -1e9, 1e12]]])
    wild, tame = StudentT().build(rows), StudentT().build(X)
    assert torch.all(wild.scale < 1.3 * tame.scale)
    assert torch.all((wild.loc - tame.loc).abs() < 0.2 * tame.scale)


def test_values_beyond_three_interquartile_ranges_are_clipped():
    rows = np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]])
    np.testing.assert_array_equal(within_fences(rows)[:, 0], [1, 2, 3, 4, 10])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fences_do_not_overflow_nor_clip_a_column_with_equal_quartiles(dtype):
    largest = np.finfo(dtype).max
    rows = np.array([[0, -largest], [0, largest], [0, 0], [0, largest], [7, -largest]], dtype=dtype)
    cut = within_fences(rows)
    assert cut.dtype == dtype
    np.testing.assert_array_equal(cut, rows)


def test_the_chosen_scaling_is_an_attribute_and_in_the_spec(digits):
    for rows, expected in ((digits.data, "global"), (X, "feature")):
        density = StudentT().build(rows)
        assert density.scaling == density.spec.scaling == expected
