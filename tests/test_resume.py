"""A fit resumed from a checkpoint ends with the same bits as one that was never interrupted."""

import copy
import itertools
import os
import re

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import EarlyStopping, LRScheduler
from torch.optim import lr_scheduler

from skvae import Autosave, VAEAnomalyDetector, VAETransformer, load, save
from skvae._files import values
from skvae._files.model_file import read_file, write_file
from skvae._validation import InvalidParameterError
from skvae.networks import MLP
from skvae.objectives import ELBO
from skvae.priors import ExPostMixture, VampPrior
from tests.helpers import Interruption, quick_parameters


class PowerCut(BaseException):
    """Ends a fit as no handler expects, like a power cut."""


@pytest.fixture(scope="module")
def rows(digits):
    return digits.data[:300].astype(np.float32)


def quick(estimator_class=VAETransformer, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,), dropout=0.2),
        "max_epochs": 6,
        "random_state": 0,
        **quick_parameters(estimator_class),
    }
    return estimator_class(4, **{**settings, **changes})


def interrupt(estimator, rows, epoch=5):
    """Fit an estimator whose training ends within an epoch."""
    callbacks = [*estimator.callbacks, Interruption(epoch, PowerCut)]
    with pytest.raises(PowerCut):
        estimator.set_params(callbacks=callbacks).fit(rows)


def assert_same_model(found, expected, rows):
    theirs = expected.module_.state_dict()
    for name, weights in found.module_.state_dict().items():
        assert_array_equal(weights.numpy(), theirs[name].numpy(), err_msg=name)
    assert_array_equal(found.score_samples(rows), expected.score_samples(rows))
    assert found.n_iter_ == expected.n_iter_
    for name in found.history_.keys() - {"duration"}:
        assert_array_equal(found.history_[name], expected.history_[name])


CONFIGURATIONS = {
    "default": {},
    "early stopping": {
        "early_stopping": True,
        "max_epochs": 12,
        "n_iter_no_change": 2,
        "learning_rate": 0.02,
    },
    "sgd": {"optimizer": "sgd", "learning_rate": 1e-4},
    "bfloat16": {"precision": "bfloat16"},
    "warm-up": {"objective": ELBO(warmup=4)},
    "heavy tails": {"likelihood": "student_t"},
    "ex-post prior": {"prior": ExPostMixture(n_mixtures=2)},
    "VampPrior": {"prior": VampPrior(n_pseudo_inputs=5)},
    "own generator": {"random_state": np.random.RandomState(3)},
}


