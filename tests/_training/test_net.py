"""Training: what is recorded, when it stops, how it goes on."""

import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Checkpoint, EpochScoring, LRScheduler

from skvae import VAETransformer
from skvae._random import make_generator
from skvae.networks import MLP
from skvae.objectives import ELBO
from tests.helpers import Interruption


@pytest.fixture(scope="module")
def X(digits):
    return digits.data[:300]


def model(**params):
    defaults = {
        "n_components": 3,
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 4,
        "batch_size": 64,
        "random_state": 0,
    }
    return VAETransformer(**defaults | params)


class Spy(Callback):
    """Keeps the learning rate of every step and the record of every batch."""

    def on_train_begin(self, net, **kwargs):
        self.rates, self.losses, self.sizes = [], [], []

    def on_batch_end(self, net, batch=None, training=False, loss=None, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])
            self.losses.append(loss.item())
            self.sizes.append(len(batch[0]))


def test_history_has_one_finite_value_an_epoch(X):
    vae = model(early_stopping=True, max_epochs=3).fit(X)
    parts = ("loss", "reconstruction", "kl")
    expected = {f"{prefix}_{part}" for prefix in ("train", "valid") for part in parts}
    assert set(vae.history_) == expected | {"duration"}
    for values in vae.history_.values():
        assert values.shape == (vae.n_iter_,)
        assert np.isfinite(values).all()
    loss = vae.history_["train_kl"] - vae.history_["train_reconstruction"]
    np.testing.assert_allclose(vae.history_["train_loss"], loss, rtol=1e-5)


def test_epoch_means_are_weighted_by_the_size_of_the_batch(X):
    spy = Spy()
    vae = model(max_epochs=1, callbacks=[spy]).fit(X)
    assert spy.sizes == [64, 64, 64, 64, 44]
    expected = np.average(spy.losses, weights=spy.sizes)
    assert vae.history_["train_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert vae.n_steps_ == 5


def test_training_improves_the_likelihood(X):
    short, long = model(max_epochs=2).fit(X), model(max_epochs=40).fit(X)
    assert long.score(X) > short.score(X) + 10
    assert long.history_["train_loss"][-1] < long.history_["train_loss"][0]


def test_the_learning_rate_runs_through_one_cycle(X):
    spy = Spy()
    model(max_epochs=20, learning_rate=0.01, callbacks=[spy]).fit(X)
    rates = np.array(spy.rates)
    assert len(rates) == 100
    assert rates.mean() == pytest.approx(0.01, rel=0.01)
    assert rates.max() == pytest.approx(0.02, rel=0.01)
    assert rates.argmax() in (24, 25)
    assert rates[-1] < 1e-4


def test_a_users_scheduler_replaces_the_cycle(X):
    spy = Spy()
    step = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.1)
    model(learning_rate=0.01, callbacks=[step, spy]).fit(X)
    np.testing.assert_allclose(spy.rates, np.repeat([0.01, 0.001], 10))


def test_early_stopping_returns_to_the_best_epoch(X):
    vae = model(early_stopping=True, n_iter_no_change=3, max_epochs=300, learning_rate=0.02).fit(X)
    losses = vae.history_["valid_loss"]
    assert vae.n_iter_ < 300
    assert losses.argmin() == vae.n_iter_ - 1 - 3
    # the same fit, ended right there, has the same weights
    at_best = model(
        early_stopping=True,
        n_iter_no_change=300,
        max_epochs=int(losses.argmin()) + 1,
        learning_rate=0.02,
    ).fit(X)
    for name, weights in at_best.module_.state_dict().items():
        torch.testing.assert_close(vae.module_.state_dict()[name], weights, rtol=0, atol=0)


def test_early_stopping_sets_the_fraction_aside(X):
    spy = Spy()
    model(early_stopping=True, validation_fraction=0.25, max_epochs=1, callbacks=[spy]).fit(X)
    assert sum(spy.sizes) == 225


def test_warm_start_goes_on_from_the_weights(X):
    vae = model(max_epochs=3).fit(X)
    first = vae.history_["train_loss"]
    vae.set_params(warm_start=True, max_epochs=5).fit(X)
    assert vae.n_iter_ == 5
    np.testing.assert_array_equal(vae.history_["train_loss"][:3], first)
    assert vae.history_["train_loss"][3] < first[0]


