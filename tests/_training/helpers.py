"""Small models and a callback that several tests of training use; no tests."""

from skorch.callbacks import Callback

from skvae import VAETransformer
from skvae.networks import MLP


def model(**params):
    defaults = {
        "n_components": 3,
        "network": MLP(hidden_layer_sizes=(16,)),
        "max_epochs": 4,
        "batch_size": 64,
        "random_state": 0,
    }
    return VAETransformer(**defaults | params)


class Spy(Callback):
    """Keeps the learning rate of every step, and the loss and size of every batch."""

    def on_train_begin(self, net, **kwargs):
        self.rates, self.losses, self.sizes = [], [], []

    def on_batch_end(self, net, batch=None, training=False, loss=None, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])
            self.losses.append(loss.item())
            self.sizes.append(len(batch[0]))
