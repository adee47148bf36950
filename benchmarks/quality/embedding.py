"""Accuracy of classifiers on embeddings of MNIST, beside PCA and published figures.

    python benchmarks/quality/embedding.py [--rows test|fewer|development] [--models "VAE, 2" ...]
        [--seeds 1] [--json FILE]

Each model is trained without labels; the embedding of a VAE is the posterior mean. The classifiers
are trained on the embedded training images and their labels: the nearest neighbour, the five
nearest neighbours, and logistic regression on standardised columns. With `--rows test`, models are
trained on the 60,000 training images and evaluated on the 10,000 test images, which were not used
for any choice. With `--rows fewer`, they are trained on the first 50,000 and evaluated on the test
images, which reproduces the published figures of PCA. With `--rows development`, they are trained
on the first 50,000 and evaluated on the 10,000 other training images, by which the configurations
were chosen. Seconds are those of the fit, without the classifiers. The source of the published
figures could not be traced.
"""

from __future__ import annotations

from _rows import development, test
from _table import Figure, arguments, fit_seconds, report
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO
from skvae.priors import VampPrior

CONVOLUTIONAL = {
    "network": Conv(),
    "likelihood": "bernoulli",
    "prior": VampPrior(n_pseudo_inputs=300),
    "objective": ELBO(beta=0.3),
    "max_epochs": 20,
    "batch_size": 256,
    "learning_rate": 1.5e-3,
}
MODELS = {
    "VAE, 64": VAETransformer(64, **CONVOLUTIONAL),
    "VAE, 16": VAETransformer(16, **CONVOLUTIONAL),
    "VAE defaults, 16": VAETransformer(16, likelihood="bernoulli"),
    "VAE, 2": VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(512, 512, 256), activation="gelu"),
        likelihood="bernoulli",
        objective=ELBO(beta=0.05),
        max_epochs=20,
        learning_rate=2e-3,
    ),
    "PCA, 64": PCA(64),
    "PCA, 16": PCA(16),
    "PCA, 2": PCA(2),
}
CLASSIFIERS = {
    "1-NN": KNeighborsClassifier(1),
    "5-NN": KNeighborsClassifier(5),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
}


def main():
    settings = arguments(__doc__, rows="test", models=list(MODELS), seeds=1)
    rows = ROWS[settings.rows]()
    table = [evaluate_seeds(name, range(settings.seeds), *rows) for name in settings.models]
    report(f"MNIST, {settings.rows}: accuracy on the embedding", table + PUBLISHED, settings)


def evaluate_seeds(name, seeds, *rows):
    found = []
    for seed in seeds:
        found.append(evaluate(MODELS[name].set_params(random_state=seed), *rows))
        print(f"{name}, seed {seed}: {found[-1]}", flush=True)
    return {
        "model": name,
        **{column: Figure.of([row[column] for row in found], 4) for column in CLASSIFIERS},
        "seconds": Figure.of([row["seconds"] for row in found], digits=0),
    }


def evaluate(model, X, y, X_test, y_test):
    seconds = fit_seconds(model, X)
    Z, Z_test = model.transform(X), model.transform(X_test)
    found = {name: fit.fit(Z, y).score(Z_test, y_test) for name, fit in CLASSIFIERS.items()}
    return {**found, "seconds": seconds}


def published(model, nearest, five):
    source = "not traced"
    return {"model": f"published: {model}", "1-NN": nearest, "5-NN": five, "source": source}


PUBLISHED = [
    published("VAE, 64", "0.9785", "0.9791"),
    published("PCA, 64", "0.9707", "0.9727"),
    published("VAE, 2", "0.724", "0.765"),
]


def fewer():
    X, y, X_test, y_test = test()
    return X[:50_000], y[:50_000], X_test, y_test


ROWS = {"test": test, "fewer": fewer, "development": development}

if __name__ == "__main__":
    main()
