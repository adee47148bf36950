"""Pythae: its VAE with networks of the same shape, trained by its pipeline without evaluation set.

The option "trainer" holds further arguments of its trainer's configuration.
"""

import logging
import os
import tempfile

os.environ["TQDM_DISABLE"] = "1"

import torch
from _protocol import main
from _torch_networks import build_decoder, build_encoder, tensor_model
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

logging.disable(logging.CRITICAL)


class Encoder(BaseEncoder):
    def __init__(self, network, n_components):
        super().__init__()
        self.layers = build_encoder(network, n_components)

    def encode(self, x):
        return self.layers(x).chunk(2, dim=1)

    def forward(self, x):
        mean, log_var = self.encode(x)
        return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
    def __init__(self, network, n_components):
        super().__init__()
        self.layers = build_decoder(network, n_components)

    def forward(self, z):
        return ModelOutput(reconstruction=self.layers(z).sigmoid())


class AfterEpoch(TrainingCallback):
    def __init__(self, after_epoch):
        self.after_epoch = after_epoch

    def on_epoch_end(self, training_config, **kwargs):
        self.after_epoch()


def train(X, job, after_epoch):
    torch.manual_seed(job["seed"])
    vae = VAE(
        VAEConfig((X.shape[1],), job["n_components"], reconstruction_loss="bce"),
        encoder=Encoder(job["network"], job["n_components"]),
        decoder=Decoder(job["network"], job["n_components"]),
    )
    model = tensor_model(vae.encoder.encode, vae.decoder.layers)
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=job["epochs"],
            learning_rate=job["learning_rate"],
            per_device_train_batch_size=job["batch_size"],
            seed=job["seed"],
            **job.get("trainer", {}),
        )
        callbacks = [AfterEpoch(lambda: after_epoch(model))]
        TrainingPipeline(vae, config)(X, callbacks=callbacks)
    return model


if __name__ == "__main__":
    main(train, "pythae", "torch")
