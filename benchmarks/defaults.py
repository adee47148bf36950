"""Quality of the defaults on raw digits, raw tables and MNIST, beside PCA and factor analysis.

    python benchmarks/defaults.py [QUESTION ...] [--seeds 5]

Questions: digits, tables, mnist-raw, mnist-bernoulli, initial-weights; all of them by default.
Each prints a table with the held-out log-likelihood in nats per row, and the accuracy of logistic
regression and of the 5 nearest neighbours on the embedding of held-out rows.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings

import numpy as np
import sklearn
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAETransformer
from skvae.datasets import fetch_mnist
from skvae.networks import MLP

N_COMPONENTS = 16


def digits(n_seeds):
    """Compare on raw digits, values 0 to 16; the seed changes the model but not the split."""
    X, y = load_digits(return_X_y=True)
    print("\nDigits 0..16, 16 components")
    _compare(train_test_split(X, y, random_state=0), n_seeds)


def tables(n_seeds):
    """Compare on raw tables with 2 components; the seed changes both the model and the split."""
    print("\nRaw tables, 2 components: held-out log-likelihood (nats per row), mean over seeds")
    print(f"{'table':<16}{'VAE':>9}{'FA':>9}{'PCA':>9}  VAE - FA, seed by seed")
    for load in (load_iris, load_wine, load_breast_cancer):
        scores = np.array([_table_scores(load, seed) for seed in range(n_seeds)])
        vae, fa, pca = scores.mean(0)
        gaps = " ".join(f"{gap:+.2f}" for gap in scores[:, 0] - scores[:, 1])
        print(f"{load.__name__[5:]:<16}{vae:9.2f}{fa:9.2f}{pca:9.2f}  {gaps}", flush=True)


def _table_scores(load, seed):
    X_train, X_test = train_test_split(load(return_X_y=True)[0], random_state=seed)
    models = [VAETransformer(2, random_state=seed), FactorAnalysis(2, max_iter=5000), PCA(2)]
    return [model.fit(X_train).score(X_test) for model in models]


def mnist_raw(n_seeds):
    """Compare on raw MNIST, values 0 to 255."""
    print("\nMNIST 0..255, 16 components, 60,000 training and 10,000 test images")
    _compare(_mnist_split(scale=255), n_seeds)


def mnist_bernoulli(n_seeds):
    """Compare on MNIST in [0, 1] with a Bernoulli likelihood."""
    print("\nMNIST 0..1, Bernoulli, 16 components, 60,000 training and 10,000 test images")
    print("(The cross-entropy of grey levels is not a density, so only accuracies are comparable.)")
    _compare(_mnist_split(scale=1), n_seeds, likelihood="bernoulli")


def initial_weights(n_seeds):
    """Compare skvae's initial weights with those of torch, after three epochs."""
    print("\nMNIST 0..1, Bernoulli, three epochs: held-out log-likelihood (nats per row)")
    X_train, X_test, *_ = _mnist_split(scale=1)
    for name, network in (("for the activation", MLP()), ("default of torch", TorchInitialized())):
        models = [
            VAETransformer(likelihood="bernoulli", network=network, max_epochs=3, random_state=seed)
            for seed in range(n_seeds)
        ]
        scores = [model.fit(X_train).score(X_test) for model in models]
        print(f"  {name:<20}{np.mean(scores):9.2f}  {np.round(scores, 2)}", flush=True)


class TorchInitialized(MLP):
    """The same network with the initial weights of torch."""

    def build_encoder(self, n_features, n_outputs):
        return _reset(super().build_encoder(n_features, n_outputs))

    def build_decoder(self, n_components, n_outputs, n_features):
        return _reset(super().build_decoder(n_components, n_outputs, n_features))


def _reset(network):
    for layer in network:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return network


def _mnist_split(scale):
    X_train, y_train = fetch_mnist(subset="train", return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", return_X_y=True)
    return X_train * scale, X_test * scale, y_train, y_test


def _compare(split, n_seeds, **params):
    _print_embeddings("PCA", [PCA(N_COMPONENTS)], split)
    _print_embeddings("FA", [FactorAnalysis(N_COMPONENTS)], split)
    vaes = [VAETransformer(N_COMPONENTS, random_state=seed, **params) for seed in range(n_seeds)]
    _print_embeddings("VAE", vaes, split)


def _print_embeddings(name, models, split):
    rows = []
    for model in models:
        row = _evaluate(model, split)
        rows.append(row)
        print(_line(f"  {name}", row), flush=True)
    if len(rows) > 1:
        print(_line(f"  {name}, mean", np.mean(rows, axis=0)))
        worst = [*np.min(rows, axis=0)[:-1], np.max(rows, axis=0)[-1]]
        print(_line(f"  {name}, worst", worst))


def _evaluate(model, split):
    X_train, X_test, y_train, y_test = split
    start = time.perf_counter()
    model.fit(X_train)
    seconds = time.perf_counter() - start
    Z_train, Z_test = model.transform(X_train), model.transform(X_test)
    classifiers = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        KNeighborsClassifier(5),
    )
    accuracies = [c.fit(Z_train, y_train).score(Z_test, y_test) for c in classifiers]
    scores = model.score_samples(X_test)
    return [*accuracies, scores.mean(), np.median(scores), seconds]


def _line(name, row):
    logistic, neighbours, mean, median, seconds = row
    return (
        f"{name:<14} logistic {logistic:.4f}  5-NN {neighbours:.4f}  "
        f"log-likelihood {mean:.2f} (median {median:.2f})  fit {seconds:.1f} s"
    )


QUESTIONS = {
    "digits": digits,
    "tables": tables,
    "mnist-raw": mnist_raw,
    "mnist-bernoulli": mnist_bernoulli,
    "initial-weights": initial_weights,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], default=[])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # factor analysis on a Heywood case
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, ", end=""
    )
    print(f"torch {torch.__version__}, scikit-learn {sklearn.__version__}")
    for question in arguments.questions or QUESTIONS:
        QUESTIONS[question](arguments.seeds)


if __name__ == "__main__":
    main()
