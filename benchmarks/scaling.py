"""Growth of the cost of a whole fit with rows, epochs, features, latent dimensions and batch size.

    python benchmarks/scaling.py [--questions rows epochs features latents batches] [--repeats 3]
        [--rows 5000 10000 ...] [--epochs 1 2 ...] [--features 64 256 ...] [--latents 2 8 ...]
        [--batches 32 128 ...] [--base-rows 10000] [--network mlp] [--json FILE]

The features are uniform noise, all other questions use MNIST. Quantities that a question does not
vary are fixed at 2 epochs for `rows` and 1 otherwise, `--base-rows` rows, 16 components and batches
of 128 rows. The default network is narrower for at most 32 features. The exponent is the
least-squares slope of log seconds over log size for the whole question: 1 is linear.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
from _harness import Spread, arguments, report, seconds, take_turns
from _images import images, noise

from skvae import VAETransformer

BASE = {"n_components": 16, "batch_size": 128, "max_epochs": 1}


def rows(settings):
    X = images(max(settings.rows), settings.data)
    return {n: (X[:n], {"max_epochs": 2}) for n in settings.rows}


def epochs(settings):
    X = images(settings.base_rows, settings.data)
    return {n: (X, {"max_epochs": n}) for n in settings.epochs}


def features(settings):
    X = noise(settings.base_rows, max(settings.features))
    return {n: (np.ascontiguousarray(X[:, :n]), {}) for n in settings.features}


def latents(settings):
    X = images(settings.base_rows, settings.data)
    return {n: (X, {"n_components": n}) for n in settings.latents}


def batches(settings):
    X = images(settings.base_rows, settings.data)
    return {n: (X, {"batch_size": n}) for n in settings.batches}


QUESTIONS = {
    "rows": rows,
    "epochs": epochs,
    "features": features,
    "latents": latents,
    "batches": batches,
}


def main():
    settings = arguments(
        __doc__,
        questions=list(QUESTIONS),
        rows=[5_000, 10_000, 20_000, 40_000, 60_000],
        epochs=[1, 2, 4, 8],
        features=[64, 128, 256, 512, 1024, 2048, 4096],
        latents=[2, 4, 8, 16, 32, 64, 128, 256],
        batches=[32, 64, 128, 256, 512, 1024],
        base_rows=10_000,
        network="mlp",
        precision="auto",
        data="mnist",
    )
    if unknown := set(settings.questions) - set(QUESTIONS):
        known = ", ".join(QUESTIONS)
        sys.exit(f"--questions must be of {known}, got {', '.join(sorted(unknown))}.")
    table = [row for name in settings.questions for row in _answer(name, settings)]
    report(f"Cost of a whole fit, {settings.network}, {settings.precision}", table, settings)


def _answer(question, settings):
    jobs = {
        size: partial(_fit, X, settings, params)
        for size, (X, params) in QUESTIONS[question](settings).items()
    }
    next(iter(jobs.values()))()  # untimed: loads libraries, starts thread pools
    timed = {size: partial(seconds, job) for size, job in jobs.items()}
    times = {size: Spread.of(found) for size, found in take_turns(timed, settings.repeats).items()}
    return [
        {
            "question": question,
            "size": size,
            "seconds": time.median,
            "low": time.low,
            "high": time.high,
            "exponent": _exponent(times),
        }
        for size, time in times.items()
    ]


def _fit(X, settings, params):
    params = BASE | {"network": settings.network, "precision": settings.precision} | params
    VAETransformer(likelihood="bernoulli", random_state=0, **params).fit(X)


def _exponent(times):
    """Return b of seconds = a * size^b; NaN for a single size."""
    if len(times) < 2:
        return float("nan")
    medians = [time.median for time in times.values()]
    return float(np.polyfit(np.log(list(times)), np.log(medians), 1)[0])


if __name__ == "__main__":
    main()
