"""Missing values: error of imputed values, and coverage of the intervals of several imputations.

    python benchmarks/quality/missing.py [--setting error self_masking coverage] [--seeds 5]
        [--tables banknote concrete ...] [--models "skvae, default" ...] [--json FILE]

The tables are those on which imputers are compared in the literature: five of the folder tables/ of
SKVAE_DATA, and scikit-learn's breast cancer; iris, wine and diabetes can be named as well. Columns
are standardised. Figures are means over seeds, with their standard error; a seed decides which
cells are removed, and the fit.

Setting "error". Half of the cells are removed at random, but at least one value per row is left.
Each imputer is fitted to the incomplete table and fills it; figures are mean squared errors over
the cells removed. "missForest-like" is scikit-learn's IterativeImputer with forests of 50 trees,
leaves of at least three rows and four rounds (after Stekhoven & Buehlmann, 2012). The defaults of
skvae were chosen on seed 0.

Setting "self_masking". In the first half of the columns all values above the mean are removed, as
in table 1 of Ipsen et al. (2021). Figures are root mean squared errors, and the largest of them
over the seeds.

Setting "coverage". 30 % of the cells are removed, in two ways: at random; or depending on observed
values, as half of the columns are complete and the others have gaps with a probability that rises
with a random linear combination of the complete ones, up to the same share of gaps in these
columns. Figures are the share of the removed values within the central 95 % interval of 100 draws,
and the mean length of the intervals in standard deviations. "plain MIWAE" is one model with
N(0, I) as the prior, two hidden layers of 128 units and all values used for training, after
Mattei & Frellsen (2019).
"""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path

import numpy as np
from _table import Figure, arguments, report
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes it importable
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from skvae import VAEImputer
from skvae.likelihoods import Gaussian
from skvae.networks import MLP

N_COLUMNS = {"banknote": 4, "concrete": 8, "wine_red": 11, "wine_white": 11, "yeast": 8}
TABLES = (*N_COLUMNS, "breast_cancer")
EMBEDDED = {
    "breast_cancer": load_breast_cancer,
    "iris": load_iris,
    "wine": load_wine,
    "diabetes": load_diabetes,
}
N_DRAWS = 100


def forests(seed):
    trees = ExtraTreesRegressor(50, min_samples_leaf=3, n_jobs=1, random_state=seed)
    return IterativeImputer(trees, max_iter=4, random_state=seed)


MODELS = {
    "mean": lambda seed: SimpleImputer(),
    "5 nearest neighbours": lambda seed: KNNImputer(),
    "IterativeImputer": lambda seed: IterativeImputer(random_state=seed),
    "missForest-like": forests,
    "plain MIWAE": lambda seed: VAEImputer(
        network=MLP(hidden_layer_sizes=(128, 128), activation="tanh"),
        likelihood=Gaussian(),
        prior="normal",
        n_estimators=1,
        hidden_fraction=None,
        random_state=seed,
    ),
    "skvae, one model": lambda seed: VAEImputer(n_estimators=1, random_state=seed),
    "skvae, default": lambda seed: VAEImputer(random_state=seed),
}


