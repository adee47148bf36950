"""Fréchet distance of samples from MNIST's test images, with fixed and learned priors.

    python benchmarks/quality/samples.py [--models "N(0, I)" ...] [--seeds 1] [--json FILE]

Each model is trained on the 60,000 training images and draws 10,000 new ones with
`sample(mean=True)`: decoded means, without the noise of p(x|z). "distance" is the Fréchet distance
(Heusel et al., 2017, equation 6, without their network) between these and the 10,000 test images,
in a space of 128 features: the hidden units, after their ReLU, of a perceptron that classifies the
training images. Other features give other distances, so there are no published figures to compare
with. The first row, in which the first 10,000 training images take the place of samples, is a
reference for the distances that can be reached. "of reconstructions" is the distance between the
test images and their reconstructions, which can be lower still. The first two models have equal
weights and differ in their prior only. The test images were not used for any choice.
"""

from __future__ import annotations

import numpy as np
from _table import Figure, arguments, fit_seconds, report
from sklearn.neural_network import MLPClassifier

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.metrics import frechet_distance
from skvae.priors import ExPostMixture, VampPrior

NORMAL = "N(0, I)"
VAE = {"n_components": 16, "likelihood": "bernoulli"}
MODELS = {
    NORMAL: VAETransformer(**VAE),
    "ExPostMixture": VAETransformer(**VAE, prior=ExPostMixture(n_mixtures=50)),
    "MixturePrior": VAETransformer(**VAE, prior="mixture"),
    "FlowPrior": VAETransformer(**VAE, prior="flow"),
    "VampPrior": VAETransformer(**VAE, prior=VampPrior(n_pseudo_inputs=100)),
}


def main():
    settings = arguments(__doc__, models=list(MODELS), seeds=1)
    train, X_test = fetch_mnist(), fetch_mnist(subset="test").data
    distance = distance_to(X_test, hidden_layer(train.data, train.target))
    rows = [
        measure(name, range(settings.seeds), train.data, X_test, distance)
        for name in settings.models
    ]
    floor = {"samples": "training images", "distance": distance(train.data[: len(X_test)])}
    report("MNIST: Fréchet distance to the test images", [floor, *compared(rows)], settings)


def hidden_layer(X, y):
    """Return the function from images to the hidden units of a classifier of digits."""
    reader = MLPClassifier(128, tol=0.01, n_iter_no_change=2, random_state=0).fit(X, y)
    return lambda X: np.maximum(X @ reader.coefs_[0] + reader.intercepts_[0], 0)


def distance_to(X_test, features):
    return lambda X: frechet_distance(X_test, X, features=features)


def measure(name, seeds, X, X_test, distance):
    drawn, reconstructed, fits = [], [], []
    for seed in seeds:
        vae = MODELS[name].set_params(random_state=seed)
        fits.append(fit_seconds(vae, X))
        drawn.append(distance(vae.sample(len(X_test), random_state=seed, mean=True)))
        reconstructed.append(distance(vae.reconstruct(X_test)))
        print(f"{name}, seed {seed}: {drawn[-1]:.2f} after {fits[-1]:.0f} s", flush=True)
    return {
        "samples": name,
        "distance": Figure.of(drawn),
        "of reconstructions": Figure.of(reconstructed),
        "seconds": Figure.of(fits, digits=0),
    }


def compared(rows):
    """Add the relative reduction of the distance in comparison with N(0, I) to each row."""
    means = {row["samples"]: row["distance"].mean for row in rows}
    if NORMAL not in means:
        return rows
    return [{**row, "lower by": f"{1 - means[row['samples']] / means[NORMAL]:.0%}"} for row in rows]


if __name__ == "__main__":
    main()
