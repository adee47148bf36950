"""Training: its record, its end, and its continuation."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

import skvae
from skvae._specs import SHORT_NAMES
from skvae.networks import Conv, Network
from tests._training.helpers import Spy, model
from tests.helpers import Interruption


def test_history_has_one_finite_value_per_epoch(X):
    vae = model(early_stopping=True, max_epochs=3).fit(X)
    parts = ("loss", "reconstruction", "kl")
    expected = {f"{prefix}_{part}" for prefix in ("train", "valid") for part in parts}
    assert set(vae.history_) == expected | {"duration"}
    for values in vae.history_.values():
        assert values.shape == (vae.n_iter_,)
        assert np.isfinite(values).all()
    loss = vae.history_["train_kl"] - vae.history_["train_reconstruction"]
    np.testing.assert_allclose(vae.history_["train_loss"], loss, rtol=1e-5)


def test_training_improves_the_likelihood(X):
    short, long = model(max_epochs=2).fit(X), model(max_epochs=40).fit(X)
    assert long.score(X) > short.score(X) + 10
    assert long.history_["train_loss"][-1] < long.history_["train_loss"][0]


def test_early_stopping_returns_to_the_best_epoch(X):
    vae = model(early_stopping=True, n_iter_no_change=3, max_epochs=300, learning_rate=0.02).fit(X)
    losses = vae.history_["valid_loss"]
    assert vae.n_iter_ < 300
    assert losses.argmin() == vae.n_iter_ - 1 - 3
    # the same fit, ended at that epoch, has the same weights
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


def test_early_stopping_after_a_cycle_changes_the_weights(X):
    """The cycle ends at a learning rate of zero, which does not last."""
    vae = model(max_epochs=3, learning_rate=0.01).fit(X)
    before = vae.transform(X)
    vae.set_params(warm_start=True, early_stopping=True, max_epochs=5).fit(X)
    assert np.abs(vae.transform(X) - before).max() > 0.01


def test_warm_start_continues_from_the_weights(X):
    vae = model(max_epochs=3).fit(X)
    first = vae.history_["train_loss"]
    vae.set_params(warm_start=True, max_epochs=5).fit(X)
    assert vae.n_iter_ == 5
    np.testing.assert_array_equal(vae.history_["train_loss"][:3], first)
    assert vae.history_["train_loss"][3] < first[0]


def test_max_epochs_counts_all_epochs_ever(X):
    vae = model(max_epochs=2, warm_start=True).fit(X)
    for max_epochs in (3, 5):
        assert vae.set_params(max_epochs=max_epochs).fit(X).n_iter_ == max_epochs
    assert vae.partial_fit(X).n_iter_ == 6
    assert vae.set_params(max_epochs=7).fit(X).n_iter_ == 7
    assert vae.n_steps_ == 7 * 5
    assert vae.set_params(warm_start=False).fit(X).n_iter_ == 7  # counted from the start again


def test_warm_start_without_remaining_epochs_warns(X):
    vae = model(warm_start=True, max_epochs=3).fit(X)
    before = vae.transform(X)
    with pytest.warns(UserWarning, match="3 epochs behind it, and max_epochs=3 allows no more"):
        vae.fit(X)
    np.testing.assert_array_equal(vae.transform(X), before)


def test_a_failed_warm_start_leaves_the_model_unchanged(X):
    vae = model(max_epochs=2).fit(X)
    before, history = vae.transform(X), vae.history_["train_loss"]
    interruption = Interruption(epoch=4, error=ZeroDivisionError)
    vae.set_params(warm_start=True, max_epochs=5, callbacks=[interruption])
    with pytest.raises(ZeroDivisionError):
        vae.fit(X)
    assert vae.n_iter_ == 2
    np.testing.assert_array_equal(vae.transform(X), before)
    vae.set_params(callbacks=None).fit(X)
    assert vae.n_iter_ == 5
    np.testing.assert_array_equal(vae.history_["train_loss"][:2], history)


def test_partial_fit_is_one_epoch_at_a_constant_rate(X):
    spy = Spy()
    vae = model(learning_rate=0.005, callbacks=[spy])
    for n_calls in (1, 2, 3):
        vae.partial_fit(X)
        assert vae.n_iter_ == n_calls
        np.testing.assert_array_equal(spy.rates, np.full(5, 0.005))
    assert (np.diff(vae.history_["train_loss"]) < 0).all()


def test_partial_fit_learns_from_chunks(digits):
    chunks = np.array_split(digits.data[:600], 3)
    vae = model(n_components=8)
    for _ in range(10):
        for chunk in chunks:
            vae.partial_fit(chunk)
    whole = model(n_components=8, max_epochs=1).fit(digits.data[:600])
    assert vae.score(digits.data) > whole.score(digits.data) + 10


def test_ctrl_c_keeps_the_completed_epochs(X):
    vae = model(max_epochs=9, callbacks=[Interruption(epoch=4)])
    with pytest.warns(UserWarning, match="keeps the 3 epochs done.*warm_start=True"):
        vae.fit(X)
    assert vae.n_iter_ == len(vae.history_["train_loss"]) == 3
    assert np.isfinite(vae.score(X))
    vae.set_params(warm_start=True, max_epochs=3)
    with pytest.warns(UserWarning, match="allows no more"):
        vae.fit(X)


@pytest.mark.parametrize(("hook", "n_done"), [("on_epoch_begin", 2), ("on_epoch_end", 3)])
def test_ctrl_c_between_two_epochs_warns_too(X, hook, n_done):
    def interrupt(self, net, **kwargs):
        if len(net.history) == 3:
            raise KeyboardInterrupt

    callback = type("BetweenEpochs", (Callback,), {hook: interrupt})()
    vae = model(max_epochs=9, callbacks=[callback])
    with pytest.warns(UserWarning, match=f"keeps the {n_done} epochs done"):
        vae.fit(X)
    assert vae.n_iter_ == n_done
    assert np.isfinite(vae.score(X))


def test_ctrl_c_in_the_first_epoch_leaves_the_estimator_unfitted(X):
    vae = model(callbacks=[Interruption(epoch=1)])
    with pytest.raises(KeyboardInterrupt):
        vae.fit(X)
    assert not hasattr(vae, "module_")


class Recorder(Callback):
    """Records a measurement, a whole number and a flag of its own, from the second epoch on."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) > 1:
            for name, value in (("train_error", 0.5), ("n_rows", 3), ("train_error_best", True)):
                net.history.record(name, value)


