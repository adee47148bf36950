"""skorch: a `NeuralNet` with its own DataLoader, whose `get_loss` adds the KL divergence."""

import torch
from _protocol import main
from _torch_networks import VAE, kl_divergence, tensor_model
from skorch import NeuralNet
from skorch.callbacks import Callback


class VAENet(NeuralNet):
    def get_loss(self, y_pred, y_true, X=None, training=False):
        logits, mean, log_var = y_pred
        cross_entropy = super().get_loss(logits, X, training=training)
        return (cross_entropy + kl_divergence(mean, log_var)) / len(logits)


class AfterEpoch(Callback):
    def __init__(self, after_epoch):
        self.after_epoch = after_epoch

    def on_epoch_end(self, net, **kwargs):
        self.after_epoch(as_model(net))


def train(X, job, after_epoch):
    torch.manual_seed(job["seed"])
    net = VAENet(
        VAE,
        module__network=job["network"],
        module__n_components=job["n_components"],
        criterion=torch.nn.BCEWithLogitsLoss(reduction="sum"),
        optimizer=torch.optim.Adam,
        lr=job["learning_rate"],
        batch_size=job["batch_size"],
        max_epochs=job["epochs"],
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[AfterEpoch(after_epoch)],
        verbose=0,
    )
    return as_model(net.fit(X, None))


def as_model(net):
    return tensor_model(net.module_.encode, net.module_.decoder)


if __name__ == "__main__":
    main(train, "skorch", "torch")
