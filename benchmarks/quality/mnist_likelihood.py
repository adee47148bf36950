"""Log-likelihood of MNIST under dynamic binarisation, beside the published figures.

    python benchmarks/quality/mnist_likelihood.py [--models "IWAE, flow" ...] [--seeds 1]
        [--draws 1000] [--json FILE]

The models are trained on the 60,000 training images, whose grey levels are drawn anew as zeros and
ones at every step, and evaluated on the 10,000 test images, binarised once by the same rule
(seed 0). "nats" is the importance-weighted bound with `--draws` draws per image (Burda et al.,
2016, equation 8); "gain" is the increase of the bound by five times as many draws, on the first 500
images. Activation, prior and objective were compared in fits of 20 epochs, which training and test
images ranked in the same order; the test images were not used to choose the length of training.
"""

from __future__ import annotations

import numpy as np
from _table import Figure, Published, arguments, fit_seconds, report

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.likelihoods import Bernoulli
from skvae.metrics import log_likelihood
from skvae.networks import MLP
from skvae.objectives import IWAE
from skvae.priors import FlowPrior

COMMON = {
    "n_components": 40,
    "network": MLP(hidden_layer_sizes=(512, 512), activation="silu"),
    "likelihood": Bernoulli(binarize="dynamic"),
}
BETTER = {
    **COMMON,
    "prior": FlowPrior(n_layers=6, hidden_units=128),
    "objective": IWAE(n_samples=5, gradient="doubly_reparameterized"),
    "batch_size": 256,
    "learning_rate": 3e-3,
    "weight_decay": 0.2,
}
MODELS = {
    "ELBO, N(0, I)": VAETransformer(**COMMON, max_epochs=36),
    "IWAE, flow": VAETransformer(**BETTER, max_epochs=36),
    "IWAE, flow, long": VAETransformer(**BETTER, max_epochs=80),
}
PUBLISHED = [
    Published("one-layer VAE, dense", -86.76, "Burda et al. (2016), table 1"),
    Published("one-layer VAE, dense", -84.45, "Norouzi et al. (2020), table 2"),
    Published("IWAE, k = 50, dense", -84.78, "Burda et al. (2016), table 1"),
    Published("VampPrior, one layer, dense", -82.43, "Norouzi et al. (2020), table 2"),
    Published("two layers, convolutional", -80.5, "Tomczak & Welling (2018)"),
    Published("NVAE", -78.0, "Vahdat & Kautz (2020)"),
]


def main():
    settings = arguments(__doc__, models=list(MODELS), seeds=1, draws=1000)
    X, X_test = fetch_mnist().data, binarized(fetch_mnist(subset="test").data)
    rows = [measure(name, X, X_test, settings) for name in settings.models]
    rows += [published.row("nats") for published in PUBLISHED]
    report("MNIST, dynamic binarisation: log-likelihood of the test images", rows, settings)


def binarized(X: np.ndarray) -> np.ndarray:
    return (np.random.default_rng(0).random(X.shape) < X).astype(np.float32)


def measure(name, X, X_test, settings):
    fits, nats, gains = [], [], []
    for seed in range(settings.seeds):
        vae = MODELS[name].set_params(random_state=seed)
        fits.append(fit_seconds(vae, X))
        nats.append(bound(vae, X_test, settings.draws))
        few = X_test[:500]
        gains.append(bound(vae, few, 5 * settings.draws) - bound(vae, few, settings.draws))
        print(f"{name}, seed {seed}: {nats[-1]:.2f} nats after {fits[-1]:.0f} s", flush=True)
    return {
        "model": name,
        "nats": Figure.of(nats),
        f"gain by {5 * settings.draws} draws": Figure.of(gains),
        "seconds": Figure.of(fits, digits=0),
        "epochs": vae.n_iter_,
    }


def bound(vae, X, n_samples):
    return log_likelihood(vae, X, n_samples=n_samples, random_state=0).mean


if __name__ == "__main__":
    main()
