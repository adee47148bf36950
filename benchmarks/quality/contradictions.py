"""Rows of Adult whose values contradict each other: how well they are found and explained.

    python benchmarks/quality/contradictions.py [--seeds 1] [--rows 24400] [--held-out 6000]
        [--json FILE]

The detectors are fitted on rows as they are, without the income. Among the held-out rows, two in a
hundred are given values that are ordinary on their own and contradict others of the row: husbands
who are female, a doctorate at seventeen, and people who have never worked but work 60 hours a week.
"AUROC" compares the scores of these rows with those of all other held-out rows; "named" is the
share of them whose largest contribution, by `explain`, is that of a column of the contradiction.
IsolationForest and LocalOutlierFactor see one-hot columns beside standardised numbers.
"""

from __future__ import annotations

import numpy as np
from _table import Figure, arguments, fit_seconds, report
from classes import column_encoder
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from tables import load

from skvae import VAEAnomalyDetector

EACH = 40  # planted rows of a kind
KINDS = {
    "husband and female": {"relationship", "sex"},
    "doctorate at 17": {"age", "education", "education-num"},
    "never worked, 60 hours": {"workclass", "hours-per-week"},
}


def main():
    settings = arguments(__doc__, repeats=1, seeds=1, rows=24_400, held_out=6000)
    adult = load("adult").drop(columns="income")
    found = {}
    for seed in range(settings.seeds):
        rows = adult.sample(frac=1, random_state=seed).reset_index(drop=True)
        train = rows[: settings.rows]
        held_out = rows[settings.rows :][: settings.held_out].reset_index(drop=True)
        test, planted = plant(held_out, np.random.default_rng(seed))
        for name, detector in detectors(seed).items():
            result = evaluate(detector, train, test, planted)
            print(name, seed, {key: round(value, 3) for key, value in result.items()}, flush=True)
            found.setdefault(name, []).append(result)
    table = [
        {"model": name} | {key: Figure.of([one[key] for one in results], 3) for key in results[0]}
        for name, results in found.items()
    ]
    report(f"Adult: {3 * EACH} contradictions among held-out rows", table, settings)


def plant(rows, rng):
    """Return rows with contradictions, and the kind of each row, None if it has none."""
    rows, planted = rows.copy(), np.full(len(rows), None, dtype=object)

    def choose(mask, n_rows, kind):
        free = np.flatnonzero(mask & (planted == None))  # noqa: E711 - elementwise
        chosen = rng.permutation(free)[:n_rows]
        planted[chosen] = kind
        return chosen

    husband, doctor, idle = KINDS
    rows.loc[choose(rows["relationship"] == "Husband", EACH, husband), "sex"] = "Female"
    rows.loc[choose(rows["education"] == "Doctorate", EACH // 2, doctor), "age"] = 17
    young = choose(rows["age"] == 17, EACH - EACH // 2, doctor)
    rows.loc[young, "education"], rows.loc[young, "education-num"] = "Doctorate", 16
    rows.loc[choose(rows["hours-per-week"] == 60, EACH, idle), "workclass"] = "Never-worked"
    return rows, planted


def detectors(seed):
    return {
        "VAEAnomalyDetector": VAEAnomalyDetector(random_state=seed),
        "IsolationForest": make_pipeline(column_encoder(), IsolationForest(random_state=seed)),
        "LocalOutlierFactor": make_pipeline(column_encoder(), LocalOutlierFactor(novelty=True)),
    }


def evaluate(detector, train, test, planted):
    seconds, is_planted = fit_seconds(detector, train), planted.astype(bool)
    scores = detector.score_samples(test)
    figures = {"AUROC": roc_auc_score(~is_planted, scores)}
    for kind in KINDS:
        of_interest = ~is_planted | (planted == kind)
        figures[kind] = roc_auc_score(~is_planted[of_interest], scores[of_interest])
    figures["fit, s"] = seconds
    if hasattr(detector, "explain"):
        named = named_columns(detector, test[is_planted])
        kinds = planted[is_planted]
        figures["named"] = np.mean([n in KINDS[kind] for n, kind in zip(named, kinds, strict=True)])
    return figures


def named_columns(detector, rows):
    """Return the column with the largest contribution of each row."""
    cells = detector.explain(rows.reset_index(drop=True))
    return cells.loc[cells.groupby("row")["contribution"].idxmax(), "feature"].tolist()


if __name__ == "__main__":
    main()
