"""Callbacks of a training run: the learning-rate cycle, the progress bar, and their contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from skorch.callbacks import Callback
from tqdm.auto import tqdm  # type: ignore[import-untyped]

from skvae._training.budget import one_cycle


class Start(NamedTuple):
    """Where a fit starts: its seed, and the epochs behind the module before this fit."""

    seed: int
    epochs_before: int


class FitCallback(Callback):
    """A skorch callback of `fit` alone, which is also called before the fit begins.

    During training it comes after early stopping, whose state it may read. It takes no part in
    `partial_fit`.
    """

    def on_fit_begin(self, estimator: Any, X: np.ndarray, start: Start) -> Start:
        """Return where the fit is to start; by default where it would anyway.

        Parameters
        ----------
        estimator : object
            The estimator, whose parameters are valid.
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        start : Start
            Where the fit would start.

        Returns
        -------
        start : Start
        """
        return start


def is_a(callback: Any, kind: type) -> bool:
    """Return whether a callback is of a kind: an object, a class, or a pair of a name and one."""
    callback = without_name(callback)
    return issubclass(callback if isinstance(callback, type) else type(callback), kind)


def without_name(callback: Any) -> Any:
    """Return the callback of a pair of a name and a callback, and any other as it is."""
    return callback[-1] if isinstance(callback, tuple) and callback else callback


def refuse_monitors_of_validation(callbacks: Iterable[Any]) -> None:
    """Refuse callbacks that monitor a loss of validation rows, for a run without such rows.

    Raises
    ------
    ValueError
        Naming the callback and what it monitors.
    """
    for callback in map(without_name, callbacks):
        own = callback() if isinstance(callback, type) else callback
        monitored = vars(own).get("monitor")
        if isinstance(monitored, str) and monitored.startswith("valid_"):
            raise ValueError(
                f"{type(own).__name__} among the 'callbacks' monitors {monitored!r}, but no rows "
                "are set aside for validation. Set early_stopping=True, which sets some aside in "
                f"fit, or monitor={monitored.replace('valid_', 'train_', 1)!r}."
            )


class OneCycle(Callback):
    """Moves the learning rate through one cycle between two epochs, counted from the first ever."""

    def __init__(self, learning_rate: float, first_epoch: int, last_epoch: int):
        self.learning_rate = learning_rate
        self.first_epoch = first_epoch
        self.last_epoch = last_epoch

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if not training:
            return
        # half a step ahead: neither the first step nor the last is lost to a rate of zero
        epoch = net.epochs_done + 0.5 / net.batches_per_epoch_
        progress = (epoch - self.first_epoch) / (self.last_epoch - self.first_epoch)
        net.set_learning_rate(self.learning_rate * one_cycle(progress))


class ProgressBar(Callback):
    """One bar for the whole fit, with the loss, reconstruction and KL of the last epoch."""

    def __init__(self, first_epoch: int, last_epoch: int, steps_per_epoch: int):
        self.first_epoch = first_epoch
        self.last_epoch = last_epoch
        self.steps_per_epoch = steps_per_epoch

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.bar_ = tqdm(
            total=(self.last_epoch - self.first_epoch) * self.steps_per_epoch,
            initial=(len(net.history) - self.first_epoch) * self.steps_per_epoch,
            unit="step",
            desc="fit",
        )

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        self.bar_.update(int(training))

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last = net.history[-1]
        shown = {"epoch": last["epoch"]}
        for name in ("loss", "reconstruction", "kl"):
            if f"train_{name}" in last:
                shown[name] = f"{last[f'train_{name}']:.2f}"
        if "valid_loss" in last:
            shown["valid_loss"] = f"{last['valid_loss']:.2f}"
        self.bar_.set_postfix(shown)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        self.bar_.close()
        del self.bar_
