"""Agreement of `table_quality` with SDMetrics and XGBoost, over synthetic copies of a table.

    python benchmarks/quality/table_quality.py [--synthesizers "shuffled columns" ...] [--seeds 1]
        [--json FILE]

Adult (SKVAE_DATA's tables/) is split at random: three quarters are the real, training rows, and the
others are held out. Each synthesizer is fitted to the training rows and draws as many. All but two
are crude, and cover the range of the scores: columns shuffled one by one; the same within 50 or
1,000 clusters of rows, which are mixtures of products; a Gaussian copula; trees, which draw each
column given those before it; training rows of which a share of the cells is drawn anew from its
column; the training rows themselves; and the held-out rows, which are what a perfect model draws.

"Ours" are the scores of `skvae.metrics.table_quality`, with scikit-learn's gradient boosting.
"Theirs" are Column Shapes and Column Pair Trends of SDMetrics, with every pair of columns; its
detection score with XGBoost, three folds; and the AUC on the held-out rows of an XGBoost classifier
of the income that was trained on the synthetic rows. The last rows show Spearman's correlation of
ours and theirs over synthesizers and seeds, and their mean and largest difference. Without
SDMetrics and XGBoost, only ours are computed.
"""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from _table import Figure, arguments, report
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata, spearmanr
from sklearn.cluster import MiniBatchKMeans
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skvae.metrics import table_quality

TARGET = "income"
SIDES = ("ours", "theirs")
SCORES = ("shape", "trend", "c2st", "tstr")


def main():
    settings = arguments(__doc__, synthesizers=list(SYNTHESIZERS), seeds=1)
    found = {}
    for seed in range(settings.seeds):
        real, holdout = split(load(), seed)
        for name in settings.synthesizers:
            synthetic = SYNTHESIZERS[name](real, holdout, np.random.default_rng(seed))
            found[name, seed] = compare(real, synthetic, holdout, seed)
            print(name, seed, found[name, seed]["ours"], flush=True)
    report("Adult: scores of synthetic tables, ours / theirs", summaries(found), settings)


def load():
    path = Path(os.environ.get("SKVAE_DATA", "")) / "tables" / "adult.csv.gz"
    table = pd.read_csv(path, skipinitialspace=True)
    # a level of a single row, which SDMetrics cannot encode if it is held out
    return table[table["native-country"] != "Holand-Netherlands"]


def split(table, seed):
    shuffled = table.sample(frac=1, random_state=seed, ignore_index=True)
    n_train = len(table) * 3 // 4
    return shuffled[:n_train], shuffled[n_train:].reset_index(drop=True)


def shuffled(real, holdout, rng):
    return real.apply(lambda column: rng.permutation(column))


def shuffled_in_clusters(n_clusters):
    def synthesize(real, holdout, rng):
        kmeans = MiniBatchKMeans(n_clusters, random_state=int(rng.integers(2**31)))
        groups = real.groupby(kmeans.fit_predict(indicators().fit_transform(real)))
        return pd.concat([shuffled(rows, holdout, rng) for _, rows in groups], ignore_index=True)

    return synthesize


def copula(real, holdout, rng):
    """Draw normal scores with the correlations of those of the table, and their quantiles."""
    codes = rounded_codes(real)
    jitter = rng.uniform(size=codes.shape)  # levels are intervals of the normal distribution
    order = [np.lexsort(pair) for pair in zip(jitter.T, codes.to_numpy().T, strict=True)]
    ranks = np.column_stack([rankdata(np.argsort(places)) for places in order])
    normal = ndtri(ranks / (len(real) + 1))
    draws = rng.multivariate_normal(np.zeros(codes.shape[1]), np.corrcoef(normal.T), len(real))
    places = (ndtr(draws) * len(real)).astype(int)
    return pd.DataFrame(
        {
            name: real[name].to_numpy()[ordered[place]]
            for name, ordered, place in zip(real, order, places.T, strict=True)
        }
    )


def trees(real, holdout, rng, min_samples_leaf=20):
    """Draw each column from the leaf of a tree on the columns before it."""
    codes, drawn = rounded_codes(real).to_numpy(), []
    for column in range(codes.shape[1]):
        if not drawn:
            drawn.append(rng.choice(codes[:, 0], len(codes)))
            continue
        X, y = codes[:, :column], codes[:, column]
        target = OneHotEncoder(max_categories=20, sparse_output=False).fit_transform(y[:, None])
        tree = DecisionTreeRegressor(min_samples_leaf=min_samples_leaf, random_state=0)
        leaves = tree.fit(X, y if is_number(real, column) else target).apply(X)
        at = tree.apply(np.column_stack(drawn))
        new = np.empty(len(codes))
        for leaf in np.unique(at):
            new[at == leaf] = rng.choice(y[leaves == leaf], (at == leaf).sum())
        drawn.append(new)
    return decoded(real, np.column_stack(drawn))


def with_new_cells(share):
    def synthesize(real, holdout, rng):
        is_new = rng.uniform(size=real.shape) < share
        return real.mask(is_new, shuffled(real, holdout, rng))

    return synthesize


def training_rows(real, holdout, rng):
    return real.sample(frac=1, random_state=int(rng.integers(2**31)), ignore_index=True)


def held_out_rows(real, holdout, rng):
    return holdout


