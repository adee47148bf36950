"""Callbacks: the learning-rate cycle, the progress, and those of users."""

import copy
import io
import pickle
import re
import sys

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, LRScheduler

from skvae import VAEAnomalyDetector
from skvae._training import callbacks
from skvae._training.callbacks import FitCallback, Start
from skvae._validation import InvalidParameterError
from tests._training.helpers import Spy, model


def test_the_learning_rate_follows_one_cycle(X):
    spy = Spy()
    model(max_epochs=20, learning_rate=0.01, callbacks=[spy]).fit(X)
    rates = np.array(spy.rates)
    assert len(rates) == 100
    assert rates.mean() == pytest.approx(0.01, rel=0.01)
    assert rates.max() == pytest.approx(0.02, rel=0.01)
    assert rates.argmax() in (24, 25)
    assert rates[-1] < 1e-4


def test_a_continued_fit_runs_a_cycle_over_the_remaining_epochs(X):
    spy = Spy()
    vae = model(max_epochs=2, learning_rate=0.01, callbacks=[spy]).fit(X)
    vae.set_params(warm_start=True, max_epochs=12).fit(X)
    rates = np.array(spy.rates)
    assert len(rates) == 50
    assert rates.mean() == pytest.approx(0.01, rel=0.01)
    assert rates.argmax() in (11, 12)
    assert rates[0] < 1e-3
    assert rates[-1] < 1e-4


def test_a_users_scheduler_replaces_the_cycle(X):
    spy = Spy()
    step = LRScheduler(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=0.1)
    model(learning_rate=0.01, callbacks=[step, spy]).fit(X)
    np.testing.assert_allclose(spy.rates, np.repeat([0.01, 0.001], 10))


@pytest.mark.parametrize("event", ["on_batch_begin", "on_grad_computed", "on_batch_end"])
def test_callbacks_are_notified_of_every_step(X, event):
    notified = []

    def note(self, net, *args, training=False, **kwargs):
        notified.append(training)

    callback = type("Noting", (Callback,), {event: note})()
    vae = model(max_epochs=2, callbacks=[Callback(), callback]).fit(X)
    assert notified == [True] * vae.n_steps_


def test_skorch_callbacks_can_score_and_save(X, tmp_path):
    def mean_square(net, x, y=None):
        return (net.module_(x) - x).square().mean().item()

    errors = []

    class Reader(Callback):
        def on_epoch_end(self, net, **kwargs):
            errors.append(net.history[-1, "error"])

    scoring = EpochScoring(mean_square, name="error", on_train=True, use_caching=False)
    files = Checkpoint(dirname=tmp_path, monitor=None, f_optimizer=None, f_criterion=None)
    vae = model(callbacks=[scoring, ("files", files), Reader]).fit(X)
    assert len(errors) == 4
    assert errors[-1] == pytest.approx(np.square(vae.reconstruct(X) - X).mean(), rel=1e-3)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, weights in vae.module_.state_dict().items():
        torch.testing.assert_close(saved[name], weights)


@pytest.mark.parametrize("wrong", [None, "callback", print, ("name", 3), torch.nn.Module()])
def test_other_objects_among_the_callbacks_raise(X, wrong):
    vae = model(callbacks=[Callback(), wrong])
    with pytest.raises(InvalidParameterError, match="'callbacks' parameter must be a list of"):
        vae.fit(X)
    assert not hasattr(vae, "module_")


class Unpicklable(Callback):
    """Can be neither pickled nor copied."""

    def __init__(self):
        self.function = lambda: None

    def __deepcopy__(self, memo):
        raise TypeError("it cannot be copied")


def test_a_trained_model_keeps_no_callbacks(X):
    vae = model(callbacks=[Unpicklable()], max_epochs=2, warm_start=True).fit(X)
    with pytest.warns(UserWarning, match="No training was done"):
        vae.fit(X)
    vae.set_params(callbacks=None)
    expected = vae.transform(X)
    for twin in (copy.deepcopy(vae), pickle.loads(pickle.dumps(vae))):
        np.testing.assert_array_equal(twin.transform(X), expected)
        assert twin.set_params(max_epochs=3).fit(X).n_iter_ == 3


class Observer(FitCallback):
    """Keeps the arguments of its calls."""

    def __init__(self, start=None):
        self.start = start
        self.calls = []

    def on_fit_begin(self, estimator, X, start):
        self.calls.append(("fit", type(estimator).__name__, X.shape, start))
        return self.start or start

    def on_train_begin(self, net, **kwargs):
        self.calls.append(("train", len(net.callbacks_of(EarlyStopping))))

    def on_train_end(self, net, **kwargs):
        self.calls.append(("end", len(net.history)))


def test_a_fit_callback_is_called_before_the_fit_with_the_estimator(X):
    observer = Observer()
    vae = model(callbacks=[observer], max_epochs=2, random_state=3).fit(X)
    fit, train, end = observer.calls
    assert fit[:3] == ("fit", "VAETransformer", (300, 64))
    assert fit[3].epochs_before == 0
    assert train == ("train", 0)
    assert end == ("end", 2)
    vae.set_params(warm_start=True, max_epochs=3).fit(X)
    assert observer.calls[3][3].epochs_before == 2
    vae.partial_fit(X)  # one pass, which has no start to choose
    assert [call[0] for call in observer.calls].count("fit") == 2


def test_the_default_of_a_fit_callback_changes_nothing(X):
    plain, observed = model().fit(X), model(callbacks=[FitCallback()]).fit(X)
    np.testing.assert_array_equal(observed.transform(X), plain.transform(X))


