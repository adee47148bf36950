"""Callbacks of a training run: the learning-rate cycle, the progress, and their contract."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from skorch.callbacks import Callback

from skvae._training.budget import one_cycle

_REFRESH = 0.1  # seconds between two updates of a line
_MOST_LINES = 25  # of a fit, where lines are not overwritten
_SHOWN = {"train_loss": "loss", "train_kl": "KL", "valid_loss": "valid"}


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


class Progress(Callback):
    """The epoch, the losses and the time, in at most 80 columns of stderr.

    A terminal and a notebook show one line, which is overwritten and stays after the fit. Anywhere
    else, such as in a log file, at most 25 lines are written, evenly spaced over the epochs.
    """

    def __init__(self, first_epoch: int, last_epoch: int, steps_per_epoch: int):
        self.first_epoch = first_epoch
        self.last_epoch = last_epoch
        self.steps_per_epoch = steps_per_epoch

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.start_ = self.written_at_ = time.monotonic()
        self.steps_, self.losses_, self.length_ = 0, "", 0
        self.written_epoch_ = len(net.history)

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        self.steps_ += int(training)
        if _overwrites() and time.monotonic() - self.written_at_ > _REFRESH:
            share = (self.steps_ - 1) % self.steps_per_epoch + 1
            self._overwrite(len(net.history), f"  {share / self.steps_per_epoch:>4.0%}")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        last, epoch = net.history[-1], len(net.history)
        shown = {name: last[key] for key, name in _SHOWN.items() if key in last}
        self.losses_ = "".join(f"  {name} {loss:.4g}" for name, loss in shown.items())
        if _overwrites():
            self._overwrite(epoch)
        elif (epoch - self.first_epoch) % self._lines_apart() == 0:
            self._write_line(epoch)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        if _overwrites():
            print(file=sys.stderr, flush=True)
        elif self.written_epoch_ < len(net.history):  # stopped early
            self._write_line(len(net.history))

    def _lines_apart(self) -> int:
        return math.ceil((self.last_epoch - self.first_epoch) / _MOST_LINES)

    def _line(self, epoch: int, share: str = "") -> str:
        minutes, seconds = divmod(int(time.monotonic() - self.start_), 60)
        number = f"{epoch:>{len(str(self.last_epoch))}}/{self.last_epoch}"
        return f"epoch {number}{share}{self.losses_}  {minutes}:{seconds:02}"

    def _overwrite(self, epoch: int, share: str = "") -> None:
        line = self._line(epoch, share)
        print("\r" + line.ljust(self.length_), end="", file=sys.stderr, flush=True)
        self.length_, self.written_at_ = len(line), time.monotonic()

    def _write_line(self, epoch: int) -> None:
        print(self._line(epoch), file=sys.stderr, flush=True)
        self.written_epoch_ = epoch


def _overwrites() -> bool:
    """Return whether a carriage return overwrites the last line of stderr."""
    is_notebook = type(sys.stderr).__module__.startswith("ipykernel")
    return is_notebook or sys.stderr.isatty()
