"""Held-out log-likelihood of the default on small tables, beside PCA and factor analysis.

    python benchmarks/quality/small_tables.py [--rows 50 100 200 500] [--components 8 16]
        [--tables iris ...] [--seeds 3] [--json FILE]

The tables are scikit-learn's for regression and classification, the six on which imputers are
compared, and generated ones. For every seed, that many rows are drawn for training, and at most
1,000 of the others are scored. PCA and factor analysis have as many components, or as many as the
rows and columns allow. "Behind" is the share of cases with more than 3 nats less per row than the
better of the two; the other columns are medians over the cases of the difference from each of them
and from the better one, and the largest deficit. Development used the tables of `DEVELOPMENT`.
"""

from __future__ import annotations

import os
import statistics
import warnings
from pathlib import Path

import numpy as np
from _table import arguments, report
from sklearn import datasets
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

from skvae import VAETransformer

TOLERANCE = 3.0  # nats per row
LARGEST_TEST = 1000
UCI = {"banknote": 4, "concrete": 8, "wine_red": 11, "wine_white": 11, "yeast": 8}
DEVELOPMENT = ("iris", "wine", "breast_cancer", "concrete", "factors", "spectra")


def main():
    settings = arguments(
        __doc__, rows=[50, 100, 200, 500], components=[8, 16], tables=list(TABLES), seeds=3
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # factor analysis on a Heywood case
    cases = []
    for table in settings.tables:
        for n_rows in settings.rows:
            for n_components in settings.components:
                for seed in range(settings.seeds):
                    found = compare(TABLES[table](), n_rows, n_components, seed)
                    if found is not None:
                        cases.append({"table": table, "rows": n_rows, **found})
                        print(table, n_rows, n_components, seed, shown(found), flush=True)
    groups = [*settings.rows, *settings.tables]
    table = [summary(str(group), [c for c in cases if group in c.values()]) for group in groups]
    report(
        "Held-out log-likelihood in nats per row, default less PCA and factor analysis",
        [*filter(None, table), summary("all", cases)],
        settings,
    )


def compare(X, n_rows, n_components, seed):
    """Return the held-out scores of the three models, or None if too few rows would remain."""
    if len(X) < n_rows + 20:
        return None
    X = X[np.random.default_rng(seed).permutation(len(X))]
    train, test = X[:n_rows], X[n_rows:][:LARGEST_TEST]
    most = min(n_components, X.shape[1], n_rows - 1)
    models = {
        "vae": VAETransformer(n_components, random_state=seed),
        "pca": PCA(most),
        "fa": FactorAnalysis(most),
    }
    return {name: float(model.fit(train).score(test)) for name, model in models.items()}


def shown(case):
    return " ".join(f"{name} {case[name]:.2f}" for name in ("vae", "pca", "fa"))


def summary(name, cases):
    """Return the row of a group of cases, or None if there are none."""
    if not cases:
        return None
    gaps = [case["vae"] - max(case["pca"], case["fa"]) for case in cases]
    return {
        "cases": name,
        "number": len(cases),
        "behind": f"{100 * np.mean(np.array(gaps) < -TOLERANCE):.1f} %",
        "less PCA": nats(statistics.median(case["vae"] - case["pca"] for case in cases)),
        "less FA": nats(statistics.median(case["vae"] - case["fa"] for case in cases)),
        "less the better": nats(statistics.median(gaps)),
        "worst": nats(min(gaps)),
    }


def nats(value):
    """Return a difference with its sign; PCA of a column that is constant is off by billions."""
    return f"{value:+.2f}" if abs(value) < 1e4 else f"{value:+.0e}"


def _of_sklearn(load):
    return lambda: load(return_X_y=True)[0].astype(np.float64)


def _of_uci(name):
    def load():
        folder = Path(os.environ["SKVAE_DATA"]) / "tables"
        file, columns = folder / f"{name}.csv.gz", range(UCI[name])
        return np.genfromtxt(file, delimiter=",", skip_header=1, usecols=columns)

    return load


def factors():
    """Return 30 columns of two factors and noise."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(2, 30))
    return rng.normal(size=(1500, 2)) @ loadings + 0.5 * rng.normal(size=(1500, 30))


def spectra():
    """Return 700 values of three overlapping peaks of random height on a random slope."""
    rng = np.random.default_rng(0)
    at = np.linspace(0, 1, 700)
    peaks = np.exp(-0.5 * ((at - np.array([[0.25], [0.5], [0.7]])) / 0.07) ** 2)
    heights = rng.lognormal(0, 0.4, size=(800, 3))
    slope = rng.normal(0, 0.2, size=(800, 1)) * at
    return heights @ peaks + slope + 0.01 * rng.normal(size=(800, 700))


TABLES = {
    "iris": _of_sklearn(datasets.load_iris),
    "wine": _of_sklearn(datasets.load_wine),
    "breast_cancer": _of_sklearn(datasets.load_breast_cancer),
    "diabetes": _of_sklearn(datasets.load_diabetes),
    "digits": _of_sklearn(datasets.load_digits),
    **{name: _of_uci(name) for name in UCI},
    "friedman": lambda: datasets.make_friedman1(1500, random_state=0)[0],
    "factors": factors,
    "spectra": spectra,
}

if __name__ == "__main__":
    main()
