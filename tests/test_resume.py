"""A fit that goes on from a checkpoint ends as one that was never interrupted, to the bit."""

import copy
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from skorch.callbacks import LRScheduler
from torch.optim import lr_scheduler

from skvae import Checkpoint, VAEAnomalyDetector, VAETransformer, load
from skvae.networks import MLP
from skvae.objectives import ELBO
from tests.helpers import Interruption


class PowerCut(BaseException):
    """Ends the work of the process past every handler."""


@pytest.fixture(scope="module")
def rows(digits):
    return digits.data[:300].astype(np.float32)


def quick(estimator_class=VAETransformer, **changes):
    settings = {
        "network": MLP(hidden_layer_sizes=(16,), dropout=0.2),
        "max_epochs": 6,
        "random_state": 0,
    }
    return estimator_class(4, **{**settings, **changes})


def interrupt(estimator, rows, epoch=5):
    with pytest.raises(PowerCut):
        estimator.set_params(callbacks=[Interruption(epoch, PowerCut)]).fit(rows)
    return estimator.set_params(callbacks=None)


def assert_same_model(found, expected, rows):
    theirs = expected.module_.state_dict()
    for name, weights in found.module_.state_dict().items():
        assert_array_equal(weights.numpy(), theirs[name].numpy(), err_msg=name)
    assert_array_equal(found.score_samples(rows), expected.score_samples(rows))
    assert found.n_iter_ == expected.n_iter_
    for name in found.history_.keys() - {"duration"}:
        assert_array_equal(found.history_[name], expected.history_[name])


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"early_stopping": True, "max_epochs": 12, "n_iter_no_change": 2, "learning_rate": 0.02},
        {"optimizer": "sgd", "learning_rate": 1e-4},
        {"precision": "bfloat16"},
        {"objective": ELBO(warmup=4)},
        {"random_state": np.random.RandomState(3)},
    ],
    ids=lambda changes: "-".join(changes) or "default",
)
def test_resumed_equals_uninterrupted(tmp_path, rows, estimator_class, changes):
    expected = quick(estimator_class, **copy.deepcopy(changes)).fit(rows)
    broken = quick(estimator_class, **copy.deepcopy(changes), checkpoint=Checkpoint(tmp_path))
    epoch = min(5, expected.n_iter_)
    interrupt(broken, rows, epoch)
    assert os.listdir(tmp_path) == [f"epoch-{epoch - 1:05d}.skvae"]
    again = quick(estimator_class, **copy.deepcopy(changes))
    again.set_params(checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
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


def with_schedule(policy, **changes):
    """A transformer whose learning rate is the business of a callback, and a spy on the rate."""
    schedule = LRScheduler(getattr(lr_scheduler, policy.removeprefix("Torch")), **SCHEDULES[policy])
    return quick(callbacks=[schedule], **changes)


def learning_rate(vae):
    return vae.net_.optimizer_.param_groups[0]["lr"]


@pytest.mark.parametrize("policy", SCHEDULES)
def test_a_schedule_among_the_callbacks_goes_on_where_it_was(tmp_path, rows, policy):
    expected = with_schedule(policy).fit(rows)
    broken = with_schedule(policy, checkpoint=Checkpoint(tmp_path))
    broken.callbacks.append(Interruption(5, PowerCut))
    with pytest.raises(PowerCut):
        broken.fit(rows)
    again = with_schedule(policy, checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, expected, rows)
    assert learning_rate(again) == learning_rate(expected)


def test_a_schedule_that_the_checkpoint_does_not_know_is_refused(tmp_path, rows):
    interrupt(quick(checkpoint=Checkpoint(tmp_path)), rows)
    again = with_schedule("StepLR", checkpoint=Checkpoint(tmp_path, resume=True))
    with pytest.raises(ValueError, match=r"0 learning-rate schedulers .* 'callbacks' now has 1"):
        again.fit(rows)
    assert not hasattr(again, "net_")


@pytest.mark.parametrize("every", [1, 2, 4])
@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5, 6])
def test_from_any_epoch_and_any_period(tmp_path, rows, every, epoch):
    expected = quick().fit(rows)
    interrupt(quick(checkpoint=Checkpoint(tmp_path, every=every)), rows, epoch)
    again = quick(checkpoint=Checkpoint(tmp_path, every=every, resume=True)).fit(rows)
    assert_same_model(again, expected, rows)
    assert os.listdir(tmp_path) == ["epoch-00006.skvae"]