def main():
    settings = arguments(
        __doc__, setting=["error"], seeds=1, tables=list(TABLES), models=list(MODELS)
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # few rounds are part of the rule
    for setting in settings.setting:
        measure = {"error": errors, "self_masking": self_masked, "coverage": coverages}[setting]
        rows = [measure(name, settings) for name in settings.models]
        report(TITLES[setting], [row for row in rows if row], settings)


TITLES = {
    "self_masking": "Missing values: root mean squared error, values above the mean removed",
    "error": "Missing values: mean squared error, half of the cells removed at random",
    "coverage": "Missing values: coverage of 95 % intervals and their length, 30 % of the cells",
}


def errors(name, settings):
    """Return the row of a model: its error on every table, and the mean."""
    row, means, seconds = {"model": name}, [], []
    for table in settings.tables:
        X, found = load(table), []
        for seed in range(settings.seeds):
            missing = at_random(X, 0.5, seed)
            start = time.process_time()
            filled = MODELS[name](seed).fit_transform(np.where(missing, np.nan, X))
            seconds.append(time.process_time() - start)
            found.append(float(np.mean((filled - X)[missing] ** 2)))
        row[table] = Figure.of(found, 3)
        means.append(found)
        print(name, table, row[table], f"{seconds[-1]:.0f} s", flush=True)
    row["mean"] = Figure.of(np.mean(means, axis=0).tolist(), 3)
    row["CPU seconds"] = round(float(np.mean(seconds)), 1)
    return row


def self_masked(name, settings):
    """Return the row of a model: its mean and largest error on every table."""
    row = {"model": name}
    for table in settings.tables:
        X, found = load(table), []
        missing = above_the_mean(X)
        for seed in range(settings.seeds):
            start = time.process_time()
            model = MODELS[name](seed)
            if isinstance(model, VAEImputer):
                model.set_params(mechanism="self_masking")
            filled = model.fit_transform(np.where(missing, np.nan, X))
            found.append(float(np.sqrt(np.mean((filled - X)[missing] ** 2))))
            print(name, table, seed, found[-1], f"{time.process_time() - start:.0f} s", flush=True)
        row[table], row[f"{table}, largest"] = Figure.of(found, 3), round(max(found), 3)
    return row


def coverages(name, settings):
    """Return the row of a model: coverage and length of its intervals; None if it has no draws."""
    if name in ("mean", "5 nearest neighbours", "missForest-like"):
        return None
    row = {"model": name}
    for kind, remove in (("at random", at_random), ("by observed values", by_observed_values)):
        covered, lengths = [], []
        for table in settings.tables:
            X = load(table)
            for seed in range(settings.seeds):
                missing = remove(X, 0.3, seed)
                low, high = intervals(name, np.where(missing, np.nan, X), seed)
                inside = (low <= X) & (high >= X)
                covered.append(float(inside[missing].mean()))
                lengths.append(float((high - low)[missing].mean()))
                print(name, kind, table, seed, covered[-1], lengths[-1], flush=True)
        row[f"coverage, {kind}"] = Figure.of(covered, 3)
        row[f"length, {kind}"] = Figure.of(lengths, 2)
    return row


def intervals(name, X, seed):
    """Return the ends of the central 95 % interval of the draws for every cell."""
    if name == "IterativeImputer":
        imputer = IterativeImputer(sample_posterior=True, random_state=seed).fit(X)
        draws = np.stack([imputer.transform(X) for _ in range(N_DRAWS)])
    else:
        draws = MODELS[name](seed).fit(X).impute(X, N_DRAWS, random_state=seed)
    return np.quantile(draws, [0.025, 0.975], axis=0)


def at_random(X, share, seed):
    """Return which cells are removed: any, but at least one value per row is left."""
    rng = np.random.default_rng(seed)
    missing = rng.random(X.shape) < share
    empty = np.flatnonzero(missing.all(axis=1))
    missing[empty, rng.integers(0, X.shape[1], len(empty))] = False
    return missing


def above_the_mean(X):
    """Return which cells are removed: those above the mean in the first half of the columns."""
    means = X.mean(axis=0)
    missing = np.greater(X, means)
    missing[:, X.shape[1] // 2 :] = False
    return missing


def by_observed_values(X, share, seed):
    """Return which cells are removed: in half of the columns, by the values of the others."""
    rng = np.random.default_rng(seed)
    columns = rng.permutation(X.shape[1])
    complete, others = np.split(columns, [max(1, X.shape[1] // 2)])
    missing = np.zeros(X.shape, dtype=bool)
    for column in others:
        slope = X[:, complete] @ rng.normal(size=len(complete))
        slope = 2 * slope / slope.std()
        start = brentq(lambda start, slope=slope: expit(slope + start).mean() - share, -50, 50)
        missing[:, column] = rng.random(len(X)) < expit(slope + start)
    return missing


def load(table):
    """Return the standardised columns of a table."""
    if table in EMBEDDED:
        X = EMBEDDED[table]().data
    else:
        path = Path(os.environ["SKVAE_DATA"]) / "tables" / f"{table}.csv.gz"
        columns = range(N_COLUMNS[table])
        X = np.loadtxt(path, delimiter=",", skiprows=1, usecols=columns)
    return (X - X.mean(axis=0)) / X.std(axis=0)


if __name__ == "__main__":
    main()
