"""Keras with `compile` and `fit`, on the backend in the environment variable KERAS_BACKEND."""

import keras
from _protocol import Model, main
from keras import layers, ops


class Sampling(layers.Layer):
    """Draws from the posterior and adds its KL divergence to the loss."""

    def __init__(self, seed):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, posterior):
        mean, log_var = posterior
        kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - log_var - 1, axis=1)
        self.add_loss(ops.mean(kl))
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_var) * noise


def train(X, job, after_epoch):
    keras.utils.set_random_seed(job["seed"])
    encoder = build_encoder(job["network"], job["n_components"])
    decoder = build_decoder(job["network"], job["n_components"])
    rows = keras.Input((784,))
    vae = keras.Model(rows, decoder(Sampling(job["seed"])(encoder(rows))))
    vae.compile(keras.optimizers.Adam(job["learning_rate"]), loss=cross_entropy)
    model = as_model(encoder, decoder)
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: after_epoch(model))
    options = {"epochs": job["epochs"], "batch_size": job["batch_size"], "verbose": 0}
    vae.fit(X, X, callbacks=[callback], **options)
    return model


def build_encoder(network, n_components):
    rows = keras.Input((784,))
    if network == "mlp":
        hidden = layers.Dense(512, activation="relu")(rows)
    else:
        hidden = layers.Reshape((28, 28, 1))(rows)
        for n_maps in (32, 64):
            convolve = layers.Conv2D(n_maps, 3, strides=2, padding="same", activation="relu")
            hidden = convolve(hidden)
        hidden = layers.Flatten()(hidden)
    hidden = layers.Dense(256, activation="relu")(hidden)
    mean, log_var = ops.split(layers.Dense(2 * n_components)(hidden), 2, axis=1)
    return keras.Model(rows, [mean, log_var])


def build_decoder(network, n_components):
    latent = keras.Input((n_components,))
    hidden = layers.Dense(256, activation="relu")(latent)
    if network == "mlp":
        hidden = layers.Dense(512, activation="relu")(hidden)
        return keras.Model(latent, layers.Dense(784)(hidden))
    hidden = layers.Dense(3136, activation="relu")(hidden)
    hidden = layers.Reshape((7, 7, 64))(hidden)
    hidden = layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu")(hidden)
    images = layers.Conv2DTranspose(1, 3, strides=2, padding="same")(hidden)
    return keras.Model(latent, layers.Flatten()(images))


def cross_entropy(x, logits):
    """Sum over the pixels; the function of Keras takes their mean."""
    return 784 * keras.losses.binary_crossentropy(x, logits, from_logits=True)


def as_model(encoder, decoder):
    def encode(X):
        return [ops.convert_to_numpy(part) for part in encoder(X, training=False)]

    def decode_logits(Z):
        return ops.convert_to_numpy(decoder(Z, training=False))

    return Model(encode, decode_logits)


if __name__ == "__main__":
    main(train, "keras", keras.backend.backend())