def test_history_has_the_measurements_that_callbacks_record(X):
    history = model(max_epochs=3, callbacks=[Recorder()]).fit(X).history_
    names = {"train_loss", "train_reconstruction", "train_kl", "train_error", "duration"}
    assert set(history) == names
    np.testing.assert_array_equal(history["train_error"], [np.nan, 0.5, 0.5])


def test_history_is_saved_and_continued(X, tmp_path):
    vae = model(max_epochs=3, callbacks=[Recorder()]).fit(X)
    skvae.save(vae, tmp_path / "vae.skvae")
    loaded = skvae.load(tmp_path / "vae.skvae")
    continued = skvae.load(tmp_path / "vae.skvae").set_params(warm_start=True, max_epochs=4).fit(X)
    assert (loaded.n_iter_, loaded.n_steps_) == (vae.n_iter_, vae.n_steps_) == (3, 15)
    assert (continued.n_iter_, continued.n_steps_) == (4, 20)
    for name, values in vae.history_.items():
        np.testing.assert_array_equal(loaded.history_[name], values)
        np.testing.assert_array_equal(continued.history_[name][:3], values)


class Normalised(Network):
    """A user's own network, whose batch normalisation takes rows alone, and two to train."""

    def build_encoder(self, n_features, n_outputs):
        return self._build(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return self._build(n_components, n_outputs)

    def _build(self, n_inputs, n_outputs):
        layers = nn.Linear(n_inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, n_outputs)
        return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"early_stopping": True},
        {"objective": "iwae"},
        {"prior": "vamp"},
        {"precision": "bfloat16"},
        {"anomaly_score": "likelihood_regret"},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_rows", [9, 10])
def test_a_network_with_batch_normalisation_trains_and_scores(changes, n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    cls = skvae.VAEAnomalyDetector if "anomaly_score" in changes else skvae.VAETransformer
    settings = {"max_epochs": 2, "batch_size": 4, "random_state": 0} | changes
    vae = cls(2, network=Normalised(), **settings).fit(X)
    scores = vae.score_samples(X)
    np.testing.assert_allclose(vae.score_samples(X[:1]), scores[:1])
    assert vae.sample(5).shape == (5, 3)
    assert vae.partial_fit(X).n_iter_ == 3


def test_a_single_row_cannot_train_batch_normalisation():
    X = np.random.default_rng(0).normal(size=(8, 3))
    vae = model(network=Normalised(), max_epochs=1).fit(X)
    before = vae.transform(X)
    message = "network has batch normalisation, .* one row. Pass two rows or more to 'partial_fit'"
    with pytest.raises(ValueError, match=message):
        vae.partial_fit(X[:1])
    np.testing.assert_array_equal(vae.transform(X), before)
    for changes in ({"batch_size": 1}, {"early_stopping": True, "validation_fraction": 0.9}):
        with pytest.raises(ValueError, match=message):
            model(network=Normalised(), max_epochs=1, **changes).fit(X)


class NormalisedImages(Conv):
    """Batch normalisation of the pixels of each channel, of which one row has many."""

    def build_encoder(self, n_features, n_outputs):
        layers = nn.Unflatten(-1, (1, 4, 4)), nn.BatchNorm2d(1), nn.Flatten()
        return nn.Sequential(*layers, super().build_encoder(n_features, n_outputs))


@pytest.mark.parametrize("network", [*SHORT_NAMES["network"], NormalisedImages()], ids=str)
def test_networks_without_such_layers_train_on_a_single_row(network):
    X = np.random.default_rng(0).normal(size=(8, 16))
    vae = model(network=network, max_epochs=1).fit(X)
    before = vae.transform(X)
    assert vae.partial_fit(X[:1]).n_iter_ == 2
    assert not np.array_equal(vae.transform(X), before)


class Refusing(Normalised):
    def build_encoder(self, n_features, n_outputs):
        return nn.Sequential(RefusesThreeRows(), super().build_encoder(n_features, n_outputs))


class RefusesThreeRows(nn.Module):
    def forward(self, x):
        if self.training and len(x) == 3:
            raise ValueError("three rows")
        return x


def test_other_errors_of_such_a_network_are_raised_unchanged():
    X = np.random.default_rng(0).normal(size=(3, 3))
    with pytest.raises(ValueError, match="^three rows$"):
        model(network=Refusing(), max_epochs=1).fit(X)
