"""skvae: the whole `fit` or, with the option "defaults", that of the default constructor.

By default, the learning rate runs through one cycle per fit, so the models between epochs are not
comparable and `after_epoch` is not called.
"""

from _protocol import main
from _torch_networks import tensor_model

from skvae import VAETransformer


def train(X, job, _):
    options = {}
    if not job.get("defaults"):
        options = {name: job[name] for name in ("network", "batch_size", "precision")}
    vae = VAETransformer(
        job["n_components"],
        likelihood="bernoulli",
        max_epochs=job["epochs"] or "auto",
        random_state=job["seed"],
        **options,
    ).fit(X)
    module = vae.module_
    return tensor_model(
        module.encode,
        lambda z: module.likelihood.logits(module.decode(z)),
        precision=vae.precision_,
        n_steps=vae.n_steps_,
        n_epochs=vae.n_iter_,
    )


if __name__ == "__main__":
    main(train, "skvae", "torch", "skorch")
