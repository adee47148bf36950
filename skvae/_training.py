"""From an estimator's parameters to a trained net: specs, optimiser, budget, callbacks, history."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from skvae._budget import Budget
from skvae._module import build_module
from skvae._net import OneCycle, ProgressBar, VAENet, set_learning_rate
from skvae._validation import InvalidParameterError
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO
from skvae.priors import StandardNormal

SHORT_NAMES: dict[str, dict[str, type]] = {
    "network": {"mlp": MLP, "conv": Conv},
    "likelihood": {
        "gaussian": Gaussian,
        "bernoulli": Bernoulli,
        "continuous_bernoulli": ContinuousBernoulli,
    },
    "prior": {"normal": StandardNormal},
    "objective": {"elbo": ELBO},
}
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
_EARLY_STOPPING_CEILING = 10  # with early stopping, "auto" allows this many times the budget


def resolve_spec(role: str, spec: Any) -> Any:
    """Return the configured object behind a short name, and a copy of an object given."""
    if isinstance(spec, str):
        return SHORT_NAMES[role][spec]()
    if isinstance(spec, type):
        raise InvalidParameterError(
            f"The {role!r} parameter must be an object, got the class {spec.__name__}. Call it: "
            f"{role}={spec.__name__}()."
        )
    spec = clone(spec, safe=False)
    if hasattr(spec, "_parameter_constraints"):  # a user's own spec need not declare any
        spec._validate_params()
    return spec


def resolve_optimizer(optimizer: str | type) -> type[torch.optim.Optimizer]:
    """Return the class behind a short name, or the class given."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[optimizer]
    if not issubclass(optimizer, torch.optim.Optimizer):
        raise InvalidParameterError(
            "The 'optimizer' parameter must be 'adam', 'sgd' or a subclass of "
            f"torch.optim.Optimizer, got {optimizer!r}."
        )
    return optimizer


def check_callbacks(callbacks: list[Any] | None) -> list[Any] | None:
    """Return the callbacks, if skorch can take them: objects, classes, or pairs with a name."""
    for callback in callbacks or ():
        named = callback[-1] if isinstance(callback, tuple) and callback else callback
        if not hasattr(named, "on_train_begin"):
            raise InvalidParameterError(
                f"The 'callbacks' parameter must be a list of skorch callbacks, got {callback!r} "
                "in it."
            )
    return callbacks


def resolve_device(device: str | torch.device) -> str:
    """Return the device to train on; "auto" is a CUDA GPU where there is one, else the CPU."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise ValueError(
            f"device={device!r} cannot be used here: {str(exc).splitlines()[0]} "
            "Choose device='cpu' or device='auto'."
        ) from exc
    return str(device)


def resolve_precision(precision: str, device: str) -> str:
    """Return the precision of the matrix products; "auto" is float32."""
    return "float32" if precision == "auto" else precision


def new_net(params: dict[str, Any], X: np.ndarray, budget: Budget, seed: int) -> VAENet:
    """Build an initialised net for the rows X. Draws from torch's default generator."""
    specs = {role: resolve_spec(role, params[role]) for role in SHORT_NAMES}
    device = resolve_device(params["device"])
    precision = resolve_precision(params["precision"], device)
    module = build_module(
        specs["network"], specs["likelihood"], specs["prior"], X, params["n_components"]
    )
    net = VAENet(
        module,
        objective=specs["objective"],
        seed=seed,
        autocast_dtype=torch.bfloat16 if precision == "bfloat16" else None,
        lr=params["learning_rate"],
        batch_size=budget.batch_size,
        callbacks=check_callbacks(params["callbacks"]),
        device=device,
        train_split=None,
        **_optimizer_settings(params, budget),
    )
    return net.initialize()