def test_without_a_seed_the_checkpoint_brings_it(tmp_path, rows):
    whole = quick(random_state=None, checkpoint=Checkpoint(tmp_path, keep=None)).fit(rows)
    for epoch in (4, 5, 6):
        (tmp_path / f"epoch-{epoch:05d}.skvae").unlink()
    again = quick(random_state=None, checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, whole, rows)


def test_twice_interrupted(tmp_path, rows):
    interrupt(quick(checkpoint=Checkpoint(tmp_path)), rows, 3)
    interrupt(quick(checkpoint=Checkpoint(tmp_path, resume=True)), rows, 5)
    again = quick(checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, quick().fit(rows), rows)


def test_a_finished_fit_resumes_to_itself(tmp_path, rows):
    whole = quick(checkpoint=tmp_path).fit(rows)
    again = quick(checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, whole, rows)


def test_a_warm_start_resumes_within_its_second_part(tmp_path, rows):
    first = quick(warm_start=True, early_stopping=True, max_epochs=3).fit(rows)
    expected = copy.deepcopy(first).set_params(max_epochs=8).fit(rows)
    second = copy.deepcopy(first).set_params(max_epochs=8, checkpoint=Checkpoint(tmp_path))
    second.net_.callbacks_.append(("cut", Interruption(6, PowerCut)))
    with pytest.raises(PowerCut):
        second.fit(rows)
    again = copy.deepcopy(first)
    again.set_params(max_epochs=8, checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert_same_model(again, expected, rows)


def test_more_epochs_may_be_asked_for(tmp_path, rows):
    quick(checkpoint=tmp_path).fit(rows)
    more = quick(max_epochs=9, checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)
    assert more.n_iter_ == 9


def test_a_fit_that_does_not_resume_starts_anew(tmp_path, rows):
    quick(checkpoint=tmp_path, random_state=1).fit(rows)
    assert_same_model(quick(checkpoint=tmp_path).fit(rows), quick().fit(rows), rows)


def test_checkpoints_do_not_change_the_fit(tmp_path, rows):
    assert_same_model(quick(checkpoint=str(tmp_path)).fit(rows), quick().fit(rows), rows)


def test_the_checkpoint_of_a_transformer_loads_as_the_model_of_that_epoch(tmp_path, rows):
    quick(checkpoint=Checkpoint(tmp_path, keep=None)).fit(rows)
    model = load(tmp_path / "epoch-00003.skvae")
    assert model.n_iter_ == 3
    assert model.transform(rows).shape == (300, 4)
    assert model.checkpoint is None


def test_the_checkpoint_of_a_detector_lacks_its_threshold_and_says_so(tmp_path, rows):
    quick(VAEAnomalyDetector, checkpoint=tmp_path).fit(rows)
    with pytest.raises(ValueError, match=r"threshold is set when training ends; finish the fit"):
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
    quick(checkpoint=tmp_path).fit(rows)
    estimator = quick(checkpoint=Checkpoint(tmp_path, resume=True), **change)
    with pytest.raises(ValueError, match=message):
        estimator.fit(rows)
    assert not hasattr(estimator, "net_")


@pytest.mark.parametrize("change", [lambda X: X[:-1], lambda X: X + 1, lambda X: X.astype(float)])
def test_other_rows_are_refused(tmp_path, rows, change):
    quick(checkpoint=tmp_path).fit(rows)
    with pytest.raises(ValueError, match="written for other rows"):
        quick(checkpoint=Checkpoint(tmp_path, resume=True)).fit(change(rows))


def test_a_model_in_the_place_of_a_checkpoint_is_refused(tmp_path, rows):
    quick().fit(rows).save(tmp_path / "epoch-00001.skvae")
    with pytest.raises(ValueError, match="a finished model and no checkpoint"):
        quick(checkpoint=Checkpoint(tmp_path, resume=True)).fit(rows)


def test_partial_fit_writes_none(tmp_path, rows):
    quick(checkpoint=tmp_path).partial_fit(rows)
    assert os.listdir(tmp_path) == []


def test_the_progress_bar_starts_where_the_run_goes_on(tmp_path, rows, capsys):
    interrupt(quick(checkpoint=Checkpoint(tmp_path)), rows, 4)
    quick(checkpoint=Checkpoint(tmp_path, resume=True), verbose=1).fit(rows)
    assert "15/30" in capsys.readouterr().err
