"""The state of a training run in checkpoints: written as it goes, taken up after it broke off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import Tensor

from skvae._files.checkpoint_folder import Checkpoint, CheckpointFolder
from skvae._files.model_file import unsound
from skvae._files.serialization import load_weights, new_decoder, new_encoder, restore_history
from skvae._training.callbacks import callbacks_of
from skvae._training.net import VAENet

# A resumed fit may change these: they leave the weights alone, or are there to be raised.
_FREE_PARAMETERS = {
    "max_epochs",
    "n_importance_samples",
    "fit_density",
    "device",
    "callbacks",
    "checkpoint",
    "warm_start",
    "verbose",
    "anomaly_score",
    "contamination",
}
_EARLY_STOPPING_STATE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")


class CheckpointedRun:
    """One fit with checkpoints: what it must not differ in, where it starts, what it leaves behind.

    Parameters
    ----------
    checkpoint : Checkpoint, str or path-like
        The estimator's parameter of that name.
    params : dict
        All of the estimator's parameters.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    seed : int
        Seed of a run that starts anew.
    describe : callable
        ``describe(net, encoder)`` returns the header of a model file for the net.

    Raises
    ------
    ValueError
        If the checkpoint to go on from was written with other parameters or other rows.
    """

    def __init__(self, checkpoint, params, X: np.ndarray, seed: int, describe: Callable):
        spec = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.folder = CheckpointFolder(spec)
        self.seed = seed
        self._describe = describe
        self._identity = _identity(params, X)
        self._found: dict[str, Any] | None = None
        newest = self.folder.newest() if spec.resume else None
        if newest:
            self._take_up(*newest)

    def _take_up(self, path, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        if header.get("kind") != "checkpoint":
            raise unsound(path, "it is a finished model and no checkpoint")
        decoder = new_decoder(tensors)
        run = decoder.decode(header["run"])
        _check_identity(path, run["identity"], self._identity)
        self.seed = run["seed"]
        history = decoder.decode(header["history"])
        self._found = {**run, "history": history, "tensors": tensors}

    def begin(self, net: VAENet) -> int:
        """Note where the run starts and return how many epochs came before it."""
        if self._found:
            net.generator_.set_state(self._found["start"])
        self._start = net.generator_.get_state()
        self._epochs_before = self._found["epochs_before"] if self._found else len(net.history)
        return self._epochs_before

    def restore(self, net: VAENet) -> None:
        """Bring the net to the epoch of the checkpoint, and leave it the epochs that remain."""
        found = self._found
        if not found:
            return
        load_weights(net.module_, found["tensors"])
        net.optimizer_.load_state_dict(found["optimizer"])
        restore_history(net, found["history"])
        _set_random_state(net, found["random_state"])
        stopping = _early_stopping(net)
        if stopping:
            vars(stopping).update(found["early_stopping"])
        _set_schedules(net, found["schedules"])
        done = len(net.history) - self._epochs_before
        net.max_epochs = max(0, net.max_epochs - done)

    def write(self, net: VAENet) -> None:
        """Write the checkpoint of the epoch that has just ended."""
        encoder = new_encoder()
        header = self._describe(net, encoder)
        stopping = _early_stopping(net)
        run = {
            "identity": self._identity,
            "seed": self.seed,
            "start": self._start,
            "epochs_before": self._epochs_before,
            "optimizer": net.optimizer_.state_dict(),
            "random_state": _random_state(net),
            "early_stopping": stopping
            and {name: getattr(stopping, name) for name in _EARLY_STOPPING_STATE},
            "schedules": [dict(schedule.state_dict()) for schedule in _schedules(net)],
        }
        header |= {"kind": "checkpoint", "run": encoder.encode(run, "run")}
        self.folder.write(len(net.history), header, encoder.tensors)


class CheckpointWriter(Callback):
    """Lets a :class:`CheckpointedRun` restore the net before the first epoch and write after each.

    It stands behind early stopping, whose state it reads, and before the callbacks that ask how
    many epochs remain.
    """

    def __init__(self, run: CheckpointedRun):
        self.run = run

    def on_train_begin(self, net, **kwargs):
        self.run.restore(net)
        self.last_ = len(net.history) + net.max_epochs

    def on_epoch_end(self, net, **kwargs):
        epoch = len(net.history)
        if epoch % self.run.folder.every == 0 or epoch == self.last_:
            self.run.write(net)


def _identity(params: dict[str, Any], X: np.ndarray) -> dict[str, Any]:
    """Return what a run must share with the checkpoint it goes on from."""
    params = {name: value for name, value in params.items() if name not in _FREE_PARAMETERS}
    if not isinstance(params["random_state"], int):
        del params["random_state"]  # the seed that was drawn from it stands in the checkpoint
    encoder = new_encoder()
    nodes = {name: encoder.encode(value, f"parameters.{name}") for name, value in params.items()}
    return {
        "parameters": {name: json.dumps(node) for name, node in nodes.items()},
        "rows": hashlib.sha256(X).hexdigest(),
        "shape": X.shape,
    }


def _check_identity(path, before: dict[str, Any], now: dict[str, Any]) -> None:
    remedy = "or start anew: with resume=False, or in another folder."
    if (before["rows"], before["shape"]) != (now["rows"], now["shape"]):
        raise ValueError(
            f"{path} was written for other rows (of shape {before['shape']}) than X (of shape "
            f"{now['shape']}). Fit the same X, {remedy}"
        )
    for name, value in now["parameters"].items():
        if value != before["parameters"].get(name):
            raise ValueError(
                f"{path} was written with {name}={before['parameters'].get(name)}, but the "
                f"estimator now has {value}. Set it back, {remedy}"
            )


def _early_stopping(net: VAENet) -> EarlyStopping | None:
    return next(iter(callbacks_of(net, EarlyStopping)), None)


def _schedules(net: VAENet) -> list[torch.optim.lr_scheduler.LRScheduler]:
    """Return the learning-rate schedules among the user's callbacks, which training has begun."""
    return [found.lr_scheduler_ for found in callbacks_of(net, LRScheduler)]


def _set_schedules(net: VAENet, states: list[dict[str, Any]]) -> None:
    schedules = _schedules(net)
    if len(schedules) != len(states):
        raise ValueError(
            f"The checkpoint was written with {len(states)} learning-rate schedulers among the "
            f"callbacks, but 'callbacks' now has {len(schedules)}. Pass callbacks like those of "
            "the fit that was interrupted, or start anew with resume=False."
        )
    for schedule, state in zip(schedules, states, strict=True):
        schedule.load_state_dict(state)


def _random_state(net: VAENet) -> dict[str, Any]:
    """Return the states of all generators that training draws from."""
    device = torch.device(net.device)
    return {
        "device": device.type,
        "rows": net.generator_.get_state(),
        "noise": net.noise_generator_.get_state(),
        "torch": torch.default_generator.get_state(),  # dropout, and a user's own parts
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def _set_random_state(net: VAENet, states: dict[str, Any]) -> None:
    device = torch.device(net.device)
    net.generator_.set_state(states["rows"])
    torch.default_generator.set_state(states["torch"])
    if states["device"] == device.type:  # the generators of another device speak another language
        net.noise_generator_.set_state(states["noise"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], device)