def test_warm_start_with_nothing_left_to_do_says_so(X):
    vae = model(warm_start=True, max_epochs=3).fit(X)
    before = vae.transform(X)
    with pytest.warns(UserWarning, match="3 epochs behind it, and max_epochs=3 asks for no more"):
        vae.fit(X)
    np.testing.assert_array_equal(vae.transform(X), before)


def test_partial_fit_is_one_epoch_at_a_constant_rate(X):
    spy = Spy()
    vae = model(learning_rate=0.005, callbacks=[spy])
    for n_calls in (1, 2, 3):
        vae.partial_fit(X)
        assert vae.n_iter_ == n_calls
        np.testing.assert_array_equal(spy.rates, np.full(5, 0.005))
    assert (np.diff(vae.history_["train_loss"]) < 0).all()


def test_partial_fit_learns_from_chunks(digits):
    chunks = np.array_split(digits.data, 6)
    vae = model(n_components=8)
    for _ in range(10):
        for chunk in chunks:
            vae.partial_fit(chunk)
    whole = model(n_components=8, max_epochs=1).fit(digits.data)
    assert vae.score(digits.data) > whole.score(digits.data) + 10


@pytest.mark.parametrize("event", ["on_batch_begin", "on_grad_computed", "on_batch_end"])
@pytest.mark.parametrize("as_attribute", [False, True])
def test_callback_hears_the_steps_that_it_listens_to(X, event, as_attribute):
    heard = []

    def hear(net, *args, training=False, **kwargs):
        heard.append(training)

    def hear_as_method(self, net, *args, **kwargs):
        hear(net, *args, **kwargs)

    methods = {} if as_attribute else {event: hear_as_method}
    listener = type("Listener", (Callback,), methods)()
    if as_attribute:
        setattr(listener, event, hear)
    vae = model(max_epochs=2, callbacks=[Callback(), listener]).fit(X)
    assert heard == [True] * vae.n_steps_


def test_skorch_callbacks_see_the_net(X, tmp_path):
    def mean_square(net, x, y=None):
        return (net.module_(x) - x).square().mean().item()

    scoring = EpochScoring(mean_square, name="error", on_train=True, use_caching=False)
    checkpoint = Checkpoint(dirname=tmp_path, monitor=None, f_optimizer=None, f_criterion=None)
    vae = model(callbacks=[scoring, ("files", checkpoint)]).fit(X)
    errors = [row["error"] for row in vae.net_.history]
    assert errors[-1] == pytest.approx(np.square(vae.reconstruct(X) - X).mean(), rel=1e-3)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, weights in vae.module_.state_dict().items():
        torch.testing.assert_close(saved[name], weights)


def test_ctrl_c_keeps_the_epochs_done(X):
    vae = model(max_epochs=9, callbacks=[Interruption(epoch=4)])
    with pytest.warns(UserWarning, match="keeps the 3 epochs done.*warm_start=True"):
        vae.fit(X)
    assert vae.n_iter_ == len(vae.history_["train_loss"]) == 3
    assert np.isfinite(vae.score(X))
    vae.set_params(warm_start=True, max_epochs=3)
    with pytest.warns(UserWarning, match="asks for no more"):
        vae.fit(X)


