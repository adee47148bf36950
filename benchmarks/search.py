"""Speed-up of a grid search by two workers, with the threads, data and memory of each worker.

    python benchmarks/search.py [--rows 0] [--n-components 2 4 8 16] [--max-epochs 5] [--folds 3]
        [--jobs 1 2] [--repeats 3] [--json FILE]

GridSearchCV over `n_components` on scikit-learn's digits or, with --rows, on that many rows of
MNIST. Once per search, joblib writes arrays of more than 1 MB (not the digits, 0.9 MB) to files
that the workers map into memory: "files" and "mapped MB" are those that a worker finds. Smaller
arrays are sent with every task. "first" is the first search with that many workers, which starts
them.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path

import torch
from _harness import Spread, arguments, ratios, report, seconds, take_turns
from _images import images
from _processes import peak_bytes
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skvae import VAETransformer


def main():
    settings = arguments(
        __doc__,
        rows=0,
        n_components=[2, 4, 8, 16],
        max_epochs=5,
        folds=3,
        jobs=[1, 2],
        data="mnist",
    )
    X = images(settings.rows, settings.data) if settings.rows else load_digits().data
    VAETransformer(2, max_epochs=1, random_state=0).fit(X[:256])  # untimed: loads libraries
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JOBLIB_TEMP_FOLDER"] = folder  # the workers inherit it
        searches = {n_jobs: partial(_search, X, n_jobs, settings) for n_jobs in settings.jobs}
        runs = take_turns(searches, settings.repeats)
    n_fits = len(settings.n_components) * settings.folds
    title = f"Grid search of {n_fits} fits on {len(X):,} x {X.shape[1]}, {X.nbytes / 2**20:.1f} MB"
    base = [time for time, _ in runs[settings.jobs[0]]]
    report(title, [_row(n_jobs, found, base) for n_jobs, found in runs.items()], settings)


def _search(X, n_jobs, settings):
    """Return the seconds of one search and the maximum of each figure from its workers."""
    search = GridSearchCV(
        VAETransformer(max_epochs=settings.max_epochs, random_state=0),
        {"n_components": settings.n_components},
        scoring=_witness,
        cv=settings.folds,
        n_jobs=n_jobs,
        refit=False,
        error_score="raise",
    )
    time = seconds(lambda: search.fit(X))
    seen = {
        name.split("_test_")[1]: values.max()
        for name, values in search.cv_results_.items()
        if name.startswith("split0_test_")
    }
    return time, seen


def _witness(vae, X, y=None):
    """Return the score and, as further scores, figures about the worker."""
    files = list(Path(os.environ["JOBLIB_TEMP_FOLDER"]).rglob("*.pkl"))
    return {
        "score": vae.score(X),
        "threads": torch.get_num_threads(),
        "files": len(files),
        "mapped MB": sum(file.stat().st_size for file in files) / 2**20,
        "peak MB": peak_bytes() / 2**20,
    }


def _row(n_jobs, found, base):
    times = [time for time, _ in found]
    seen = found[-1][1]
    return {
        "workers": n_jobs,
        "seconds": Spread.of(times),
        "first": times[0],
        "speed-up": ratios(base, times),
        "threads": int(seen["threads"]),
        "files": int(seen["files"]),
        "mapped MB": float(seen["mapped MB"]),
        "peak MB of one": float(seen["peak MB"]),
    }


if __name__ == "__main__":
    main()
