"""The importance-weighted bound: its value, its growth with the draws, its two gradients."""

import gc
import weakref

import numpy as np
import pytest
import torch

from skvae.objectives import ELBO, IWAE

GRADIENTS = ["standard", "doubly_reparameterized"]


def bound(evaluate, model, n_samples, seeds):
    """Mean and standard error of the bound over many sets of draws."""
    with torch.no_grad():
        values = [-evaluate(IWAE(n_samples=n_samples), model, seed)["loss"] for seed in seeds]
    return np.mean(values), np.std(values) / np.sqrt(len(values))


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_one_draw_is_the_elbo_at_that_draw(linear, only_density, evaluate, gradient):
    model = linear(2)
    model.prior = only_density(model.prior)
    record = evaluate(IWAE(n_samples=1, gradient=gradient), model)
    for name, value in evaluate(ELBO(), model).items():
        torch.testing.assert_close(record[name], value)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_loss_is_its_formula(linear, evaluate, gradient):
    model = linear(2)
    mean, log_var = model.encode(model.x)
    noise = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(0), dtype=float)
    bounds = []
    for row in range(6):
        z = mean[row] + (0.5 * log_var[row]).exp() * noise[row]
        log_joint = model.log_density(model.x[row], model.decode(z)) + model.log_prior(z)
        weights = (log_joint - model.log_posterior(mean[row], log_var[row], z)).exp()
        bounds.append(weights.mean().log())
    loss = evaluate(IWAE(n_samples=4, gradient=gradient), model)["loss"]
    torch.testing.assert_close(loss, -torch.stack(bounds).mean())


def test_the_record_is_that_of_the_elbo_with_as_many_draws(linear, evaluate):
    model = linear(2)
    iwae, elbo = evaluate(IWAE(n_samples=5), model), evaluate(ELBO(n_samples=5), model)
    assert list(iwae) == list(elbo)
    for name in ("reconstruction", "kl"):
        torch.testing.assert_close(iwae[name], elbo[name])


@pytest.mark.parametrize("n_samples", [1, 7])
def test_under_the_true_posterior_every_draw_gives_the_likelihood(linear, evaluate, n_samples):
    model = linear(1).make_exact()
    loss = evaluate(IWAE(n_samples=n_samples), model)["loss"]
    torch.testing.assert_close(-loss, model.log_likelihood().mean())


def test_the_bound_grows_with_the_draws_and_stays_below_the_likelihood(linear, evaluate):
    model = linear(2).repeated(100)
    exact = model.log_likelihood().mean().item()
    bounds = [bound(evaluate, model, n_samples, range(20)) for n_samples in (1, 2, 4, 16, 64)]
    means, errors = np.transpose(bounds)
    assert (np.diff(means) > 3 * np.hypot(errors[1:], errors[:-1])).all()
    assert means[-1] < exact + 3 * errors[-1]
    assert bound(evaluate, linear(2), 100_000, range(3))[0] == pytest.approx(exact, abs=0.05)


def test_mean_of_many_bounds_of_two_draws_is_the_integral(linear, evaluate):
    """E[log((w_1 + w_2) / 2)] over two independent draws, by quadrature over both."""
    model = linear(1, n_rows=1)
    found, error = bound(evaluate, linear(1, n_rows=1).repeated(1000), 2, range(20))
    with torch.no_grad():
        mean, log_var = model.encode(model.x)
        std = (0.5 * log_var).exp()
        noise = torch.linspace(-8, 8, 801, dtype=float)
        z = (mean + std * noise[:, None])[:, None]  # (n_points, 1, 1)
        log_joint = model.log_density(model.x, model.decode(z)) + model.log_prior(z)
        log_w = (log_joint - model.log_posterior(mean, log_var, z))[:, 0]
        density = torch.exp(-noise.square() / 2) / np.sqrt(2 * np.pi)
        pairs = torch.logaddexp(log_w[:, None], log_w) - np.log(2)
        inner = torch.trapezoid(pairs * density, noise)
        expected = torch.trapezoid(inner * density, noise).item()
    assert abs(found - expected) < 4 * error


def gradients(evaluate, model, objective, seeds):
    """Gradients of the loss in the encoder's and in the other weights, one row per seed."""
    encoder, others = [], []
    for seed in seeds:
        model.zero_grad()
        evaluate(objective, model, seed)["loss"].backward()
        encoder.append(torch.cat([w.grad.flatten() for w in model.encoder()]))
        others.append(torch.cat([model.loadings.grad.flatten(), model.offset.grad]))
    return torch.stack(encoder), torch.stack(others)


