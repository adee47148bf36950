"""What goes along with one training run: its learning-rate cycle and its progress bar."""

from __future__ import annotations

from skorch.callbacks import Callback
from tqdm.auto import tqdm

from skvae._training.budget import one_cycle


def callbacks_of(net, kind):
    """Return the callbacks of a net that are of a kind, the user's own among them."""
    return [callback for _, callback in net.callbacks_ if isinstance(callback, kind)]


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
