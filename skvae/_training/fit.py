"""Training a net: to its budget or for one pass, with interruptions kept and settled."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from skorch.history import History

from skvae._parts import LikelihoodModule
from skvae._random import make_generator
from skvae._rows.arrays import has_gaps
from skvae._rows.batches import (
    TrainingRows,
    draw,
    n_batches,
    n_drawn,
    resident,
)
from skvae._rows.source import SlicedRows, Source
from skvae._training.budget import pseudo_row_share, warmup_epochs
from skvae._training.callbacks import (
    FitCallback,
    OneCycle,
    Progress,
    is_a,
    refuse_monitors_of_validation,
)
from skvae._training.net import VAENet
from skvae._training.processes import Processes, processes
from skvae._training.pseudo_rows import pseudo_rows

_SPARSE = 0.1  # share of values that are not zero
_LEAST_KL = 1e-2  # nats per latent dimension
_LEAST_CORRELATION = 0.3  # independent features leave nothing to encode
_LEAST_Z = 5.0  # of the correlation, so that among thousands of pairs none passes by chance
_LEAST_STEPS = 250
_MOST_ROWS, _MOST_COLUMNS = 2000, 200
_DEFAULT_HANDLERS: dict[int, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


def train(net: VAENet, X: Any, epochs_before: int, shares: np.ndarray | None = None) -> None:
    """Train up to `max_epochs`: one learning-rate cycle, or early stopping.

    `epochs_before` is the number of epochs before this run, which may itself be half done. `shares`
    are the shares of the epochs in which the rows take part; None is all of them.
    """
    settings = net.settings
    if settings.max_epochs <= epochs_before:
        warnings.warn(
            f"No training was done: the model has {epochs_before} epochs behind it, and "
            f"max_epochs={settings.max_epochs} allows no more. Raise max_epochs.",
            UserWarning,
            stacklevel=2,
        )
        return
    x, x_valid = _as_tensor(X), None
    callbacks = [one for one in settings.callbacks if not is_a(one, FitCallback)]
    if settings.patience is not None:
        x, shares, x_valid = _split(x, shares, settings.validation_fraction, settings.seed)
        # absolute, as a negative loss (of a density) would turn a relative threshold around
        stopping = EarlyStopping(
            patience=settings.patience, threshold_mode="abs", load_best=True, sink=_silent
        )
        callbacks.append(stopping)
    elif not any(is_a(one, LRScheduler) for one in callbacks):
        callbacks.append(OneCycle(settings.lr, epochs_before, settings.max_epochs))
    callbacks += [one for one in settings.callbacks if is_a(one, FitCallback)]
    if settings.verbose and processes().rank == 0:
        steps_per_epoch = n_batches(n_drawn(x, shares), settings.batch_size)
        callbacks.append(Progress(epochs_before, settings.max_epochs, steps_per_epoch))
    with _aids_of_a_fit(net, TrainingRows(_as_rows(x), shares=shares)):
        _run(net, x, shares, x_valid, settings.max_epochs, callbacks)
    sample = TrainingRows(X).sample()
    _warn_of_collapse(sample, net.history, net.module_.parts.n_components)


@contextmanager
def _aids_of_a_fit(net: VAENet, rows: TrainingRows) -> Iterator[None]:
    """Lend the net its pseudo-rows and the length of the warm-up, which belong to the run."""
    settings, module = net.settings, net.module_
    share = pseudo_row_share(rows.n_rows, rows.X.shape[1], module.parts.n_components)
    if settings.pseudo_rows and share:
        net.pseudo_rows = pseudo_rows(module, rows.drawn(), share)
    module.warmup_epochs = warmup_epochs(
        settings.max_epochs,
        settings.patience is not None,
        module.parts.n_classes > 0 or _may_collapse(module.likelihood, rows),
    )
    try:
        yield
    finally:
        net.pseudo_rows, module.warmup_epochs = None, 0.0


def train_one_pass(net: VAENet, X: Any, shares: np.ndarray | None = None) -> None:
    """Train for one epoch at the constant learning rate."""
    n_epochs = len(net.history) + 1
    callbacks = [one for one in net.settings.callbacks if not is_a(one, FitCallback)]
    _run(net, _as_tensor(X), shares, None, n_epochs, callbacks)


def _run(
    net: VAENet,
    x: torch.Tensor | Source,
    shares: np.ndarray | None,
    x_valid: torch.Tensor | Source | None,
    max_epochs: int,
    callbacks: Sequence[Any],
) -> None:
    if x_valid is None:
        refuse_monitors_of_validation(callbacks)
    net.set_callbacks(callbacks)
    net.set_learning_rate(net.lr)  # an earlier cycle may have left it at zero
    net.max_epochs, net.interrupted_ = max_epochs, False
    net.module_.n_rows = n_drawn(x, shares)
    _join_processes(net, x)
    net.module_.trains_without_gaps = not any(
        has_gaps(_as_rows(part)) for part in (x, x_valid) if part is not None
    )
    if x_valid is not None:
        net.train_split = predefined_split(_dataset(x_valid, net.device))
    try:
        with _signals_interrupt(net.processes):
            net.partial_fit(_dataset(x, net.device, shares))
    finally:
        net.train_split, net.processes, net.module_.part = None, Processes(), None
        net.set_callbacks(())  # they belong to the run, and may hold what cannot be copied
    net.module_.eval()
    _settle_interruption(net)
    net.check_weights()


def _join_processes(net: VAENet, x: torch.Tensor | Source) -> None:
    """Let the net train with those of other processes, if there are any, on the same rows."""
    net.processes = processes()
    if net.processes.size == 1:
        return
    net.processes.check_rows(TrainingRows(_as_rows(x)).sample(), len(x), net.device)
    if net.processes.rank:
        torch.manual_seed(net.settings.seed + net.processes.rank)  # dropout of its own


def _dataset(x: torch.Tensor | Source, device: str, shares: np.ndarray | None = None) -> Dataset:
    """Return the rows as skorch takes them, on the device if they fit there."""
    return Dataset(resident(x, device), shares, length=len(x))


def _settle_interruption(net: VAENet) -> None:
    """Drop an epoch that a signal cut short from the history, and tell what was kept."""
    if not net.interrupted_:
        return
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


def _may_collapse(likelihood: LikelihoodModule, rows: TrainingRows) -> bool:
    """Return whether rows tell little about latent vectors at first: heavy tails, or few counts."""
    if likelihood.heavy_tailed or likelihood.support is None:
        return likelihood.heavy_tailed
    X = rows.sample()
    n_missing = np.count_nonzero(np.isnan(X)) if has_gaps(X) else 0
    return bool(np.count_nonzero(X) - n_missing < _SPARSE * (X.size - n_missing))


def _warn_of_collapse(X: np.ndarray, history: History, n_components: int) -> None:
    """Warn if all dimensions have collapsed onto the prior and features are correlated.

    A few steps of training may not have left the prior yet, which is not a collapse.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    history : skorch.history.History
        With the KL divergence of the last epoch, unless the objective does not record it.
    n_components : int
        Number of latent dimensions.
    """
    n_steps = sum(epoch["train_batch_count"] for epoch in history)
    kl = history[-1].get("train_kl", np.inf)
    if n_steps < _LEAST_STEPS or kl >= _LEAST_KL * n_components or not _features_depend(X):
        return
    warnings.warn(
        f"All {n_components} latent dimensions have collapsed onto the prior (KL divergence "
        f"{max(kl, 0.0):.2g} nats per row), so that embeddings are constant and sampled features "
        "independent, although features of X are correlated. Try objective=ELBO(warmup=...) with "
        "half of the epochs, ELBO(free_bits=0.1), more epochs, or the logarithm of columns with a "
        "heavy tail.",
        ConvergenceWarning,
        stacklevel=2,
    )


def _features_depend(X: np.ndarray) -> bool:
    """Return whether the ranks of two features are correlated, on a sample of rows and columns."""
    rows = X[:: -(-len(X) // _MOST_ROWS), :: -(-X.shape[1] // _MOST_COLUMNS)]
    observed = ~np.isnan(rows)
    ranks = rows.argsort(axis=0, kind="stable").argsort(axis=0)
    ranks = np.where(observed, ranks, (observed.sum(axis=0) - 1) / 2)
    ranks = ranks[:, np.fmin.reduce(rows) < np.fmax.reduce(rows)]
    if ranks.shape[1] < 2:
        return False
    correlations = np.corrcoef(ranks, rowvar=False)
    largest = np.abs(np.triu(correlations, 1)).max()
    return bool(largest >= max(_LEAST_CORRELATION, _LEAST_Z / np.sqrt(len(rows))))


def _split(
    x: Any, shares: np.ndarray | None, fraction: float, seed: int
) -> tuple[Any, np.ndarray | None, Any]:
    """Return the rows to train on, their shares of the epochs, and rows for validation."""
    n_valid = max(1, round(fraction * len(x)))
    if n_valid >= len(x):
        raise ValueError(
            f"validation_fraction={fraction!r} of {len(x)} rows leaves none to train on. Lower it, "
            "or set early_stopping=False."
        )
    order = torch.randperm(len(x), generator=make_generator(seed))
    trained, valid = order[n_valid:], order[:n_valid]
    if isinstance(x, SlicedRows):  # whose neighbouring rows are read together
        trained, valid = trained.sort().values, valid.sort().values
    if shares is None:
        return _taken(x, trained), None, _taken(x, valid)
    shares_of_valid = shares[valid.numpy()]
    drawn = draw(shares_of_valid, n_drawn(valid, shares_of_valid))
    valid = valid[torch.from_numpy(drawn)]
    return _taken(x, trained), shares[trained.numpy()], _taken(x, valid)


def _taken(x: torch.Tensor | Source, places: torch.Tensor) -> torch.Tensor | Source:
    return x.take(places.numpy()) if isinstance(x, Source) else x[places]


def _as_rows(x: torch.Tensor | Source) -> Any:
    return x if isinstance(x, Source) else x.numpy()


def _as_tensor(X: Any) -> torch.Tensor | Source:
    """Share the memory of X, read-only or not: a worker's memory map is not copied."""
    if isinstance(X, Source):
        return X
    with warnings.catch_warnings():
        # torch warns of tensors on read-only memory, as writing to one would crash; nothing does
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(X)


@contextmanager
def _signals_interrupt(group: Processes) -> Iterator[None]:
    """Turn the first SIGTERM inside the block into KeyboardInterrupt; a second one kills.

    A process that handles or ignores SIGTERM is left alone, and so is a worker, whose pool waits
    for it to end. Of several processes that train together, all are interrupted after the same
    step, by SIGINT (Ctrl-C) as well.
    """

    def interrupt(number: int, frame: Any) -> None:
        signal.signal(number, _DEFAULT_HANDLERS[number])
        if group.size == 1:
            raise KeyboardInterrupt
        group.is_to_stop = True

    numbers = [signal.SIGTERM] if group.size == 1 else list(_DEFAULT_HANDLERS)
    taken = [number for number in numbers if _is_ours(number)]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, _DEFAULT_HANDLERS[number])


def _is_ours(number: int) -> bool:
    return (
        threading.current_thread() is threading.main_thread()
        and multiprocessing.parent_process() is None
        and signal.getsignal(number) == _DEFAULT_HANDLERS[number]
    )


def _silent(*args: Any) -> None:
    pass
