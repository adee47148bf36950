"""The one skorch net: loss, precision, optimiser, history. It holds no data."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer
from skorch.utils import TeeGenerator

from skvae._compiled import compiled
from skvae._random import make_generator
from skvae._rows.batches import Batches
from skvae._training.callbacks import callbacks_of
from skvae._training.optimizers import LIGHT, clip_gradients, light
from skvae._training.precision import WorkingCopy

_VALIDATION_SEED = 0  # the same draws at every epoch, so that epochs can be compared
_EVENTS_OF_A_STEP = ("on_batch_begin", "on_grad_computed", "on_batch_end")


class VAENet(NeuralNet):
    """Trains a built :class:`~skvae._model.module.VAEModule` by an objective.

    Differs from its parent in what a step is (the objective sees the module and the batch), in how
    an epoch is recorded (means of the objective's named scalars, read once an epoch so that a GPU
    never waits), and in that a loss which is not finite stops it.
    """

    def __init__(
        self,
        module,
        *,
        objective,
        seed,
        autocast_dtype=None,
        weight_decay=0.0,
        compiled=False,
        **kwargs,
    ):
        super().__init__(
            module,
            criterion=torch.nn.Identity,  # the objective is the loss
            iterator_train=Batches,
            iterator_valid=Batches,
            verbose=0,
            **kwargs,
        )
        self.objective = objective
        self.seed = seed
        self.autocast_dtype = autocast_dtype
        self.weight_decay = weight_decay
        self.compiled = compiled

    def recipe(self):
        """Return what :func:`make_net` needs to build such a net around a module."""
        return {
            "objective": self.objective,
            "seed": self.seed,
            "precision": "float32" if self.autocast_dtype is None else "bfloat16",
            "learning_rate": self.lr,
            "batch_size": self.batch_size,
            "optimizer": self.optimizer,
            "fused": getattr(self, "optimizer__fused", False),
            "weight_decay": self.weight_decay,
        }

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize(self):
        super().initialize()
        self.generator_ = make_generator(self.seed)
        self.noise_generator_ = make_generator(self.seed, self.device)
        self.interrupted_ = False
        self.unheard_ = set()
        self.module = type(self.module_)  # the weights live in module_ alone
        return self

    def initialize_optimizer(self):
        args, kwargs = self.get_params_for_optimizer("optimizer", self.get_all_learnable_params())
        self.optimizer_ = light(self.optimizer)(*args, **kwargs)
        return self

    def get_params_for_optimizer(self, prefix, named_parameters):
        args, kwargs = super().get_params_for_optimizer(prefix, named_parameters)
        if self.weight_decay:
            kwargs["weight_decay"] = self.weight_decay
            args = (_decay_groups(self.module_),)
        return args, kwargs

    def __getstate__(self):
        state = super().__getstate__()
        if "noise_generator_" in state:  # that of a GPU could not be read without one
            state["noise_generator_"] = self.noise_generator_.get_state()
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        noise = state.get("noise_generator_")
        if noise is not None:
            self.noise_generator_ = make_generator(self.seed, self.device)
            if len(noise) == len(self.noise_generator_.get_state()):  # else of another device
                self.noise_generator_.set_state(noise)

    def get_iterator(self, dataset, training=False):
        return Batches(
            dataset,
            self.batch_size,
            generator=self.generator_ if training else None,
            device=self.device,
        )

    def train_step(self, batch, **fit_params):
        """Make one step; without the parent's bookkeeping of closures that are called again."""
        if not isinstance(self.optimizer_, LIGHT):
            return super().train_step(batch, **fit_params)
        self.optimizer_.zero_grad()
        record = self.train_step_single(batch, **fit_params)
        if "on_grad_computed" not in self.unheard_:
            parameters = TeeGenerator(self.get_all_learnable_params())
            self.notify("on_grad_computed", named_parameters=parameters, batch=batch, training=True)
        self.optimizer_.step()
        return record

    def notify(self, method_name, **kwargs):
        if method_name not in self.unheard_:
            super().notify(method_name, **kwargs)

    def _events_unheard(self):
        """Return the events of a step that no callback has a method for: telling them costs."""
        return {
            event
            for event in _EVENTS_OF_A_STEP
            if all(_inherits(callback, event) for _, callback in self.callbacks_)
        }

    def train_step_single(self, batch, **fit_params):
        x, _ = batch
        epoch = len(self.history) - 1 + self.batches_done_ / self.batches_per_epoch_
        self.working_copy_.refresh()
        record = self._evaluate(x, epoch, self.noise_generator_)
        record["loss"].backward()
        self.working_copy_.return_gradients()
        clip_gradients(self.module_.parameters())
        return record

    def validation_step(self, batch, **fit_params):
        x, _ = batch
        with torch.no_grad():
            return self._evaluate(x, None, self.validation_generator_)

    def _evaluate(self, x, epoch, generator):
        if hasattr(self.module_.likelihood, "redraw"):
            x = self.module_.likelihood.redraw(x, generator)
        with self._autocast():
            record = self.objective(self.working_copy_.module, x, epoch=epoch, generator=generator)
        if not isinstance(record, dict) or "loss" not in record:
            raise TypeError(
                f"objective={self.objective!r} must return a dict of scalar tensors, 'loss' among "
                f"them, got {record!r}."
            )
        return record

    def _autocast(self):
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=self.autocast_dtype)

    def fit_loop(self, *args, **kwargs):
        self.unheard_ = self._events_unheard()
        self.working_copy_ = WorkingCopy(self.module_, self.autocast_dtype)
        if self.compiled:
            self.working_copy_.module = compiled(self.working_copy_.module, self.batch_size)
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt:  # early stopping raises it too, and the parent swallows both
            self.interrupted_ = not self._stopped_early()
            raise
        finally:
            del self.working_copy_

    def _stopped_early(self):
        stopping = callbacks_of(self, EarlyStopping)
        return any(callback.misses_ >= callback.patience for callback in stopping)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        self._set_training(training)
        self.working_copy_.module.train(training)
        self.working_copy_.refresh()
        self.batches_done_, self.batches_per_epoch_ = 0, len(iterator)
        self.validation_generator_ = make_generator(_VALIDATION_SEED, self.device)
        sizes, values = [], None
        for batch in iterator:
            if "on_batch_end" not in self.unheard_:
                self.history.new_batch()  # where skorch's callbacks write
            self.notify("on_batch_begin", batch=batch, training=training)
            record = step_fn(batch, **fit_params)
            if values is None:  # one block for the epoch: small tensors kept fragment the heap
                values = record["loss"].new_empty(len(iterator), len(record))
            values[self.batches_done_] = torch.stack([part.detach() for part in record.values()])
            sizes.append(len(batch[0]))
            self.batches_done_ += 1
            self.notify("on_batch_end", batch=batch, training=training, y_pred=None, **record)
        self._record_epoch(prefix, list(record), values, sizes)

    def _record_epoch(self, prefix, names, values, sizes):
        finite = values.isfinite().all(dim=1)
        if not finite.all():
            phase = "training" if prefix == "train" else "validation"
            self._stop_diverged(f"{phase} loss", int((~finite).nonzero()[0]) + 1)
        weights = torch.tensor(sizes, dtype=values.dtype, device=values.device)
        means = weights @ values / weights.sum()
        for name, mean in zip(names, means.tolist(), strict=True):
            self.history.record(f"{prefix}_{name}", mean)
        self.history.record(f"{prefix}_batch_count", len(sizes))

    def check_weights(self):
        """Refuse weights that the last step broke, which no loss after it could show."""
        if not all(weights.isfinite().all() for weights in self.module_.parameters()):
            self._stop_diverged("weights", self.history[-1, "train_batch_count"])

    def _stop_diverged(self, what, step):
        raise FloatingPointError(
            f"The {what} became NaN or infinite at epoch {len(self.history)}, step {step}. The "
            f"likely cause is a learning rate that is too large (learning_rate={self.lr:g}) or "
            "values of X far outside the rest. Lower learning_rate, or look at the extremes of X; "
            "the estimator is as it was before."
        )


