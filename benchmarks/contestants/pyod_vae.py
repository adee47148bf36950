"""PyOD: its VAE, an outlier detector, with dense layers of the same sizes.

Its loss is the mean squared error, averaged over the features, plus a KL divergence clamped to a
capacity that is zero by default. That is not an ELBO, so none is compared. Its fit also scores the
training rows.
"""

from _protocol import Model, main
from pyod.models.vae import VAE


def train(X, job, _):
    VAE(
        encoder_neuron_list=[512, 256],
        decoder_neuron_list=[256, 512],
        latent_dim=job["n_components"],
        dropout_rate=0,
        lr=job["learning_rate"],
        batch_size=job["batch_size"],
        epoch_num=job["epochs"],
        random_state=job["seed"],
        verbose=0,
    ).fit(X)
    n_steps = job["epochs"] * (len(X) // job["batch_size"])  # it drops the ragged last batch
    return Model(notes={"n_steps": n_steps})


if __name__ == "__main__":
    main(train, "pyod", "torch")
