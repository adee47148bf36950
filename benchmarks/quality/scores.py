"""Scores of a detector: AUROC of each `anomaly_score` on tables and on images.

    python benchmarks/quality/scores.py [--seeds 3] [--scores novelty_rarity ...] [--json FILE]

Tables and digits are those of scikit-learn in `tabular.py`, of both halves, with the two settings
described there: training rows are normal and new rows are scored, or they hold outliers and are
scored themselves. One model is fitted to each case, with the defaults, and every score is computed
from it. Figures are means of the AUROC over the cases and seeds, in percent; new rows are judged by
the average of "real" and of the mean of the four generated kinds, as in `tabular.py`.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import tabular
from _table import arguments, report
from sklearn.metrics import roc_auc_score

from skvae import VAEAnomalyDetector

SCORES = [
    "novelty_rarity",
    "residual_neighbors",
    "log_likelihood",
    "elbo",
    "reconstruction",
    "kl",
    "relative_error",
    "latent_density",
    "latent_neighbors",
    "typicality",
    "likelihood_regret",
    "combined",
]
CASES = {"new": tabular.normal_cases, "training": tabular.contaminated_cases}


def main():
    settings = arguments(__doc__, seeds=1, scores=SCORES)
    tabular.KEEL = {half: [] for half in tabular.KEEL}
    results = {}
    for rows, cases in CASES.items():
        for table, seed, train, test in cases(["development", "held-out"], range(settings.seeds)):
            data = "images" if "digits" in table else "tables"
            for score, auroc in evaluate(settings.scores, train, test, seed).items():
                results.setdefault(score, {}).setdefault(f"{data}, {rows} rows", []).append(auroc)
            print(rows, table, seed, flush=True)
    frame = pd.DataFrame(results).map(lambda found: f"{100 * np.mean(found):.1f}").T
    rows = [{"score": score, **found} for score, found in frame.to_dict("index").items()]
    report("AUROC by score, in percent", rows, settings)


def evaluate(scores, train, test, seed):
    """Return the AUROC of each score, computed from one fitted model."""
    detector = VAEAnomalyDetector(warm_start=True, random_state=seed)
    return {score: auroc(fitted(detector, score, train), test) for score in scores}


def fitted(detector, score, train):
    """Return the detector with a score; training is not repeated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No training was done", category=UserWarning)
        return detector.set_params(anomaly_score=score).fit(train)


def auroc(detector, test):
    found = {
        kind: roc_auc_score(is_outlier, -detector.score_samples(X))
        for kind, (X, is_outlier) in test.items()
    }
    generated = [found.pop(kind) for kind in tabular.GENERATED if kind in found]
    return np.mean([*found.values(), *([np.mean(generated)] if generated else [])])


if __name__ == "__main__":
    main()
