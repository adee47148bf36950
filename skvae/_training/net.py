"""The one skorch net: a step, an epoch's record, and the state of a run. It holds no data."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer, LRScheduler
from skorch.history import History
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import clip_grad_norm_

from skvae._model.module import VAEModule, check_weights
from skvae._random import make_generator
from skvae._rows.batches import Batches, Part
from skvae._training.optimizers import AdamW
from skvae._training.processes import Processes
from skvae._training.pseudo_rows import PseudoRows
from skvae._training.resume import (
    EARLY_STOPPING_STATE,
    check_early_stopping,
    check_generator,
    check_optimizer,
    check_resumable,
    check_schedule,
    names_of,
)

_VALIDATION_SEED = 0  # the same draws at every epoch, so that epochs can be compared

# Healthy fits stay below 2e7, reached with noise fixed at a thousandth of the range; others stayed
# below 4e3. Larger gradients would square to values beyond the range of float32 in Adam.
LARGEST_GRADIENT = 1e8


@dataclass(frozen=True)
class Settings:
    """How a module is trained, every "auto" resolved, under skorch's names where it has one.

    `max_epochs` counts all epochs that the module has ever been trained for. `patience` is the
    number of epochs without improvement that ends training; None trains without early stopping.
    `pseudo_rows` tells whether a table may be given some if it has too few rows.
    """

    objective: Any
    seed: int
    max_epochs: int
    batch_size: int
    lr: float
    optimizer: type[torch.optim.Optimizer]
    weight_decay: float
    pseudo_rows: bool
    precision: str
    device: str
    callbacks: tuple[Any, ...] = ()
    patience: int | None = None
    validation_fraction: float = 0.1
    verbose: int = 0
    classifier_decay: float | None = None  # None is `weight_decay`


class VAENet(NeuralNet):
    """Trains a built :class:`~skvae._model.module.VAEModule` by an objective.

    It differs from its parent in what a step is (the objective sees the module and the batch), in
    how an epoch is recorded (means of the objective's named scalars, read once per epoch so that a
    GPU never waits), in that `max_epochs` counts earlier epochs too, and in that a loss which is
    not finite stops it.
    """

    def __init__(self, module: VAEModule, settings: Settings):
        fused = {"optimizer__fused": True} if settings.optimizer is AdamW else {}
        super().__init__(
            module,
            criterion=torch.nn.Identity,  # the objective is the loss
            optimizer=settings.optimizer,
            lr=settings.lr,
            max_epochs=settings.max_epochs,
            batch_size=settings.batch_size,
            iterator_train=Batches,
            iterator_valid=Batches,
            train_split=None,
            device=settings.device,
            verbose=0,
            **fused,
        )
        self.settings = settings
        self.pseudo_rows: PseudoRows | None = None
        self.processes = Processes()
        self._named_weights: list[tuple[str, nn.Parameter]] = []  # during a run

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [("epoch_timer", EpochTimer())]

    def initialize(self) -> VAENet:
        super().initialize()
        self.generator_ = make_generator(self.settings.seed)
        self.noise_generator_ = make_generator(self.settings.seed, self.device)
        self.interrupted_ = False
        self.module = type(self.module_)  # the weights live in module_ alone
        return self

    def set_callbacks(self, callbacks: Iterable[Any]) -> None:
        """Replace all callbacks but the timer."""
        self.callbacks = list(callbacks) or None
        self.initialize_callbacks()

    def callbacks_of(self, kind: type) -> list[Any]:
        """Return the callbacks of a kind."""
        return [callback for _, callback in self.callbacks_ if isinstance(callback, kind)]

    def get_params_for_optimizer(self, prefix: str, named_parameters: Any) -> tuple[Any, Any]:
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        if self.settings.weight_decay:
            kwargs["weight_decay"] = self.settings.weight_decay
            args = (_decay_groups(self.module_, self.settings),)
        return args, kwargs

    def get_iterator(self, dataset: Any, training: bool = False) -> Batches:
        return Batches(
            dataset,
            self.batch_size,
            generator=self.generator_ if training else None,
            device=self.device,
        )

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of all parameters for the next steps."""
        for group in self.optimizer_.param_groups:
            group["lr"] = rate

    @property
    def epochs_done(self) -> float:
        """Epochs trained so far, counted in fractions while one is under way."""
        return len(self.history) - 1 + self.batches_done_ / self.batches_per_epoch_

    def get_all_learnable_params(self) -> Iterator[tuple[str, nn.Parameter]]:
        return iter(self._named_weights or self.module_.named_parameters())

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        x, _ = batch
        if self.pseudo_rows is not None:
            x = self.pseudo_rows.mix_in(x, self.noise_generator_)
        part = self.processes.part_of(len(x)) if self.processes.size > 1 else None
        with self._errors_of_single_rows(x):
            record = self._evaluate(x, self.epochs_done, self.noise_generator_, part)
        if part is not None:
            record = {name: part.weight * value for name, value in record.items()}
        record["loss"].backward()
        weights = [weights for _, weights in self._named_weights]
        self.processes.add_up_gradients(weights)
        limit_gradients(weights)
        return {name: part.detach() for name, part in record.items()}  # the graph is in the way

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        x, _ = batch
        with torch.no_grad():
            return self._evaluate(x, None, self.validation_generator_)

    def _evaluate(
        self,
        x: Tensor,
        epoch: float | None,
        generator: torch.Generator,
        part: Part | None = None,
    ) -> dict[str, Tensor]:
        x = self.module_.redraw(x, generator)
        self.module_.part = part
        if part is not None:
            x = x[part.rows]
        objective = self.settings.objective
        with self._autocast():
            record = objective(self.module_, x, epoch=epoch, generator=generator)
        if not isinstance(record, dict) or "loss" not in record:
            raise TypeError(
                f"objective={objective!r} must return a dict of scalar tensors that includes "
                f"'loss', got {record!r}."
            )
        return record

    @contextmanager
    def _errors_of_single_rows(self, x: Tensor) -> Iterator[None]:
        """Explain an error that batch normalisation raises for a batch of a single row."""
        try:
            yield
        except ValueError as exc:
            if len(x) > 1 or not any(
                isinstance(part, _BatchNorm) for part in self.module_.modules()
            ):
                raise
            raise ValueError(
                "The network has batch normalisation, which cannot be trained on a batch of one "
                "row. Pass two rows or more to 'partial_fit', set 'batch_size' to 2 or more, and "
                "leave two rows or more to train on if 'early_stopping' sets some aside."
            ) from exc

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    def fit_loop(self, X: Any, y: Any = None, epochs: Any = None, **fit_params: Any) -> VAENet:
        n_epochs = self.max_epochs - len(self.history)
        self._named_weights = list(self.module_.named_parameters())  # a walk per step is slow
        try:
            return super().fit_loop(X, y, epochs=max(0, n_epochs), **fit_params)
        except KeyboardInterrupt:  # early stopping raises it too, and the parent swallows both
            stopping = self.callbacks_of(EarlyStopping)
            self.interrupted_ = not any(part.misses_ >= part.patience for part in stopping)
            raise
        finally:
            self._named_weights = []

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        if iterator is None:
            return
        if self.module_.training is not training:
            self._set_training(training)
        self.batches_done_, self.batches_per_epoch_ = 0, len(iterator)
        if not training:
            self.validation_generator_ = make_generator(_VALIDATION_SEED, self.device)
        sizes: list[int] = []
        values: Tensor | None = None
        record: dict[str, Tensor] = {}
        for batch in iterator:
            self.history.new_batch()  # where callbacks write
            self.notify("on_batch_begin", batch=batch, training=training)
            record = step_fn(batch, **fit_params)
            if values is None:  # one block for the epoch: small tensors would fragment the heap
                values = record["loss"].new_empty(len(iterator), len(record))
            values[self.batches_done_] = torch.stack(list(record.values()))
            sizes.append(len(batch[0]))
            self.batches_done_ += 1
            self.notify("on_batch_end", batch=batch, training=training, y_pred=None, **record)
        assert values is not None  # there is at least one batch
        if training:
            self.processes.add_up(values)  # of which each has its weighted part
        else:
            self.processes.copy_from_first(values)
        self._record_epoch(prefix, list(record), values, sizes)

    def _record_epoch(
        self, prefix: str, names: list[str], values: Tensor, sizes: list[int]
    ) -> None:
        rows = values.cpu().double().numpy()
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            phase = "training" if prefix == "train" else "validation"
            self._stop_diverged(f"{phase} loss", int(finite.argmin()) + 1)
        means = np.asarray(sizes) @ rows / sum(sizes)
        epoch = next(reversed(self.history))  # an index would be parsed
        epoch.update(zip([f"{prefix}_{name}" for name in names], means.tolist(), strict=True))
        best = self._best_loss(prefix)
        epoch[f"{prefix}_loss_best"] = epoch[f"{prefix}_loss"] <= best  # for callbacks
        epoch[f"{prefix}_batch_count"] = len(sizes)

    def _best_loss(self, prefix: str) -> float:
        """Return the lowest loss of the earlier epochs, which the last best of them has."""
        for row in reversed(self.history):
            if row.get(f"{prefix}_loss_best"):
                return row[f"{prefix}_loss"]
        return math.inf

    def check_weights(self) -> None:
        """Refuse weights that the last step broke, which no later loss would show."""
        if not all(weights.isfinite().all() for weights in self.module_.parameters()):
            self._stop_diverged("weights", self.history[-1, "train_batch_count"])

    def _stop_diverged(self, what: str, step: int) -> NoReturn:
        raise FloatingPointError(
            f"The {what} became NaN or infinite at epoch {len(self.history)}, step {step}. The "
            f"likely cause is a learning rate that is too large (learning_rate={self.lr:g}) or "
            "values of X far outside the rest. Lower learning_rate, or look at the extremes of X; "
            "the estimator is as it was before."
        )

    def run_state(self) -> dict[str, Any]:
        """Return what a run needs to continue, beside weights and history, as plain values."""
        return {
            "optimizer": self.optimizer_.state_dict(),
            "random_state": self._random_state(),
            "early_stopping": [
                {name: getattr(stopping, name) for name in EARLY_STOPPING_STATE}
                for stopping in self.callbacks_of(EarlyStopping)
            ],
            "schedules": [dict(schedule.state_dict()) for schedule in self._schedules()],
        }

    def check_resumable(self) -> None:
        """Refuse an optimiser from whose state a fit could not continue.

        Raises
        ------
        ValueError
            Naming the optimiser.
        """
        n_steps = sum(epoch["train_batch_count"] for epoch in self.history_)
        check_resumable(self.optimizer_, n_steps, scheduled=bool(self._schedules()))

    def restore_run(self, state: dict[str, Any]) -> set[str]:
        """Continue from what `run_state` returned, after the epochs of the history.

        Returns
        -------
        stateless : set of str
            Names of the weights that the optimiser has not trained yet.

        Raises
        ------
        ValueError
            If the callbacks that stop training or schedule the learning rate are not as many as
            they were, or the state is not one that this fit would have written.
        """
        stoppings, schedules = self.callbacks_of(EarlyStopping), self._schedules()
        _check_number("EarlyStopping callbacks", len(state["early_stopping"]), len(stoppings))
        _check_number("learning-rate schedulers", len(state["schedules"]), len(schedules))
        n_steps = sum(epoch["train_batch_count"] for epoch in self.history_)
        stateless = check_optimizer(
            self.optimizer_, state["optimizer"], n_steps, scheduled=bool(schedules)
        )
        for stopping, before in zip(stoppings, state["early_stopping"], strict=True):
            check_early_stopping(stopping, before, self.history_[state["epochs_before"] :])
            if before["best_model_weights_"] is not None:
                check_weights(self.module_, before["best_model_weights_"])
        for schedule, before in zip(schedules, state["schedules"], strict=True):
            check_schedule(schedule, before)
        rate = self.optimizer_.param_groups[0]["lr"]
        self.optimizer_.load_state_dict(state["optimizer"])
        if not schedules:
            self.set_learning_rate(rate)
        self._set_random_state(state["random_state"])
        for stopping, before in zip(stoppings, state["early_stopping"], strict=True):
            vars(stopping).update(before)
        for schedule, before in zip(schedules, state["schedules"], strict=True):
            schedule.load_state_dict(before)
        return names_of(self.optimizer_, self.module_, stateless)

    def _schedules(self) -> list[torch.optim.lr_scheduler.LRScheduler]:
        return [callback.lr_scheduler_ for callback in self.callbacks_of(LRScheduler)]

    def _random_state(self) -> dict[str, Any]:
        """Return the states of all generators that training draws from."""
        device = torch.device(self.device)
        return {
            "device": device.type,
            "rows": self.generator_.get_state(),
            "noise": self.noise_generator_.get_state(),
            "torch": torch.default_generator.get_state(),  # dropout, and a user's own parts
            "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def _set_random_state(self, states: dict[str, Any]) -> None:
        device = torch.device(self.device)
        check_generator(states["rows"], self.generator_)
        check_generator(states["torch"], torch.default_generator)
        self.generator_.set_state(states["rows"])
        torch.default_generator.set_state(states["torch"])
        if states["device"] == device.type:  # a generator of another device has another state
            self.noise_generator_.set_state(states["noise"])
            if device.type == "cuda":
                torch.cuda.set_rng_state(states["cuda"], device)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "noise_generator_" in state:  # that of a GPU could not be read without one
            state["noise_generator_"] = self.noise_generator_.get_state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        noise = state.get("noise_generator_")
        if noise is not None:
            self.noise_generator_ = make_generator(self.settings.seed, self.device)
            if len(noise) == len(self.noise_generator_.get_state()):  # else of another device
                self.noise_generator_.set_state(noise)


def limit_gradients(weights: Iterable[nn.Parameter]) -> None:
    """Scale all gradients down if their norm is above the limit."""
    weights = [one for one in weights if one.grad is not None]
    on_gpu = any(one.is_cuda for one in weights)  # where waiting for the norm costs more
    if on_gpu or _norm_of_gradients(weights) > LARGEST_GRADIENT:
        clip_grad_norm_(weights, LARGEST_GRADIENT)


def _norm_of_gradients(weights: Iterable[nn.Parameter]) -> float:
    norms = [torch.linalg.vector_norm(one.grad) for one in weights]
    return float(torch.stack(norms).norm())


def new_net(module: VAEModule, settings: Settings, history: History | None = None) -> VAENet:
    """Build a net around a module, which may have a history of training already."""
    net = VAENet(module, settings).initialize()
    if history is not None:
        net.history_ = copy.deepcopy(history)
    return net


def copy_net(net: VAENet, settings: Settings) -> VAENet:
    """Copy a net to train it further, so that a failure leaves the original as it was.

    The objective is copied as well, as a user's own may keep state; callbacks are not, as they may
    hold what cannot be copied.
    """
    settings = replace(settings, objective=copy.deepcopy(net.settings.objective))
    net = copy.deepcopy(net, {id(net.settings): settings})
    net.lr, net.batch_size = settings.lr, settings.batch_size
    return net


def _check_number(kind: str, before: int, now: int) -> None:
    if before != now:
        raise ValueError(
            f"The checkpoint was written with {before} {kind} among the callbacks, but "
            f"'callbacks' now has {now}. Pass callbacks like those of the fit that was "
            "interrupted, or start anew with resume=False."
        )


def _decay_groups(module: VAEModule, settings: Settings) -> list[dict[str, Any]]:
    """Separate the weights that decay from biases, gains, noise scales and a learned prior.

    Those of a classifier decay at a rate of their own.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    of_classifier = settings.classifier_decay
    for name, weights in module.named_parameters():
        decay = settings.weight_decay
        if weights.ndim < 2 or name.startswith(("likelihood.", "prior.")):
            decay = 0.0
        elif name.startswith("classifier.") and of_classifier is not None:
            decay = of_classifier
        groups.setdefault(decay, []).append(weights)
    return [{"params": weights, "weight_decay": decay} for decay, weights in groups.items()]