SYNTHESIZERS = {
    "shuffled columns": shuffled,
    "clusters, 50": shuffled_in_clusters(50),
    "clusters, 1,000": shuffled_in_clusters(1000),
    "Gaussian copula": copula,
    "trees": trees,
    "half of the cells new": with_new_cells(0.5),
    "a fifth of the cells new": with_new_cells(0.2),
    "a tenth of the cells new": with_new_cells(0.1),
    "training rows": training_rows,
    "held-out rows": held_out_rows,
}


def is_number(table, column):
    return pd.api.types.is_numeric_dtype(table.dtypes.iloc[column])


def indicators():
    numbers = make_column_selector(dtype_include="number")
    levels = make_column_selector(dtype_exclude="number")
    return make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(sparse_output=False), levels)
    )


def encoder(table):
    """Return the names of the columns of text, and a fitted encoder of them."""
    text = [name for column, name in enumerate(table) if not is_number(table, column)]
    return text, OrdinalEncoder().fit(table[text])


def rounded_codes(table):
    text, ordinal = encoder(table)
    codes = table.copy()
    codes[text] = ordinal.transform(table[text])
    return codes.astype(float)


def decoded(table, codes):
    text, ordinal = encoder(table)
    frame = pd.DataFrame(codes, columns=table.columns)
    frame[text] = ordinal.inverse_transform(frame[text].to_numpy())
    return frame.astype(table.dtypes)


def compare(real, synthetic, holdout, seed):
    quality = table_quality(real, synthetic, target=TARGET, holdout=holdout, random_state=seed)
    ours = {score: getattr(quality, score) for score in SCORES}
    theirs = their_scores(real, synthetic, holdout, seed) if has_them() else {}
    return {"ours": ours, "theirs": theirs, "dcr share": quality.dcr_share}


def has_them():
    return all(find_spec(package) for package in ("sdmetrics", "xgboost"))


def their_scores(real, synthetic, holdout, seed):
    columns = {
        name: {"sdtype": "numerical" if is_number(real, column) else "categorical"}
        for column, name in enumerate(real)
    }
    shapes = [their_shape(real[name], synthetic[name]) for name in real]
    trends = [their_trend(real, synthetic, list(pair)) for pair in combinations(real, 2)]
    return {
        "shape": np.mean(shapes),
        "trend": np.mean(trends),
        "c2st": their_detection(real, synthetic, {"columns": columns}, seed),
        "tstr": their_area(synthetic, holdout, seed),
    }


def their_shape(real, synthetic):
    from sdmetrics.single_column import KSComplement, TVComplement

    metric = KSComplement if pd.api.types.is_numeric_dtype(real) else TVComplement
    return metric.compute(real, synthetic)


def their_trend(real, synthetic, pair):
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity

    numbers = real[pair].select_dtypes("number").columns.tolist()
    if len(numbers) == 2:
        return CorrelationSimilarity.compute(real[pair], synthetic[pair])
    return ContingencySimilarity.compute(
        real[pair], synthetic[pair], continuous_column_names=numbers or None
    )


def their_detection(real, synthetic, metadata, seed):
    from sdmetrics.single_table.detection.sklearn import ScikitLearnClassifierDetectionMetric
    from xgboost import XGBClassifier

    class Detection(ScikitLearnClassifierDetectionMetric):
        @staticmethod
        def _get_classifier():
            return XGBClassifier(random_state=seed)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Detection.compute(real, synthetic, metadata)


def their_area(synthetic, holdout, seed):
    from xgboost import XGBClassifier

    tables = [table.drop(columns=TARGET) for table in (synthetic, holdout)]
    encoder = make_column_transformer(
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
        remainder="passthrough",
    )
    X, X_test = encoder.fit_transform(tables[0]), encoder.transform(tables[1])
    positive = holdout[TARGET].unique()[0]
    model = XGBClassifier(random_state=seed).fit(X, synthetic[TARGET] == positive)
    return roc_auc_score(holdout[TARGET] == positive, model.predict_proba(X_test)[:, 1])


def summaries(found):
    """Return a row of mean scores for each synthesizer, and rows on the agreement of both sides."""
    rows = []
    for name in dict.fromkeys(name for name, _ in found):
        cases = [case for (other, _), case in found.items() if other == name]
        sides = [side for side in SIDES if cases[0][side]]
        row = {"synthesizer": name}
        for score in SCORES:
            means = [np.mean([case[side][score] for case in cases]) for side in sides]
            row[score] = " / ".join(f"{mean:.3f}" for mean in means)
        rows.append(row | {"DCR share": Figure.of([case["dcr share"] for case in cases], 3)})
    return rows + agreement([case for case in found.values() if case["theirs"]])


def agreement(cases):
    """Return a row of rank correlations of ours and theirs, and rows of their differences."""
    if len(cases) < 3:
        return []
    rows = [{"synthesizer": name} for name in ("rank correlation", "mean difference", "largest")]
    for score in SCORES:
        ours, theirs = ([round(case[side][score], 9) for case in cases] for side in SIDES)
        differences = np.abs(np.subtract(ours, theirs))
        figures = (spearmanr(ours, theirs).statistic, differences.mean(), differences.max())
        for row, figure in zip(rows, figures, strict=True):
            row[score] = f"{figure:.3f}"
    return rows


if __name__ == "__main__":
    main()