def make_net(
    module,
    *,
    objective,
    seed,
    precision,
    learning_rate,
    batch_size,
    optimizer,
    fused,
    weight_decay,
    device,
    callbacks=None,
    compiled=False,
):
    """Build an initialised net around a module; draws from torch's default generator."""
    settings = {"optimizer": optimizer}
    if fused:
        settings["optimizer__fused"] = True
    net = VAENet(
        module,
        objective=objective,
        seed=seed,
        autocast_dtype=torch.bfloat16 if precision == "bfloat16" else None,
        lr=learning_rate,
        batch_size=batch_size,
        callbacks=callbacks,
        device=device,
        train_split=None,
        weight_decay=weight_decay,
        compiled=compiled,
        **settings,
    )
    return net.initialize()


def _decay_groups(module):
    """Part the weights that decay from biases, gains, noise scales and a learned prior."""
    decaying, free = [], []
    for name, weights in module.named_parameters():
        stays = weights.ndim < 2 or name.startswith(("likelihood.", "prior."))
        (free if stays else decaying).append(weights)
    return [{"params": decaying}, {"params": free, "weight_decay": 0.0}]


def _inherits(callback, event):
    """Tell whether a callback leaves an event to the base class, which ignores it."""
    return getattr(getattr(callback, event), "__func__", None) is getattr(Callback, event)