def test_a_fit_callback_decides_the_seed(X):
    seeds = Observer(), Observer()
    for callback, random_state in zip(seeds, (0, 1), strict=True):
        model(callbacks=[callback], random_state=random_state, max_epochs=1).fit(X)
    seed = seeds[1].calls[0][3].seed
    assert seed != seeds[0].calls[0][3].seed
    given = model(callbacks=[Observer(Start(seed, 0))], random_state=0).fit(X)
    np.testing.assert_array_equal(given.transform(X), model(random_state=1).fit(X).transform(X))


def test_a_fit_callback_is_called_after_early_stopping(X):
    misses = []

    class Reader(FitCallback):
        def on_epoch_end(self, net, **kwargs):
            (stopping,) = net.callbacks_of(EarlyStopping)
            misses.append((len(net.history), stopping.best_epoch_))

    vae = model(early_stopping=True, max_epochs=3, callbacks=[Reader()]).fit(X)
    best = [int(vae.history_["valid_loss"][: n + 1].argmin()) + 1 for n in range(3)]
    assert misses == list(zip([1, 2, 3], best, strict=True))


def test_a_fit_callback_of_a_detector_sees_the_training_rows_alone(X):
    observer = Observer()
    VAEAnomalyDetector(
        2, max_epochs=1, calibration_fraction=0.2, callbacks=[observer], random_state=0
    ).fit(X)
    assert observer.calls[0][1:3] == ("VAEAnomalyDetector", (240, 64))


EPOCH = re.compile(r"epoch +(\d+)/(\d+)  loss \S+  KL \S+(  valid \S+)?  \d+:\d\d")


def test_a_log_has_a_line_for_every_epoch_of_a_short_fit(X, capfd):
    vae = model(verbose=1, early_stopping=True).fit(X)
    out, err = capfd.readouterr()
    lines = [EPOCH.fullmatch(line) for line in err.splitlines()]
    assert out == ""
    assert [line[1] for line in lines] == ["1", "2", "3", "4"]
    assert f"loss {vae.history_['train_loss'][1]:.4g}  KL" in lines[1][0]
    assert f"valid {vae.history_['valid_loss'][1]:.4g}  0:" in lines[1][0]


def test_a_log_of_a_long_fit_is_short_and_has_its_last_epoch(X, capfd):
    patience = {"early_stopping": True, "n_iter_no_change": 3, "learning_rate": 0.3}
    vae = model(verbose=1, max_epochs=110, **patience).fit(X[:40])
    epochs = [int(EPOCH.fullmatch(line)[1]) for line in capfd.readouterr().err.splitlines()]
    assert vae.n_iter_ < 110
    assert epochs == [*range(5, vae.n_iter_, 5), vae.n_iter_]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_line_of_at_most_80_columns(X, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(callbacks, "_REFRESH", 0)
    model(verbose=1, early_stopping=True, max_epochs=3).fit(1e12 * X)
    text = sys.stderr.getvalue()
    assert text.count("\n") == 1
    *updates, last = (update.rstrip() for update in text.split("\r"))
    assert EPOCH.fullmatch(last)[1] == "3"
    assert max(map(len, (*updates, last))) <= 80
    assert any("100%" in update for update in updates)


def test_a_notebook_keeps_one_line_in_its_output(X, monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", stream)
    model(verbose=1).fit(X)
    assert stream.getvalue().count("\n") == 1


def test_without_verbose_nothing_is_printed(X, capfd):
    model(verbose=0, early_stopping=True, n_iter_no_change=1, max_epochs=20).fit(X)
    assert capfd.readouterr() == ("", "")


MONITORS = {
    "early stopping": EarlyStopping(patience=1),
    "its class": EarlyStopping,
    "a named one": ("stop", EarlyStopping(monitor="valid_kl", patience=1)),
    "the best model": EarlyStopping(patience=1, load_best=True),
    "a schedule": LRScheduler(policy="ReduceLROnPlateau", monitor="valid_loss"),
    "files": Checkpoint(monitor="valid_loss_best"),
}


@pytest.mark.parametrize("name", MONITORS)
def test_monitoring_validation_needs_rows_for_it(X, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = Observer()
    vae = model(callbacks=[MONITORS[name], trained])
    monitored = "'valid_kl'" if name == "a named one" else "'valid_loss"
    message = f"monitors {monitored}.*Set early_stopping=True.*or monitor='train_"
    for fit in (vae.fit, vae.partial_fit):
        with pytest.raises(ValueError, match=message):
            fit(X)
    assert "train" not in {call[0] for call in trained.calls}
    assert not hasattr(vae, "module_")
    vae.set_params(early_stopping=True).fit(X)
    assert np.isfinite(vae.history_["valid_loss"]).all()
    with pytest.raises(ValueError, match="which sets some aside in fit, or"):
        vae.partial_fit(X)


@pytest.mark.parametrize("prefix", ["train", "valid"])
def test_the_history_marks_epochs_with_the_best_loss_so_far(X, prefix):
    vae = model(early_stopping=True, max_epochs=6, learning_rate=0.3).fit(X)
    losses = vae.history_[f"{prefix}_loss"]
    marks = [row[f"{prefix}_loss_best"] for row in vae._net.history]
    assert marks == (losses == np.minimum.accumulate(losses)).tolist()


def test_callbacks_that_monitor_training_need_no_validation(X, tmp_path):
    files = Checkpoint(dirname=tmp_path, monitor="train_loss_best")
    vae = model(callbacks=[EarlyStopping(monitor="train_loss"), files]).fit(X)
    assert vae.n_iter_ == 4
    assert (tmp_path / "params.pt").exists()