def copy_net(net: VAENet, params: dict[str, Any]) -> VAENet:
    """Copy a net to train it further, so that a failure leaves the one there is as it was.

    Callbacks are shared, as they are the user's own and may hold what cannot be copied.
    """
    shared = {id(callback): callback for _, callback in net.callbacks_}
    net = copy.deepcopy(net, shared)
    net.lr = params["learning_rate"]
    if params["batch_size"] != "auto":
        net.batch_size = params["batch_size"]
    return net


def _optimizer_settings(params: dict[str, Any], budget: Budget) -> dict[str, Any]:
    name, weight_decay = params["optimizer"], params["weight_decay"]
    if weight_decay == "auto":
        weight_decay = budget.weight_decay if name == "adam" else 0.0
    settings: dict[str, Any] = {"optimizer": resolve_optimizer(name)}
    if name == "adam":
        settings["optimizer__fused"] = True
    if weight_decay:
        # biases, noise scales and a learned prior have no reason to be near zero
        free = ("*bias", "likelihood.*", "prior.*")
        settings["optimizer__weight_decay"] = weight_decay
        settings["optimizer__param_groups"] = [(name, {"weight_decay": 0.0}) for name in free]
    return settings


def train_to_budget(net: VAENet, X: np.ndarray, params: dict[str, Any], budget: Budget) -> None:
    """Train for the budget: one learning-rate cycle, or until the validation loss stops falling."""
    early_stopping = params["early_stopping"]
    n_epochs = params["max_epochs"]
    if n_epochs == "auto":
        n_epochs = budget.max_epochs * (_EARLY_STOPPING_CEILING if early_stopping else 1)
    n_epochs -= len(net.history)  # after a warm start, max_epochs counts the epochs before it too
    if n_epochs <= 0:
        warnings.warn(
            f"No training was done: the warm start has {len(net.history)} epochs behind it, and "
            f"max_epochs={params['max_epochs']!r} asks for no more. Raise max_epochs.",
            UserWarning,
            stacklevel=2,
        )
        return
    x, x_valid = _as_tensor(X), None
    if early_stopping:
        x, x_valid = _split(x, params["validation_fraction"], net.generator_)
    n_steps = n_epochs * -(-len(x) // net.batch_size)
    session: list[Any] = []
    if early_stopping:
        patience = params["n_iter_no_change"]
        # absolute, as a negative loss (a density) would turn a relative threshold around
        session.append(
            EarlyStopping(patience=patience, threshold_mode="abs", load_best=True, sink=_silent)
        )
    elif not _has_scheduler(net):
        session.append(OneCycle(net.lr, n_steps))
    if params["verbose"]:
        session.append(ProgressBar(n_steps))
    _run(net, x, x_valid, n_epochs, session)


def train_one_pass(net: VAENet, X: np.ndarray, *_) -> None:
    """Train for one epoch at the constant learning rate."""
    set_learning_rate(net, net.lr)
    _run(net, _as_tensor(X), None, 1, [])


def _run(net, x, x_valid, n_epochs: int, session: list[Any]) -> None:
    net.max_epochs = n_epochs
    net.train_split = None if x_valid is None else predefined_split(Dataset(x_valid))
    lasting = net.callbacks_
    net.callbacks_ = [*lasting, *((type(callback).__name__, callback) for callback in session)]
    try:
        net.partial_fit(Dataset(x))
    finally:
        net.callbacks_, net.train_split = lasting, None
    net.module_.eval()
    _settle_interruption(net)


def _settle_interruption(net: VAENet) -> None:
    """Drop an epoch that Ctrl-C cut short from the history, and say what was kept."""
    if not net.interrupted_:
        return
    net.interrupted_ = False
    unfinished = "dur" not in net.history[-1]
    if unfinished:
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


def _has_scheduler(net: VAENet) -> bool:
    return any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_)


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
    """Share the memory of X; torch takes none that is read-only, so that is copied."""
    return torch.from_numpy(X if X.flags.writeable else X.copy())


def _silent(*args) -> None:
    pass
