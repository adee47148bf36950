"""The one skorch net: loss, precision, learning rate, history, progress. It holds no data."""

from __future__ import annotations

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, EpochTimer
from skorch.dataset import get_len
from tqdm.auto import tqdm

from skvae._batches import Batches
from skvae._budget import one_cycle
from skvae._random import make_generator

_VALIDATION_SEED = 0  # the same draws at every epoch, so that epochs can be compared


class VAENet(NeuralNet):
    """Trains a built :class:`~skvae._module.VAEModule` by an objective.

    Differs from its parent in what a step is (the objective sees the module and the batch), in how
    an epoch is recorded (means of the objective's named scalars, read once an epoch so that a GPU
    never waits), and in that a loss which is not finite stops it.
    """

    def __init__(self, module, *, objective, seed, autocast_dtype=None, **kwargs):
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
            "weight_decay": getattr(self, "optimizer__weight_decay", 0.0),
        }

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize(self):
        super().initialize()
        self.generator_ = make_generator(self.seed)
        self.noise_generator_ = make_generator(self.seed, self.device)
        self.interrupted_ = False
        self.module = type(self.module_)  # the weights live in module_ alone
        return self

    def get_iterator(self, dataset, training=False):
        return Batches(
            dataset,
            self.batch_size,
            generator=self.generator_ if training else None,
            device=self.device,
        )

    def train_step_single(self, batch, **fit_params):
        x, _ = batch
        epoch = len(self.history) - 1 + self.batches_done_ / self.batches_per_epoch_
        record = self._evaluate(x, epoch, self.noise_generator_)
        record["loss"].backward()
        return record

    def validation_step(self, batch, **fit_params):
        x, _ = batch
        with torch.no_grad():
            return self._evaluate(x, None, self.validation_generator_)

    def _evaluate(self, x, epoch, generator):
        with torch.autocast(
            torch.device(self.device).type,
            dtype=self.autocast_dtype,
            enabled=self.autocast_dtype is not None,
        ):
            record = self.objective(self.module_, x, epoch=epoch, generator=generator)
        if not isinstance(record, dict) or "loss" not in record:
            raise TypeError(
                f"objective={self.objective!r} must return a dict of scalar tensors, 'loss' among "
                f"them, got {record!r}."
            )
        return record

    def fit_loop(self, *args, **kwargs):
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt:  # early stopping raises it too, and the parent swallows both
            self.interrupted_ = not self._stopped_early()
            raise

    def _stopped_early(self):
        callbacks = (callback for _, callback in self.callbacks_)
        stopping = (found for found in callbacks if isinstance(found, EarlyStopping))
        return any(callback.misses_ >= callback.patience for callback in stopping)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        self._set_training(training)
        self.batches_done_, self.batches_per_epoch_ = 0, len(iterator)
        self.validation_generator_ = make_generator(_VALIDATION_SEED, self.device)
        sizes, values = [], None
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            record = step_fn(batch, **fit_params)
            if values is None:  # one block for the epoch: small tensors kept fragment the heap
                values = record["loss"].new_empty(len(iterator), len(record))
            values[self.batches_done_] = torch.stack([part.detach() for part in record.values()])
            sizes.append(get_len(batch[0]))
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
):
    """Build an initialised net around a module; draws from torch's default generator."""
    settings = {"optimizer": optimizer}
    if fused:
        settings["optimizer__fused"] = True
    if weight_decay:
        # biases, noise scales and a learned prior have no reason to be near zero
        free = ("*bias", "likelihood.*", "prior.*")
        settings["optimizer__weight_decay"] = weight_decay
        settings["optimizer__param_groups"] = [(pattern, {"weight_decay": 0.0}) for pattern in free]
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
        **settings,
    )
    return net.initialize()


class OneCycle(Callback):
    """Moves the learning rate through one cycle over a known number of steps."""

    def __init__(self, learning_rate, n_epochs, steps_per_epoch):
        self.learning_rate = learning_rate
        self.n_epochs = n_epochs
        self.steps_per_epoch = steps_per_epoch

    def on_train_begin(self, net, **kwargs):
        # a resumed run has fewer epochs left than the cycle has
        self.steps_done_ = (self.n_epochs - net.max_epochs) * self.steps_per_epoch

    def on_batch_begin(self, net, training=False, **kwargs):
        if not training:
            return
        # half a step ahead: neither the first step nor the last is lost to a rate of zero
        progress = (self.steps_done_ + 0.5) / (self.n_epochs * self.steps_per_epoch)
        set_learning_rate(net, self.learning_rate * one_cycle(progress))
        self.steps_done_ += 1


def set_learning_rate(net, rate):
    for group in net.optimizer_.param_groups:
        group["lr"] = rate


class ProgressBar(Callback):
    """One bar for the whole fit, with the loss, reconstruction and KL of the last epoch."""

    def __init__(self, n_epochs, steps_per_epoch):
        self.n_epochs = n_epochs
        self.steps_per_epoch = steps_per_epoch

    def on_train_begin(self, net, **kwargs):
        done = self.n_epochs - net.max_epochs
        self.bar_ = tqdm(
            total=self.n_epochs * self.steps_per_epoch,
            initial=done * self.steps_per_epoch,
            unit="step",
            desc="fit",
        )

    def on_batch_end(self, net, training=False, **kwargs):
        self.bar_.update(int(training))

    def on_epoch_end(self, net, **kwargs):
        last = net.history[-1]
        shown = {"epoch": last["epoch"]}
        for name in ("loss", "reconstruction", "kl"):
            if f"train_{name}" in last:
                shown[name] = f"{last[f'train_{name}']:.2f}"
        if "valid_loss" in last:
            shown["valid_loss"] = f"{last['valid_loss']:.2f}"
        self.bar_.set_postfix(shown)

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_