@pytest.mark.parametrize(("hook", "n_done"), [("on_epoch_begin", 2), ("on_epoch_end", 3)])
def test_ctrl_c_between_two_epochs_is_said_too(X, hook, n_done):
    def interrupt(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    callback = type("BetweenEpochs", (Callback,), {hook: interrupt})()
    vae = model(max_epochs=9, callbacks=[callback])
    with pytest.warns(UserWarning, match=f"keeps the {n_done} epochs done"):
        vae.fit(X)
    assert vae.n_iter_ == n_done
    assert np.isfinite(vae.score(X))


def test_ctrl_c_in_the_first_epoch_leaves_it_unfitted(X):
    vae = model(callbacks=[Interruption(epoch=1)])
    with pytest.raises(KeyboardInterrupt):
        vae.fit(X)
    assert not hasattr(vae, "net_")


def test_verbose_shows_loss_reconstruction_and_kl(X, capfd):
    model(verbose=1).fit(X)
    out, err = capfd.readouterr()
    assert out == ""
    assert "20/20" in err
    for part in ("loss=", "reconstruction=", "kl=", "epoch="):
        assert part in err


def test_silence_is_silent(X, capfd):
    model(verbose=0, early_stopping=True, n_iter_no_change=1, max_epochs=50).fit(X)
    assert capfd.readouterr() == ("", "")


def test_warmup_charges_nothing_for_the_kl_at_first(X):
    spied = []

    class Watched(ELBO):
        def __call__(self, module, x, *, epoch=None, generator=None):
            spied.append(epoch)
            return super().__call__(module, x, epoch=epoch, generator=generator)

    vae = model(objective=Watched(warmup=2), early_stopping=True, max_epochs=2).fit(X)
    epochs = [epoch for epoch in spied if epoch is not None]
    np.testing.assert_allclose(epochs, np.arange(10) / 5)  # 270 rows are five batches
    assert spied.count(None) == 2  # validation judges by the finished objective
    first = {part: vae.history_[f"train_{part}"][0] for part in ("loss", "reconstruction", "kl")}
    assert first["loss"] < first["kl"] - first["reconstruction"]


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"),
    [("adam", 1e-2), ("sgd", 1e-4), (torch.optim.RMSprop, 1e-3), (torch.optim.LBFGS, 1e-2)],
)
def test_optimizers_learn(X, optimizer, learning_rate):
    vae = model(optimizer=optimizer, learning_rate=learning_rate, max_epochs=8).fit(X)
    assert vae.history_["train_loss"][-1] < vae.history_["train_loss"][0]


def test_weight_decay_spares_biases_and_noise(X):
    groups = model(weight_decay=0.5).fit(X).net_.optimizer_.param_groups
    decayed = {group["weight_decay"]: len(group["params"]) for group in groups}
    assert decayed[0.5] == 4  # the weights of two layers each way
    free = sum(len(group["params"]) for group in groups if group["weight_decay"] == 0)
    assert free == 5  # their biases and the noise


def test_bfloat16_on_request(X):
    vae = model(precision="bfloat16", max_epochs=20).fit(X)
    exact = model(precision="float32", max_epochs=20).fit(X)
    assert (vae.precision_, exact.precision_) == ("bfloat16", "float32")
    assert next(vae.module_.parameters()).dtype == torch.float32
    assert vae.score(X) == pytest.approx(exact.score(X), abs=2)
    assert np.abs(vae.transform(X) - exact.transform(X)).max() > 0


def test_a_last_step_that_breaks_the_weights_is_not_kept(X):
    class BrokenGradient(ELBO):
        def __call__(self, module, x, **kwargs):
            record = super().__call__(module, x, **kwargs)
            nothing = module.encoder[0].weight.sum() * 0
            return record | {"loss": record["loss"] + nothing.sqrt()}  # its slope is infinite

    vae = model(objective=BrokenGradient(), max_epochs=1, batch_size=300)
    with pytest.raises(FloatingPointError, match="The weights became NaN or infinite at epoch 1"):
        vae.fit(X)
    assert not hasattr(vae, "net_")


def test_early_stopping_after_a_cycle_learns_again(X):
    vae = model(max_epochs=3, learning_rate=0.01).fit(X)
    before = vae.transform(X)
    vae.set_params(warm_start=True, early_stopping=True, max_epochs=5).fit(X)
    assert np.abs(vae.transform(X) - before).max() > 0.01


def test_pickled_with_the_state_of_its_draws(X):
    net = model(max_epochs=1).fit(X).net_
    again = pickle.loads(pickle.dumps(net))
    assert torch.equal(again.noise_generator_.get_state(), net.noise_generator_.get_state())


def test_pickled_on_another_device_it_draws_anew(X):
    """The state of a CUDA generator has 16 bytes, which the one of the processor cannot take."""
    net = model(max_epochs=1).fit(X).net_
    state = net.__getstate__() | {"noise_generator_": torch.zeros(16, dtype=torch.uint8)}
    again = type(net).__new__(type(net))
    again.__setstate__(state)
    fresh = make_generator(net.seed)
    assert torch.equal(again.noise_generator_.get_state(), fresh.get_state())
