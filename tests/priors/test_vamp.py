"""The VampPrior against the mixture of the encoder's posteriors, computed by hand."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp
from sklearn.datasets import load_iris

from skvae import VAETransformer
from skvae._model.module import build_module
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.priors import VampPrior

X, _ = load_iris(return_X_y=True)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return build_module(
        MLP(hidden_layer_sizes=(8,)), Gaussian(), VampPrior(n_pseudo_inputs=6), X, n_components=2
    ).double()


def posteriors_of_the_pseudo_inputs(module):
    """Mean and standard deviation of q(z|u_k), (k, n_components), by the present encoder."""
    with torch.no_grad():
        mean, log_var = module.encoder(module.prior.pseudo_inputs).chunk(2, -1)
    return mean.numpy(), np.exp(0.5 * log_var.numpy())


def test_log_prob_is_that_of_the_mixture_of_posteriors(module):
    mean, std = posteriors_of_the_pseudo_inputs(module)
    z = np.random.default_rng(0).normal(size=(5, 4, 2))
    parts = stats.norm(mean, std).logpdf(z[..., None, :]).sum(-1)  # (5, 4, k)
    log_prob = module.log_prior(torch.from_numpy(z)).detach()
    np.testing.assert_allclose(log_prob, logsumexp(parts, axis=-1) - np.log(6), rtol=1e-6)


@pytest.mark.parametrize("n_components", [1, 2])
def test_density_integrates_to_one(n_components):
    torch.manual_seed(0)
    module = build_module(
        MLP(hidden_layer_sizes=(8,)), Gaussian(), VampPrior(n_pseudo_inputs=6), X, n_components
    ).double()
    axis = torch.linspace(-12, 12, 801, dtype=torch.float64)
    z = torch.cartesian_prod(*[axis] * n_components).reshape(-1, n_components)
    total = module.log_prior(z).exp().sum().item() * (axis[1] - axis[0]).item() ** n_components
    assert total == pytest.approx(1, rel=1e-5)


def test_draws_have_the_moments_of_the_density(module):
    mean, std = posteriors_of_the_pseudo_inputs(module)
    n = 50_000
    with torch.no_grad():
        draws = module.sample_prior(n, torch.Generator().manual_seed(0)).numpy()
    var = (std**2).mean(0) + mean.var(0)
    assert np.all(np.abs(draws.mean(0) - mean.mean(0)) < 5 * np.sqrt(var / n))
    squares = (draws - mean.mean(0)) ** 2
    assert np.all(np.abs(squares.mean(0) - var) < 5 * squares.std(0) / np.sqrt(n))


def test_pseudo_inputs_start_from_training_rows():
    torch.manual_seed(0)
    module = build_module(
        MLP(hidden_layer_sizes=(8,)), Gaussian(), VampPrior(n_pseudo_inputs=50), X, n_components=2
    )
    rows = module.likelihood.standardize(torch.from_numpy(X)).float()
    distances = torch.cdist(module.prior.pseudo_inputs.detach(), rows)
    assert (distances.min(1).values < 0.06).all()
    assert len(distances.argmin(1).unique()) > 25


def test_pseudo_inputs_are_distinct():
    # there are more of them than rows
    torch.manual_seed(0)
    module = build_module(
        MLP(hidden_layer_sizes=(8,)), Gaussian(), VampPrior(n_pseudo_inputs=500), X, n_components=2
    )
    assert len(module.prior.pseudo_inputs.unique(dim=0)) == 500


def test_pseudo_inputs_and_encoder_have_gradients(module):
    module.log_prior(torch.randn(10, 2, dtype=torch.float64)).sum().backward()
    for weights in (module.prior.pseudo_inputs, *module.encoder.parameters()):
        assert weights.grad.abs().sum() > 0


def calls_of_the_encoder(module, read):
    sizes = []
    with module.encoder.register_forward_hook(lambda *args: sizes.append(len(args[1][0]))):
        read()
    return sizes


def test_pseudo_inputs_are_encoded_once_when_training_ends():
    rows = X.astype(np.float32)
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        prior=VampPrior(n_pseudo_inputs=7),
        max_epochs=1,
        random_state=0,
    )
    module = vae.fit(rows).module_
    for _ in range(2):
        assert calls_of_the_encoder(module, lambda: vae.score_samples(rows)) == [150]
    assert calls_of_the_encoder(module, lambda: vae.transform(rows)) == [150]
    assert calls_of_the_encoder(module, module.eval) == [7]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_eval_updates_the_density_after_a_change_of_weights(dtype):
    rows = X.astype(dtype)
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        prior=VampPrior(n_pseudo_inputs=7),
        max_epochs=1,
        random_state=0,
    )
    module = vae.fit(rows).module_
    prior = module.prior
    before = vae.score_samples(rows)
    with torch.no_grad():
        prior.pseudo_inputs.add_(3.0)
    module.eval()
    moved = vae.score_samples(rows)
    assert np.abs(moved - before).max() > 0.1
    with torch.no_grad():
        prior.pseudo_inputs.sub_(3.0)
    module.eval()
    np.testing.assert_allclose(vae.score_samples(rows), before, rtol=1e-4)


def test_concurrent_calls_do_not_mix_two_models():
    """Two models with the same start are scored in turn; each call returns its own scores."""
    settings = {
        "network": MLP(hidden_layer_sizes=(8,)),
        "prior": VampPrior(n_pseudo_inputs=7),
        "random_state": 0,
    }
    models = [VAETransformer(2, max_epochs=n, **settings).fit(X) for n in (1, 2)]
    expected = [vae.score_samples(X) for vae in models]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda number: models[number % 2].score_samples(X), range(160)))
    for number, scores in enumerate(found):
        np.testing.assert_array_equal(scores, expected[number % 2])


def test_in_evaluation_the_density_has_a_gradient_in_z_only(module):
    module.eval()
    z = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    module.log_prior(z).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in module.parameters())


def test_the_posteriors_change_device_with_the_module(module):
    prior = module.eval().to("meta").prior
    assert prior.mean.is_meta
    assert prior.log_var.is_meta


def test_training_changes_the_pseudo_inputs():
    settings = {
        "network": MLP(hidden_layer_sizes=(8,)),
        "prior": VampPrior(n_pseudo_inputs=5),
        "max_epochs": 3,
        "random_state": 0,
    }
    trained = VAETransformer(2, **settings).fit(X).module_.prior.pseudo_inputs
    start = VAETransformer(2, **settings, learning_rate=1e-12).fit(X).module_.prior.pseudo_inputs
    assert trained.shape == (5, 4)
    assert (trained - start).abs().max() > 1e-3


@pytest.mark.parametrize("n_pseudo_inputs", [0, -1, 1.5, None])
def test_invalid_numbers_of_pseudo_inputs_raise(n_pseudo_inputs):
    with pytest.raises(ValueError, match="'n_pseudo_inputs' parameter of VampPrior"):
        VampPrior(n_pseudo_inputs=n_pseudo_inputs).build(2, lambda n_rows: torch.zeros(n_rows, 3))
