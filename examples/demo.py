"""The most common uses: a VAE in a pipeline, in a grid search, as a density and as a detector.

python examples/demo.py [--data digits | mnist] [--output demo-output]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.datasets import fetch_mnist
from skvae.plotting import (
    AnomalyScoreDisplay,
    LatentSpaceDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)

UNSEEN_DIGITS = (8, 9)  # the detector is trained on the other eight
SEED = 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["digits", "mnist"], default="digits")
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    mpl.use("Agg")
    start = time.perf_counter()
    try:
        data = load(arguments.data)
    except OSError as exc:  # no file and no network
        parser.exit(1, f"{exc}\n")
    classify(*data)
    vae = search_latent_size(data[0])
    compare_density(vae, *data)
    detector, unseen = detect(*data)
    draw(vae, detector, data, unseen, arguments.output)
    print(f"Done in {time.perf_counter() - start:.0f} s.")


def load(name):
    """Return raw pixels and labels, split into training and test rows."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        data = train_test_split(X, y, random_state=SEED)
        print("Data: scikit-learn's digits, 8 x 8 pixels from 0 to 16")
    else:
        train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
        data = train.data * 255, test.data * 255, train.target, test.target
        print("Data: MNIST, 28 x 28 pixels from 0 to 255")
    print(f"      {len(data[0])} training rows, {len(data[1])} test rows\n")
    return data


def classify(X_train, X_test, y_train, y_test):
    """Print the accuracy of logistic regression on 16 components of PCA and of a VAE."""
    print("1. Logistic regression on 16 components, test accuracy")
    reducers = {"PCA": PCA(16), "VAE": VAETransformer(16, random_state=SEED)}
    for name, reducer in reducers.items():
        steps = [("reduce", reducer), ("scale", StandardScaler())]
        pipeline = Pipeline([*steps, ("classify", LogisticRegression(max_iter=1000))])
        pipeline.fit(X_train, y_train)
        print(f"   {name}  {pipeline.score(X_test, y_test):.3f}")


def search_latent_size(X_train):
    """Choose the number of components by the held-out log-likelihood, the default scorer."""
    print("\n2. GridSearchCV over the latent size, log-likelihood (nats per row)")
    X_search = X_train[:: max(1, len(X_train) // 10_000)]
    search = GridSearchCV(
        VAETransformer(random_state=SEED), {"n_components": [2, 8, 16]}, cv=3, refit=False
    )
    search.fit(X_search)
    results = search.cv_results_
    for size, score in zip(results["param_n_components"], results["mean_test_score"], strict=True):
        print(f"   {size:2d} components  {score:9.2f}")
    best = search.best_params_["n_components"]
    print(f"   best: {best}")
    return VAETransformer(best, random_state=SEED).fit(X_train)


def compare_density(vae, X_train, X_test, y_train, y_test):
    """Print the held-out log-likelihood of the VAE and of PCA."""
    print("\n3. Log-likelihood of the test rows (nats per row)")
    print(f"   PCA  {PCA(vae.n_components_).fit(X_train).score(X_test):9.2f}")
    print(f"   VAE  {vae.score(X_test):9.2f}")


def detect(X_train, X_test, y_train, y_test):
    """Train on eight digits, score all ten, and print how well the other two are detected."""
    known = ~np.isin(y_train, UNSEEN_DIGITS)
    unseen = np.isin(y_test, UNSEEN_DIGITS)
    digits = " and ".join(map(str, UNSEEN_DIGITS))
    print(f"\n4. Outliers: trained without {digits}, AUROC for detecting these")
    detectors = {
        "IsolationForest": IsolationForest(random_state=SEED),
        "VAE": VAEAnomalyDetector(16, calibration_fraction=0.2, random_state=SEED),
    }
    for name, detector in detectors.items():
        detector.fit(X_train[known])
        print(f"   {name:<15}  {roc_auc_score(unseen, -detector.score_samples(X_test)):.3f}")
    flagged = detectors["VAE"].predict(X_test) == -1
    print(f"   flagged by the VAE: {flagged[unseen].mean():.0%} of these, ", end="")
    print(f"{flagged[~unseen].mean():.0%} of the other digits")
    return detectors["VAE"], unseen


def draw(vae, detector, data, unseen, folder):
    """Save the four pictures."""
    _, X_test, _, y_test = data
    map_rows = slice(0, 3000)
    displays = {
        "reconstructions.png": ReconstructionDisplay.from_estimator(vae, X_test[:12]),
        "samples.png": SampleDisplay.from_estimator(vae, n_samples=64, random_state=SEED),
        "latent-map.png": LatentSpaceDisplay.from_estimator(
            vae, X_test[map_rows], y_test[map_rows]
        ),
        "outlier-scores.png": AnomalyScoreDisplay.from_estimator(
            detector, X_test, np.where(unseen, -1, 1)
        ),
    }
    print("\n5. Pictures")
    for name, display in displays.items():
        display.figure_.savefig(folder / name, dpi=150)
        print(f"   {folder / name}")
    print()


if __name__ == "__main__":
    main()
