"""The run in a checkpoint, compared with the run that continues from it; it restores nothing.

Fused optimisers read and write as many values as a weight has, whatever the size of their state,
and a changed option trains other weights without a word. Shapes, types and options of a checkpoint
must therefore be those that this fit would have written.
"""

from __future__ import annotations

import copy
import math
from types import SimpleNamespace
from typing import Any

import torch
from skorch.callbacks import EarlyStopping
from skorch.history import History
from torch import Tensor, nn

from skvae._random import isolated_rng

EARLY_STOPPING_STATE = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")
# Entries of learning-rate schedules that change during a run; the others are their options.
_PROGRESS = {
    *("last_epoch", "_step_count", "_last_lr", "_is_initial", "_get_lr_called_within_step"),
    *("best", "num_bad_epochs", "cooldown_counter", "T_cur", "T_i"),
}
_SCHEDULED = {"lr", "betas", "momentum"}  # options of an optimiser that a schedule may move


def check_optimizer(
    optimizer: torch.optim.Optimizer, before: Any, n_steps: int, *, scheduled: bool
) -> list[int]:
    """Compare the state of an optimiser with what it has after so many steps.

    Returns
    -------
    stateless : list of int
        The weights without a state, by their number. They must not have been trained.

    Raises
    ------
    ValueError
        If a weight, an option, or the shape or type of a tensor differs.
    """
    expected = _state_after_a_step(optimizer)
    _require(_keys(before) == _keys(expected), "has not the state of this optimiser")
    _check_groups(before["param_groups"], expected["param_groups"], scheduled)
    states, known = before["state"], expected["state"]
    _require(isinstance(states, dict) and states.keys() <= known.keys(), "has unknown weights")
    for number, state in states.items():
        _require(_keys(state) == _keys(known[number]), f"lacks a state of weight {number}")
        for name, value in state.items():
            _check_like(value, known[number][name], f"the {name!r} of weight {number}")
        _require(0 <= float(state.get("step", 0)) <= n_steps, f"has more than {n_steps} steps")
    return sorted(known.keys() - states.keys())


def check_resumable(optimizer: torch.optim.Optimizer, n_steps: int, *, scheduled: bool) -> None:
    """Refuse an optimiser from whose state, if it were written now, no fit could continue.

    Raises
    ------
    ValueError
        Naming the optimiser.
    """
    try:
        check_optimizer(optimizer, optimizer.state_dict(), n_steps, scheduled=scheduled)
    except Exception as exc:  # whatever an optimiser raises when it is copied
        raise ValueError(
            f"Autosave cannot save the state of optimizer={type(optimizer).__name__}, as no fit "
            f"could continue from it ({exc}). Choose another optimizer, or fit without Autosave."
        ) from exc


def check_early_stopping(stopping: EarlyStopping, before: dict[str, Any], history: History) -> None:
    """Compare the state of early stopping with what follows from the losses of the run.

    `history` has the epochs of the run alone.

    Raises
    ------
    ValueError
        If it differs.
    """
    twin = copy.copy(stopping)
    twin.load_best = False
    try:
        for epoch in history:  # of which it reads the last alone
            twin.on_epoch_end(SimpleNamespace(history=History([epoch]), verbose=0))
    except KeyboardInterrupt:
        raise ValueError("its losses would have stopped the fit before") from None
    for name in EARLY_STOPPING_STATE[:-1]:
        _require(
            before[name] == vars(twin)[name],
            f"has {name}={before[name]!r}, but its losses give {vars(twin)[name]!r}",
        )
    has_best = before["best_model_weights_"] is not None
    _require(
        has_best == bool(stopping.load_best and twin.best_epoch_),
        "has not the weights of its best epoch",
    )


def check_schedule(schedule: Any, before: dict[str, Any]) -> None:
    """Compare the state of a learning-rate schedule with that of this fit.

    Raises
    ------
    ValueError
        If an option differs, or the type of what changes during the run.
    """
    now = schedule.state_dict()
    _require(_keys(before) == _keys(now), "was written with another learning-rate schedule")
    for name, value in now.items():
        where = f"the {name!r} of its learning-rate schedule"
        if name in _PROGRESS:
            _check_numbers(before[name], value, where)
        else:
            _require(before[name] == value, f"has another value of {where}")


def check_generator(state: Tensor, generator: torch.Generator) -> None:
    """Refuse the state of a generator that is not as long as that of this one.

    Raises
    ------
    ValueError
        If it is not.
    """
    _require(state.shape == generator.get_state().shape, "has the state of another generator")


def _state_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state that an optimiser has after a step, whatever the values in it."""
    twin = copy.deepcopy(optimizer)
    twin.state.clear()
    for group in twin.param_groups:
        for weights in group["params"]:
            weights.grad = torch.ones_like(weights)
    with isolated_rng(0):  # an optimiser may draw
        twin.step(lambda: 0.0)
    return twin.state_dict()


def _check_groups(before: Any, now: list[dict[str, Any]], scheduled: bool) -> None:
    _require(isinstance(before, list) and len(before) == len(now), "has other groups of weights")
    for options, own in zip(before, now, strict=True):
        _require(_keys(options) == _keys(own), "has not the options of this optimiser")
        for name, value in own.items():
            where = f"the option {name!r} of the optimiser"
            if scheduled and name in _SCHEDULED:
                _check_numbers(options[name], value, where)
            elif name != "lr":  # which the fit sets itself
                same = type(options[name]) is type(value) and options[name] == value
                _require(same, f"has {options[name]!r} as {where}, which is now {value!r}")


def _check_like(value: Any, like: Any, where: str) -> None:
    """Refuse a value of another type or shape than its like, or one that is not finite."""
    _require(type(value) is type(like), f"has a {type(value).__name__} as {where}")
    if isinstance(like, Tensor):
        same = value.shape == like.shape and value.dtype == like.dtype
        _require(same, f"has {value.dtype} of shape {tuple(value.shape)} as {where}")
        _require(bool(value.isfinite().all()), f"has values that are not finite as {where}")
    elif isinstance(like, int | float):
        _require(math.isfinite(value), f"has {value!r} as {where}")
    else:
        _require(value == like, f"has {value!r} as {where}")


def _check_numbers(value: Any, like: Any, where: str) -> None:
    """Refuse anything but numbers, in a list or a tuple as long as its like."""
    if isinstance(like, list | tuple):
        same = type(value) is type(like) and len(value) == len(like)
        _require(same, f"has {value!r} as {where}")
        for one, own in zip(value, like, strict=True):
            _check_numbers(one, own, where)
    else:
        _require(type(value) is type(like), f"has {value!r} as {where}")
        is_number = isinstance(value, int | float) and not math.isnan(value)
        _require(is_number or value is None, f"has {value!r} as {where}")


def _keys(value: Any) -> Any:
    return value.keys() if isinstance(value, dict) else None


def _require(is_right: bool, problem: str) -> None:
    if not is_right:
        raise ValueError(f"it {problem[:300]}")


def names_of(optimizer: torch.optim.Optimizer, module: nn.Module, numbers: list[int]) -> set[str]:
    """Return the names of the weights that an optimiser knows by these numbers."""
    known = [weights for group in optimizer.param_groups for weights in group["params"]]
    chosen = {id(known[number]) for number in numbers}
    return {name for name, weights in module.named_parameters() if id(weights) in chosen}