def test_both_gradients_have_the_same_expectation(linear, evaluate):
    model = linear(2).repeated(200)
    plain, _ = gradients(evaluate, model, IWAE(n_samples=4), range(50))
    double, _ = gradients(evaluate, model, IWAE(n_samples=4, gradient=GRADIENTS[1]), range(50, 100))
    standard_error = torch.sqrt((plain.var(0) + double.var(0)) / 50)
    assert ((plain.mean(0) - double.mean(0)).abs() < 4 * standard_error).all()
    assert (plain.mean(0).abs() > 10 * standard_error).sum() > 5  # else nothing was compared


def test_the_gradient_of_the_decoder_is_the_same_for_both(linear, evaluate):
    _, plain = gradients(evaluate, linear(2), IWAE(n_samples=4), range(3))
    _, double = gradients(evaluate, linear(2), IWAE(n_samples=4, gradient=GRADIENTS[1]), range(3))
    torch.testing.assert_close(plain, double)


def test_the_doubly_reparameterized_gradient_has_less_variance(linear, evaluate):
    model = linear(2).make_exact()
    plain, _ = gradients(evaluate, model, IWAE(n_samples=16), range(100))
    double, _ = gradients(evaluate, model, IWAE(n_samples=16, gradient=GRADIENTS[1]), range(100))
    assert (double.var(0) < 0.5 * plain.var(0)).all()


def test_only_the_doubly_reparameterized_gradient_is_zero_at_the_true_posterior(linear, evaluate):
    model = linear(1).make_exact()
    plain, _ = gradients(evaluate, model, IWAE(n_samples=8), range(3))
    double, _ = gradients(evaluate, model, IWAE(n_samples=8, gradient=GRADIENTS[1]), range(3))
    assert double.abs().max() < 1e-12
    assert plain.abs().min() > 1e-4


def test_doubly_reparameterized_gradient_is_its_formula(linear, evaluate):
    """Equation 8 of Tucker et al., with derivatives by finite differences."""
    model = linear(1, n_rows=1, n_features=1)
    double, _ = gradients(evaluate, model, IWAE(n_samples=3, gradient=GRADIENTS[1]), range(1))
    noise = torch.randn(1, 3, 1, generator=torch.Generator().manual_seed(0), dtype=float)
    with torch.no_grad():
        mean, log_var = model.encode(model.x)

        def log_weights(shift):
            z = mean + (0.5 * log_var).exp() * noise + shift
            log_joint = model.log_density(model.x, model.decode(z)) + model.log_prior(z)
            return (log_joint - model.log_posterior(mean, log_var, z))[0]

        slopes = (log_weights(1e-6) - log_weights(-1e-6)) / 2e-6
        weights = log_weights(0.0).softmax(0)
        z_slopes = torch.stack([model.x[0, 0] + 0 * noise, 1 + 0 * noise, noise * 0])
        z_slopes[2] = 0.5 * (0.5 * log_var).exp() * noise  # slope, intercept, log variance
        expected = -(weights.square() * slopes * z_slopes[:, 0, :, 0]).sum(1)
    torch.testing.assert_close(double[0], expected, rtol=1e-5, atol=1e-8)


def test_the_gradient_of_a_far_row_is_limited(linear, evaluate):
    far = linear(2, n_rows=1)
    far.x = far.x + 1e6
    plain, _ = gradients(evaluate, far, IWAE(n_samples=8), range(3))
    double, _ = gradients(evaluate, far, IWAE(n_samples=8, gradient=GRADIENTS[1]), range(3))
    largest = 10 * np.sqrt(8) * (1 + far.x.norm())  # the slopes are multiplied by the inputs
    assert 0 < double.norm(dim=1).max() < largest
    assert plain.norm(dim=1).min() > 1000 * largest


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_a_step_leaves_no_graph_behind(linear, gradient):
    kept, model = [], linear(2)
    draw = model.draw_posterior

    def draw_posterior(*args):
        z = draw(*args)
        kept.append(weakref.ref(z))
        return z

    model.draw_posterior = draw_posterior
    for _ in range(3):
        IWAE(gradient=gradient)(model, model.x)["loss"].backward()
    gc.collect()
    assert [one() for one in kept] == [None] * 3
