"""skvae: the whole `fit`, or with the option "defaults" the default constructor.

Left at its default, the learning rate runs through one cycle that belongs to the whole fit. So
there is nothing to judge between epochs.
"""

from _protocol import main
from _torch_networks import judged

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
    return judged(
        module.encode,
        lambda z: module.likelihood.logits(module.decode(z)),
        precision=vae.precision_,
        n_steps=vae.n_steps_,
        n_epochs=vae.n_iter_,
    )


if __name__ == "__main__":
    main(train, "skvae", "torch", "skorch")
