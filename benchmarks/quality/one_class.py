"""One-class MNIST: area under the ROC curve with one digit as the normal class.

    python benchmarks/quality/one_class.py [--rows test|development|letters] [--seeds 1]
        [--json FILE]

Ten detectors of the same configuration are each trained on the training images of one class, and
rank all images of the evaluation set. With `--rows test`, they are trained on the 60,000 training
images and evaluated on the 10,000 test images, which were not used for any choice. With `--rows
development`, they are trained on the first 50,000 training images and evaluated on the 10,000
others; with `--rows letters`, on A to J of EMNIST's letters. The configuration was chosen on the
development rows with 2 or 8 as the normal digit, and on the letters A and B. Seconds are those of
all ten fits, including the score, and of the evaluation.
"""

from __future__ import annotations

import time

import numpy as np
from _rows import development, test
from _table import Figure, Published, arguments, report
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from skvae import VAEAnomalyDetector
from skvae.datasets import fetch_emnist
from skvae.objectives import ELBO
from skvae.scores import Combined, LatentDensity, RelativeError

DETECTOR = VAEAnomalyDetector(
    64,
    objective=ELBO(beta=4),
    max_epochs=20,
    anomaly_score=Combined(
        scores=(RelativeError(origin="zero", floor=0.04, blur=1), LatentDensity(reg_covar=0.03))
    ),
)
PUBLISHED = [
    Published("Deep SVDD", 94.8, "Ruff et al. (2018), table 1"),
    Published("OCGAN", 97.5, "Perera et al. (2019)"),
    Published("ARNet", 98.3, "Fei et al. (2020)"),
]


def main():
    settings = arguments(__doc__, rows="test", seeds=1)
    rows = ROWS[settings.rows]()
    found = [evaluate_all(seed, *rows) for seed in range(settings.seeds)]
    areas, seconds = zip(*found, strict=True)
    each = np.transpose(areas)  # (n_classes, n_seeds)
    table = [{"normal": str(c), "AUROC": Figure.of(list(of))} for c, of in enumerate(each)]
    table += [
        {
            "normal": "mean",
            "AUROC": Figure.of(list(each.mean(0))),
            "seconds": Figure.of(list(seconds), digits=0),
        },
        {"normal": "worst", "AUROC": Figure.of(list(each.min(0)))},
    ]
    if settings.rows == "test":
        table += [{"normal": "mean", **published.row("AUROC")} for published in PUBLISHED]
    report(f"One class, {settings.rows}: AUROC by normal class", table, settings)


def evaluate_all(seed, X, y, X_test, y_test):
    areas, start = [], time.perf_counter()
    for normal in range(10):
        detector = clone(DETECTOR).set_params(random_state=seed).fit(X[y == normal])
        scores = detector.score_samples(X_test)
        areas.append(100 * roc_auc_score(y_test == normal, scores))
        print(f"seed {seed}, {normal} is normal: {areas[-1]:.2f}", flush=True)
    return areas, time.perf_counter() - start


def letters():
    train, held_out = (fetch_emnist(split="letters", subset=subset) for subset in ("train", "test"))
    names = np.unique(train.target)
    return (
        train.data,
        np.searchsorted(names, train.target),
        held_out.data,
        np.searchsorted(names, held_out.target),
    )


ROWS = {"test": test, "development": development, "letters": letters}

if __name__ == "__main__":
    main()
