"""Building a net from an estimator's parameters, and training it to its budget."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from skvae._files.resume import CheckpointedRun, CheckpointWriter
from skvae._model.module import build_module
from skvae._rows.batches import resident
from skvae._specs import (
    SHORT_NAMES,
    check_callbacks,
    resolve_device,
    resolve_optimizer,
    resolve_precision,
    resolve_spec,
)
from skvae._training.budget import Budget
from skvae._training.callbacks import OneCycle, ProgressBar, callbacks_of, set_learning_rate
from skvae._training.interruption import termination_interrupts
from skvae._training.net import VAENet, make_net

_EARLY_STOPPING_CEILING = 10  # with early stopping, "auto" allows this many times the budget


def new_net(params: dict[str, Any], X: np.ndarray, budget: Budget, seed: int) -> VAENet:
    """Build an initialised net for the rows X. Draws from torch's default generator."""
    specs = {role: resolve_spec(role, params[role]) for role in SHORT_NAMES}
    device = resolve_device(params["device"])
    module = build_module(
        specs["network"], specs["likelihood"], specs["prior"], X, params["n_components"]
    )
    optimizer, weight_decay = params["optimizer"], params["weight_decay"]
    if weight_decay == "auto":
        weight_decay = budget.weight_decay if optimizer == "adam" else 0.0
    return make_net(
        module,
        objective=specs["objective"],
        seed=seed,
        precision=resolve_precision(params["precision"], device, X.shape[1]),
        learning_rate=params["learning_rate"],
        batch_size=budget.batch_size,
        optimizer=resolve_optimizer(optimizer),
        fused=optimizer == "adam",
        weight_decay=weight_decay,
        device=device,
        callbacks=check_callbacks(params["callbacks"]),
        compiled=params["compile"],
    )


def copy_net(net: VAENet, params: dict[str, Any]) -> VAENet:
    """Copy a net to train it further, so that a failure leaves the one there is as it was.

    Callbacks are shared, as they are the user's own and may hold what cannot be copied.
    """
    shared = {id(callback): callback for _, callback in net.callbacks_}
    net = copy.deepcopy(net, shared)
    net.lr = params["learning_rate"]
    net.compiled = params["compile"]
    if params["batch_size"] != "auto":
        net.batch_size = params["batch_size"]
    return net


def train_to_budget(
    net: VAENet,
    X: np.ndarray,
    params: dict[str, Any],
    budget: Budget,
    run: CheckpointedRun | None,
) -> None:
    """Train for the budget: one learning-rate cycle, or until the validation loss stops falling."""
    # after a warm start, max_epochs counts the epochs before it too
    epochs_before = run.begin(net) if run else len(net.history)
    n_epochs = _total_epochs(params, budget) - epochs_before
    if n_epochs <= 0:
        warnings.warn(
            f"No training was done: the warm start has {epochs_before} epochs behind it, and "
            f"max_epochs={params['max_epochs']!r} asks for no more. Raise max_epochs.",
            UserWarning,
            stacklevel=2,
        )
        return
    x, x_valid = _as_tensor(X), None
    session: list[Any] = []
    if params["early_stopping"]:
        x, x_valid = _split(x, params["validation_fraction"], net.generator_)
        patience = params["n_iter_no_change"]
        # absolute, as a negative loss (a density) would turn a relative threshold around
        session.append(
            EarlyStopping(patience=patience, threshold_mode="abs", load_best=True, sink=_silent)
        )
    if run:
        session.append(CheckpointWriter(run))
    steps_per_epoch = -(-len(x) // net.batch_size)
    if not params["early_stopping"] and not callbacks_of(net, LRScheduler):
        session.append(OneCycle(net.lr, n_epochs, steps_per_epoch))
    if params["verbose"]:
        session.append(ProgressBar(n_epochs, steps_per_epoch))
    _run(net, x, x_valid, n_epochs, session)


def _total_epochs(params: dict[str, Any], budget: Budget) -> int:
    if params["max_epochs"] != "auto":
        return params["max_epochs"]
    return budget.max_epochs * (_EARLY_STOPPING_CEILING if params["early_stopping"] else 1)


def train_one_pass(net: VAENet, X: np.ndarray, *_) -> None:
    """Train for one epoch at the constant learning rate."""
    _run(net, _as_tensor(X), None, 1, [])


def _run(net, x, x_valid, n_epochs: int, session: list[Any]) -> None:
    set_learning_rate(net, net.lr)  # a cycle before may have left it at zero
    net.max_epochs = n_epochs
    net.module_.n_rows = len(x)
    if x_valid is not None:
        net.train_split = predefined_split(Dataset(resident(x_valid, net.device)))
    lasting = net.callbacks_
    net.callbacks_ = [*lasting, *((type(callback).__name__, callback) for callback in session)]
    try:
        with termination_interrupts():
            net.partial_fit(Dataset(resident(x, net.device)))
    finally:
        net.callbacks_, net.train_split = lasting, None
    net.module_.eval()
    _settle_interruption(net)
    net.check_weights()


def _settle_interruption(net: VAENet) -> None:
    """Drop an epoch that a signal cut short from the history, and say what was kept."""
    if not net.interrupted_:
        return
    net.interrupted_ = False
    if len(net.history) and "dur" not in net.history[-1]:
        del net.history[-1]
    if not len(net.history):
        raise KeyboardInterrupt("interrupted before the first epoch ended; nothing was fitted")
    warnings.warn(
        f"Training was interrupted; the estimator keeps the {len(net.history)} epochs done. Fit "
        "again with warm_start=True to do the rest.",
        UserWarning,
        stacklevel=2,
    )


def history_arrays(net: VAENet) -> dict[str, np.ndarray]:
    """Return the history as equally long float arrays, one value an epoch."""
    columns: dict[str, np.ndarray] = {}
    for name in _recorded_names(net):
        values = [row.get(name, np.nan) for row in net.history]
        columns["duration" if name == "dur" else name] = np.array(values, dtype=np.float64)
    return columns


def _recorded_names(net: VAENet) -> list[str]:
    seen = dict.fromkeys(name for row in net.history for name in row)
    return [
        name
        for name in seen
        if name == "dur"
        or (name.startswith(("train_", "valid_")) and not name.endswith(("_count", "_best")))
    ]


def count_steps(net: VAENet) -> int:
    """Return the number of optimiser steps in the history."""
    return int(sum(row["train_batch_count"] for row in net.history))


def _split(x: torch.Tensor, fraction: float, generator: torch.Generator):
    n_valid = max(1, round(fraction * len(x)))
    if n_valid >= len(x):
        raise ValueError(
            f"validation_fraction={fraction!r} of {len(x)} rows leaves none to train on. Lower it, "
            "or set early_stopping=False."
        )
    order = torch.randperm(len(x), generator=generator)
    return x[order[n_valid:]], x[order[:n_valid]]


def _as_tensor(X: np.ndarray) -> torch.Tensor:
    """Share the memory of X, read-only or not: what a worker has mapped is not copied."""
    with warnings.catch_warnings():
        # torch warns of tensors on read-only memory, as writing to one would crash; nothing does
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(X)


def _silent(*args) -> None:
    pass
