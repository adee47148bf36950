"""Tests of all objectives: record, gradient, reproducible draws, and use in an estimator."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skvae
from skvae import VAETransformer
from skvae._specs import SHORT_NAMES
from skvae.networks import MLP
from skvae.objectives import ELBO, IWAE, BetaTCVAE, InfoVAE
from skvae.priors import StandardNormal

OBJECTIVES = [
    ELBO(beta=2, free_bits=0.01, warmup=3, n_samples=2),
    IWAE(n_samples=3),
    IWAE(n_samples=3, gradient="doubly_reparameterized"),
    BetaTCVAE(),
    InfoVAE(alpha=0.5),
    InfoVAE(kernel="inverse_multiquadric"),
]
ONCE = OBJECTIVES[2:4]  # objectives for tests of the machinery that all of them share
every_objective = pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)


def small(objective, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 2,
        "random_state": 0,
        "objective": objective,
    }
    return VAETransformer(2, **(settings | changes))


def test_every_short_name_is_tested():
    assert {type(objective) for objective in OBJECTIVES} == set(SHORT_NAMES["objective"].values())


@every_objective
def test_the_record_holds_scalars_with_the_values_of_the_elbo(linear, evaluate, objective):
    model, n_samples = linear(2), getattr(objective, "n_samples", 1)
    record = evaluate(objective, model)
    assert {(value.shape, value.dtype) for value in record.values()} == {((), torch.float64)}
    elbo = evaluate(ELBO(n_samples=n_samples), model)
    for name in ("reconstruction", "kl"):
        torch.testing.assert_close(record[name], elbo[name])


@every_objective
def test_the_kl_is_unbiased_without_a_closed_form(linear, only_density, evaluate, objective):
    model = linear(2)
    exact = evaluate(objective, model)["kl"].item()
    model.prior = only_density(model.prior)
    with torch.no_grad():
        kl = [evaluate(objective, model, seed)["kl"].item() for seed in range(300)]
    assert abs(np.mean(kl) - exact) < 4 * np.std(kl) / np.sqrt(len(kl))


@pytest.mark.parametrize("objective", [IWAE(n_samples=3), BetaTCVAE()], ids=repr)
def test_the_prior_is_evaluated_once(linear, only_density, evaluate, objective):
    model, calls = linear(2), []
    model.prior = only_density(model.prior)
    density = model.prior.log_prob
    model.prior.log_prob = lambda z: calls.append(z) or density(z)
    evaluate(objective, model)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "objective",
    [one for one in OBJECTIVES if getattr(one, "gradient", "standard") == "standard"],
    ids=repr,
)
def test_gradient_agrees_with_finite_differences_along_random_directions(
    linear, evaluate, objective
):
    model = linear(2)
    evaluate(objective, model, epoch=1.5)["loss"].backward()
    weights = list(model.parameters())
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        steps = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]
        expected = sum((w.grad * step).sum() for w, step in zip(weights, steps, strict=True))
        losses = []
        for size in (1e-6, -2e-6, 1e-6):
            with torch.no_grad():
                for w, step in zip(weights, steps, strict=True):
                    w.add_(size * step)
                losses.append(evaluate(objective, model, epoch=1.5)["loss"].item())
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(expected.item(), rel=1e-5)


@every_objective
def test_draws_are_a_function_of_the_generator(linear, evaluate, objective):
    model = linear(2)
    first, again, other = (evaluate(objective, model, seed)["loss"] for seed in (0, 0, 1))
    assert first == again != other
    assert objective(model, model.x)["loss"].isfinite()  # without one, torch's own decides


@every_objective
@pytest.mark.parametrize("prior", [StandardNormal(), "mixture"], ids=["normal", "mixture"])
def test_training_is_repeatable_and_the_model_can_be_saved(digits, tmp_path, objective, prior):
    X = digits.data[:130]  # 117 rows to train on: the last batch is smaller
    model = small(objective, early_stopping=True, prior=prior).fit(X)
    history = model.history_
    assert all(np.isfinite(values).all() for values in history.values())
    assert {"valid_loss", "train_reconstruction", "train_kl"} <= set(history)
    expected = model.score_samples(X)
    assert np.array_equal(clone(model).fit(X).score_samples(X), expected)
    skvae.save(model, tmp_path / "model.skvae")
    loaded = skvae.load(tmp_path / "model.skvae")
    assert repr(loaded.objective) == repr(objective)
    assert np.array_equal(loaded.score_samples(X), expected)


@pytest.mark.parametrize(
    "objective",
    [pytest.param(one, marks=() if one in ONCE else pytest.mark.slow) for one in OBJECTIVES],
    ids=repr,
)
def test_bfloat16_training_loss_is_near_float32(digits, objective):
    X = digits.data[:200].astype(np.float32)
    full, half = (
        small(objective, precision=precision, max_epochs=20).fit(X).history_["train_loss"]
        for precision in ("float32", "bfloat16")
    )
    assert full[-1] < full[0]
    assert half[-1] == pytest.approx(full[-1], abs=0.1 * (full[0] - full[-1]))


@pytest.mark.parametrize(
    "objective",
    [
        ELBO(n_samples=0),
        IWAE(n_samples=0),
        IWAE(gradient="triple"),
        BetaTCVAE(alpha=-1),
        BetaTCVAE(beta=-1),
        BetaTCVAE(gamma=-1),
        InfoVAE(alpha=1.1),
        InfoVAE(scale=-1),
        InfoVAE(kernel="linear"),
        InfoVAE(bandwidth=0),
    ],
    ids=repr,
)
def test_parameters_out_of_range_raise(digits, objective):
    with pytest.raises(ValueError, match=f"parameter of {type(objective).__name__} must be"):
        small(objective).fit(digits.data[:50])
