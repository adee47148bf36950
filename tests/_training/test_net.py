"""The net: a step, an epoch's record, and the state of a run."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skvae import VAETransformer
from skvae._random import make_generator
from skvae._training.net import LARGEST_GRADIENT
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO, Objective
from tests._training.helpers import Spy, model


class Keeper(Callback):
    """Keeps the net, which is not public in a fitted estimator."""

    def on_train_begin(self, net, **kwargs):
        self.net_ = net


def trained_net(X, **params):
    keeper = Keeper()
    model(**{"max_epochs": 1, "callbacks": [keeper]} | params).fit(X)
    return keeper.net_


def test_epoch_means_are_weighted_by_the_size_of_the_batch(X):
    spy = Spy()
    vae = model(max_epochs=1, callbacks=[spy]).fit(X)
    assert spy.sizes == [64, 64, 64, 64, 44]
    expected = np.average(spy.losses, weights=spy.sizes)
    assert vae.history_["train_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert vae.n_steps_ == 5


def test_objectives_receive_the_epoch_in_fractions(X):
    epochs_seen = []

    class Watched(ELBO):
        def __call__(self, module, x, *, epoch=None, generator=None):
            epochs_seen.append(epoch)
            return super().__call__(module, x, epoch=epoch, generator=generator)

    vae = model(objective=Watched(warmup=2), early_stopping=True, max_epochs=2).fit(X)
    epochs = [epoch for epoch in epochs_seen if epoch is not None]
    np.testing.assert_allclose(epochs, np.arange(10) / 5)  # 270 rows are five batches
    assert epochs_seen.count(None) == 2  # validation evaluates the finished objective
    first = {part: vae.history_[f"train_{part}"][0] for part in ("loss", "reconstruction", "kl")}
    assert first["loss"] < first["kl"] - first["reconstruction"]


@pytest.mark.parametrize("record", [torch.zeros(()), {"reconstruction": torch.zeros(())}])
def test_an_objective_without_a_loss_raises(X, record):
    class Lossless(Objective):
        def __call__(self, module, x, *, epoch=None, generator=None):
            return record

    vae = model(objective=Lossless())
    with pytest.raises(
        TypeError, match="must return a dict of scalar tensors that includes 'loss'"
    ):
        vae.fit(X)
    assert not hasattr(vae, "module_")


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "max_epochs"),
    [
        ("adam", 1e-2, 8),
        ("sgd", 1e-4, 8),
        (torch.optim.RMSprop, 1e-3, 8),
        (torch.optim.LBFGS, 1e-2, 3),  # up to 25 evaluations per step
    ],
)
def test_optimizers_lower_the_loss(X, optimizer, learning_rate, max_epochs):
    # a fixed weight decay, as with "auto" these few rows would be joined by pseudo-rows, which make
    # the loss that LBFGS minimises line by line another one at every evaluation
    settings = {"learning_rate": learning_rate, "max_epochs": max_epochs, "weight_decay": 0.0}
    vae = model(optimizer=optimizer, **settings).fit(X)
    assert vae.history_["train_loss"][-1] < vae.history_["train_loss"][0]


def test_weight_decay_excepts_biases_and_noise(X):
    groups = trained_net(X, weight_decay=0.5).optimizer_.param_groups
    decayed = {group["weight_decay"]: len(group["params"]) for group in groups}
    assert decayed[0.5] == 4  # the weights of two layers each in encoder and decoder
    free = sum(len(group["params"]) for group in groups if group["weight_decay"] == 0)
    assert free == 5  # their biases and the noise


def test_training_in_bfloat16_ends_near_float32(X):
    vae = model(precision="bfloat16", max_epochs=20).fit(X)
    exact = model(precision="float32", max_epochs=20).fit(X)
    assert (vae.precision_, exact.precision_) == ("bfloat16", "float32")
    assert next(vae.module_.parameters()).dtype == torch.float32
    assert vae.score(X) == pytest.approx(exact.score(X), abs=2)
    assert np.abs(vae.transform(X) - exact.transform(X)).max() > 0


def test_a_last_step_that_breaks_the_weights_raises(X):
    class BrokenGradient(ELBO):
        def __call__(self, module, x, **kwargs):
            record = super().__call__(module, x, **kwargs)
            nothing = module.encoder[0].weight.sum() * 0
            return record | {"loss": record["loss"] + nothing.sqrt()}  # its gradient is infinite

    vae = model(objective=BrokenGradient(), max_epochs=1, batch_size=300)
    with pytest.raises(FloatingPointError, match="The weights became NaN or infinite at epoch 1"):
        vae.fit(X)
    assert not hasattr(vae, "module_")


class LargestNorm(Callback):
    """Keeps the largest norm of the gradients of a step."""

    def on_train_begin(self, net, **kwargs):
        self.found_ = 0.0

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [weights.grad.flatten() for _, weights in named_parameters]
        self.found_ = max(self.found_, torch.cat(gradients).norm().item())


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.Adagrad])
def test_no_gradient_in_a_fit_exceeds_the_limit(digits, optimizer):
    """Noise fixed at a millionth of the range gives gradients above 1e12 otherwise."""
    largest = LargestNorm()
    VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=Gaussian(noise=1e-5),
        max_epochs=2,
        optimizer=optimizer,
        callbacks=[largest],
        random_state=0,
    ).fit(digits.data[:200])
    assert largest.found_ == pytest.approx(LARGEST_GRADIENT, rel=1e-5)


def test_a_pickle_keeps_the_state_of_the_draws(X):
    net = trained_net(X)
    again = pickle.loads(pickle.dumps(net))
    fresh = make_generator(net.settings.seed)
    assert torch.equal(again.noise_generator_.get_state(), net.noise_generator_.get_state())
    assert not torch.equal(net.noise_generator_.get_state(), fresh.get_state())


def test_a_pickle_from_another_device_draws_anew(X):
    """The state of a CUDA generator has 16 bytes, which that of a processor does not accept."""
    net = trained_net(X)
    state = net.__getstate__() | {"noise_generator_": torch.zeros(16, dtype=torch.uint8)}
    again = type(net).__new__(type(net))
    again.__setstate__(state)
    fresh = make_generator(net.settings.seed)
    assert torch.equal(again.noise_generator_.get_state(), fresh.get_state())