# training does not depend on the estimator
@pytest.mark.parametrize(
    "estimator_class",
    [VAETransformer, pytest.param(VAEAnomalyDetector, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("changes", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_resumed_equals_uninterrupted(tmp_path, rows, estimator_class, changes):
    expected = quick(estimator_class, **copy.deepcopy(changes)).fit(rows)
    broken = quick(estimator_class, **copy.deepcopy(changes), callbacks=[Autosave(tmp_path)])
    epoch = min(5, expected.n_iter_)
    interrupt(broken, rows, epoch)
    assert os.listdir(tmp_path) == [f"epoch-{epoch - 1:05d}.skvae"]
    again = quick(estimator_class, **copy.deepcopy(changes))
    again.set_params(callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert_same_model(again, expected, rows)


SCHEDULES = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.3},
    "ExponentialLR": {"gamma": 0.8},
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "CosineAnnealingLR": {"T_max": 6},
    "CosineAnnealingWarmRestarts": {"T_0": 4},
    "ReduceLROnPlateau": {"monitor": "train_loss", "patience": 0, "threshold": 0.2},
    "TorchCyclicLR": {"base_lr": 1e-4, "max_lr": 1e-2, "step_every": "batch", "step_size_up": 7},
    "OneCycleLR": {"max_lr": 0.01, "total_steps": 100, "step_every": "batch"},
}


def with_schedule(policy, *callbacks):
    """Return a transformer whose learning rate is set by a callback."""
    schedule = LRScheduler(getattr(lr_scheduler, policy.removeprefix("Torch")), **SCHEDULES[policy])
    return quick(callbacks=[schedule, *callbacks])


def learning_rate(vae):
    return vae._net.optimizer_.param_groups[0]["lr"]


# one by epochs, one by steps, one that reads the history, and one with a function
FAST_SCHEDULES = {"CosineAnnealingLR", "TorchCyclicLR", "ReduceLROnPlateau", "LambdaLR"}


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(policy, marks=[] if policy in FAST_SCHEDULES else pytest.mark.slow)
        for policy in SCHEDULES
    ],
)
def test_a_schedule_among_the_callbacks_continues_where_it_was(tmp_path, rows, policy):
    expected = with_schedule(policy).fit(rows)
    interrupt(with_schedule(policy, Autosave(tmp_path)), rows)
    again = with_schedule(policy, Autosave(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, expected, rows)
    assert learning_rate(again) == learning_rate(expected)


def stopping_twice(*callbacks):
    """Return a transformer that the user's own early stopping ends before the library's."""
    own = EarlyStopping(monitor="train_loss", patience=6, threshold=50.0, threshold_mode="abs")
    return quick(early_stopping=True, max_epochs=30, callbacks=[own, *callbacks])


def test_a_second_early_stopping_among_the_callbacks_continues_where_it_was(tmp_path, rows):
    expected = stopping_twice().fit(rows)
    assert 5 < expected.n_iter_ < 30
    interrupt(stopping_twice(Autosave(tmp_path)), rows)
    again = stopping_twice(Autosave(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, expected, rows)
    found = quick(early_stopping=True, max_epochs=30, callbacks=[Autosave(tmp_path, resume=True)])
    with pytest.raises(ValueError, match=r"2 EarlyStopping callbacks .* 'callbacks' now has 1"):
        found.fit(rows)


def test_a_schedule_without_a_state_in_the_checkpoint_is_refused(tmp_path, rows):
    interrupt(quick(callbacks=[Autosave(tmp_path)]), rows)
    again = with_schedule("StepLR", Autosave(tmp_path, resume=True))
    with pytest.raises(ValueError, match=r"0 learning-rate schedulers .* 'callbacks' now has 1"):
        again.fit(rows)
    assert not hasattr(again, "module_")


FAST_INTERRUPTIONS = {(1, 1), (4, 2), (3, 4), (6, 4)}  # pairs of `epoch` and `every`


@pytest.mark.parametrize(
    ("epoch", "every"),
    [
        pytest.param(*pair, marks=[] if pair in FAST_INTERRUPTIONS else pytest.mark.slow)
        for pair in itertools.product([1, 2, 3, 4, 5, 6], [1, 2, 4])
    ],
)
def test_resuming_at_any_epoch_with_any_period(tmp_path, rows, every, epoch):
    expected = quick().fit(rows)
    interrupt(quick(callbacks=[Autosave(tmp_path, every=every)]), rows, epoch)
    again = quick(callbacks=[Autosave(tmp_path, every=every, resume=True)]).fit(rows)
    assert_same_model(again, expected, rows)
    assert os.listdir(tmp_path) == ["epoch-00006.skvae"]


def test_without_random_state_the_seed_is_read_from_the_checkpoint(tmp_path, rows):
    whole = quick(random_state=None, callbacks=[Autosave(tmp_path, keep=None)]).fit(rows)
    for epoch in (4, 5, 6):
        (tmp_path / f"epoch-{epoch:05d}.skvae").unlink()
    again = quick(random_state=None, callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert_same_model(again, whole, rows)


def test_a_fit_may_be_interrupted_twice(tmp_path, rows):
    interrupt(quick(callbacks=[Autosave(tmp_path)]), rows, 3)
    interrupt(quick(callbacks=[Autosave(tmp_path, resume=True)]), rows, 5)
    again = quick(callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert_same_model(again, quick().fit(rows), rows)


def test_a_finished_fit_resumes_to_itself(tmp_path, rows):
    whole = quick(callbacks=[Autosave(tmp_path)]).fit(rows)
    again = quick(callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert_same_model(again, whole, rows)


def test_a_warm_start_resumes_within_its_second_part(tmp_path, rows):
    first = quick(warm_start=True, early_stopping=True, max_epochs=3).fit(rows)
    expected = copy.deepcopy(first).set_params(max_epochs=8).fit(rows)
    second = copy.deepcopy(first).set_params(max_epochs=8, callbacks=[Autosave(tmp_path)])
    interrupt(second, rows, 6)
    again = copy.deepcopy(first)
    again.set_params(max_epochs=8, callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert_same_model(again, expected, rows)


def test_max_epochs_may_be_raised(tmp_path, rows):
    quick(callbacks=[Autosave(tmp_path)]).fit(rows)
    more = quick(max_epochs=9, callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)
    assert more.n_iter_ == 9


def test_a_fit_that_does_not_resume_starts_anew(tmp_path, rows):
    quick(callbacks=[Autosave(tmp_path)], random_state=1).fit(rows)
    assert_same_model(quick(callbacks=[Autosave(tmp_path)]).fit(rows), quick().fit(rows), rows)


def test_checkpoints_do_not_change_the_fit(tmp_path, rows):
    assert_same_model(quick(callbacks=[Autosave(str(tmp_path))]).fit(rows), quick().fit(rows), rows)


def test_the_checkpoint_of_a_transformer_is_loaded_as_the_model_of_that_epoch(tmp_path, rows):
    quick(callbacks=[Autosave(tmp_path, keep=None)]).fit(rows)
    model = load(tmp_path / "epoch-00003.skvae")
    assert model.n_iter_ == 3
    assert model.transform(rows).shape == (300, 4)
    assert model.callbacks is None


def test_loading_the_checkpoint_of_a_detector_raises(tmp_path, rows):
    quick(VAEAnomalyDetector, callbacks=[Autosave(tmp_path)]).fit(rows)
    with pytest.raises(ValueError, match="complete only when training ends; finish the fit"):
        load(tmp_path / "epoch-00006.skvae")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.1}, r"with learning_rate=0\.001, but the estimator now has 0\.1"),
        (
            {"network": MLP(hidden_layer_sizes=(17,), dropout=0.2)},
            "with network=.*16.* now has .*17",
        ),
        ({"random_state": 1}, "with random_state=0, but the estimator now has 1"),
    ],
)
def test_other_parameters_are_refused_and_named(tmp_path, rows, change, message):
    quick(callbacks=[Autosave(tmp_path)]).fit(rows)
    estimator = quick(callbacks=[Autosave(tmp_path, resume=True)], **change)
    with pytest.raises(ValueError, match=message):
        estimator.fit(rows)
    assert not hasattr(estimator, "module_")


@pytest.mark.parametrize("change", [lambda X: X[:-1], lambda X: X + 1, lambda X: X.astype(float)])
def test_other_rows_are_refused(tmp_path, rows, change):
    quick(callbacks=[Autosave(tmp_path)]).fit(rows)
    with pytest.raises(ValueError, match="written for other rows"):
        quick(callbacks=[Autosave(tmp_path, resume=True)]).fit(change(rows))


def test_a_finished_model_in_the_folder_is_refused(tmp_path, rows):
    save(quick().fit(rows), tmp_path / "epoch-00001.skvae")
    with pytest.raises(ValueError, match="a finished model and not a checkpoint"):
        quick(callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)


@pytest.mark.parametrize("name", ["run", "state"])
def test_a_checkpoint_that_lacks_its_content_is_refused(tmp_path, rows, name):
    quick(callbacks=[Autosave(tmp_path)]).fit(rows)
    header, tensors = read_file(tmp_path / "epoch-00006.skvae")
    for absent in ("format", "versions", name):
        del header[absent]
    write_file(tmp_path / "epoch-00006.skvae", header, tensors)
    with pytest.raises(ValueError, match=f"epoch-00006.skvae cannot be used .*'{name}'"):
        quick(callbacks=[Autosave(tmp_path, resume=True)]).fit(rows)


def test_partial_fit_writes_no_checkpoint(tmp_path, rows):
    quick(callbacks=[Autosave(tmp_path)]).partial_fit(rows)
    assert os.listdir(tmp_path) == []


TORCH_OPTIMIZERS = {
    name: cls
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
}
NOT_FOR_DENSE_NETWORKS = {"Optimizer", "Muon", "SparseAdam"}  # fail in any fit


@pytest.mark.parametrize("name", sorted(TORCH_OPTIMIZERS.keys() - NOT_FOR_DENSE_NETWORKS))
def test_every_optimizer_of_torch_resumes_to_the_bit_or_is_refused_at_once(tmp_path, rows, name):
    def small(*callbacks):
        network = MLP(hidden_layer_sizes=(4,))
        cls, callbacks = TORCH_OPTIMIZERS[name], list(callbacks)
        return quick(optimizer=cls, network=network, callbacks=callbacks, max_epochs=4)

    if name == "LBFGS":
        with pytest.raises(ValueError, match="cannot save the state of optimizer=LBFGS.* another"):
            small(Autosave(tmp_path)).fit(rows[:60])
        assert os.listdir(tmp_path) == []
        return
    interrupt(small(Autosave(tmp_path)), rows, 3)
    assert_same_model(small(Autosave(tmp_path, resume=True)).fit(rows), small().fit(rows), rows)


class LateState(torch.optim.SGD):
    """An optimiser with a further state from its third step on."""

    def step(self, closure=None):
        for number, weights in enumerate(self.param_groups[0]["params"]):
            state = self.state[weights]
            state["step"] = state.get("step", 0) + 1
            if state["step"] == 3 + number:
                state["slow"] = weights.detach().clone()
        return super().step(closure)


class Drawing(torch.optim.SGD):
    """An optimiser that draws from the global generator."""

    def step(self, closure=None):
        with torch.no_grad():
            for weights in self.param_groups[0]["params"]:
                weights.add_(1e-4 * torch.randn_like(weights))
        return super().step(closure)


def test_an_optimizer_whose_state_cannot_be_checked_is_refused_before_the_first_checkpoint(
    tmp_path, rows
):
    with pytest.raises(ValueError, match="cannot save the state of optimizer=LateState"):
        quick(optimizer=LateState, learning_rate=1e-5, callbacks=[Autosave(tmp_path)]).fit(rows)
    assert os.listdir(tmp_path) == []


def test_an_optimizer_that_draws_resumes_to_the_bit(tmp_path, rows):
    def drawing(*callbacks):
        return quick(optimizer=Drawing, learning_rate=1e-5, callbacks=list(callbacks))

    interrupt(drawing(Autosave(tmp_path)), rows, 3)
    assert_same_model(drawing(Autosave(tmp_path, resume=True)).fit(rows), drawing().fit(rows), rows)


def test_the_progress_starts_at_the_epoch_of_the_checkpoint(tmp_path, rows, capsys):
    interrupt(quick(callbacks=[Autosave(tmp_path)]), rows, 4)
    quick(callbacks=[Autosave(tmp_path, resume=True)], verbose=1).fit(rows)
    assert re.findall(r"epoch (\d)/6", capsys.readouterr().err) == ["4", "5", "6"]


@pytest.mark.parametrize(
    "settings", [{"every": 0}, {"keep": 0}, {"keep": 1.5}, {"resume": "yes"}, {"path": 3}]
)
def test_settings_out_of_range_are_refused(tmp_path, rows, settings):
    autosave = Autosave(**{"path": tmp_path, **settings})
    with pytest.raises(InvalidParameterError, match=f"'{next(iter(settings))}' parameter"):
        quick(callbacks=[autosave]).fit(rows)


def test_settings_may_be_numpy_integers(tmp_path, rows):
    quick(callbacks=[Autosave(tmp_path, every=np.int64(2), keep=np.int64(2))]).fit(rows)
    assert sorted(os.listdir(tmp_path)) == ["epoch-00004.skvae", "epoch-00006.skvae"]


def test_autosave_may_have_a_name_among_the_callbacks(tmp_path, rows):
    interrupt(quick(callbacks=[("autosave", Autosave(tmp_path))]), rows)
    again = quick(callbacks=[("autosave", Autosave(tmp_path, resume=True))]).fit(rows)
    assert_same_model(again, quick().fit(rows), rows)


def test_autosave_keeps_no_reference_to_the_estimator(tmp_path, rows):
    autosave = Autosave(tmp_path)
    quick(callbacks=[autosave]).fit(rows)
    assert vars(autosave) == {"path": tmp_path, "every": 1, "keep": 1, "resume": False}


def test_a_checkpoint_that_could_not_be_read_is_refused_while_training(tmp_path, monkeypatch):
    monkeypatch.setattr(values, "_MOST_LINES", 0)
    table = pd.DataFrame({"town": [f"town {number}" for number in range(2000)] * 2})
    vae = VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=()),
        prior="normal",
        max_epochs=2,
        callbacks=[Autosave(tmp_path)],
        random_state=0,
    )
    with pytest.raises(ValueError, match=r"checkpoint cannot be saved.* 2\d\d\d names and levels"):
        vae.fit(table)
    assert not list(tmp_path.iterdir())
