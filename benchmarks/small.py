"""Small fits: the cost of a step beside a bare loop, and the seconds of default fits.

    python benchmarks/small.py [--widths 32 64 128 256 512] [--steps 1000] [--tables iris wine ...]
        [--repeats 5] [--json FILE]

The first table has iris with one hidden layer of each width in encoder and decoder. A step is the
difference between two fits that differ in their epochs, so that what a fit does once does not
count. The second has whole fits of the default constructors, beside IsolationForest. Times are
those of the processor, in turns.
"""

from __future__ import annotations

import time
import warnings
from functools import partial

import torch
from _bare import BareVAE, mlp, train
from _harness import Spread, arguments, ratios, report, take_turns
from sklearn import datasets
from sklearn.ensemble import IsolationForest

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

TABLES = {
    name: getattr(datasets, f"load_{name}") for name in ("iris", "wine", "breast_cancer", "digits")
}
STEPS_PER_EPOCH = 3  # 150 rows in batches of 64


def main():
    settings = arguments(
        __doc__, repeats=5, widths=[32, 64, 128, 256, 512], steps=1000, tables=[*TABLES]
    )
    warnings.simplefilter("ignore")
    rows = [_steps(width, settings) for width in settings.widths]
    report("Processor time of a step, iris", rows, settings)
    whole = [_whole_fits(table, settings.repeats) for table in settings.tables]
    report("Processor seconds of a whole fit with the default constructor", whole, settings)


def _steps(width, settings):
    X = datasets.load_iris().data.astype("float32")
    epochs = max(1, settings.steps // STEPS_PER_EPOCH)
    contestants = {
        (fit, n): partial(_processor_seconds, partial(fit, X, width, n))
        for fit in (_fit_bare, _fit)
        for n in (1, 1 + epochs)
    }
    times = take_turns(contestants, settings.repeats + 1)  # the first turn is a warm-up
    n_steps = epochs * STEPS_PER_EPOCH
    bare, ours = (
        [1e6 * (many - one) / n_steps for one, many in _pairs(times, fit, epochs)]
        for fit in (_fit_bare, _fit)
    )
    named = {"width": width, "bare µs": Spread.of(bare), "skvae µs": Spread.of(ours)}
    return {**named, "ratio": ratios(ours, bare)}


def _pairs(times, fit, epochs):
    return list(zip(times[fit, 1], times[fit, 1 + epochs], strict=True))[1:]


def _fit(X, width, n_epochs):
    network = MLP(hidden_layer_sizes=width)
    params = {"weight_decay": 0.01, "batch_size": 64}  # a number, so that there are no pseudo-rows
    VAETransformer(4, network=network, max_epochs=n_epochs, random_state=0, **params).fit(X)


def _fit_bare(X, width, n_epochs):
    x = torch.from_numpy((X - X.mean(axis=0)) / X.std(axis=0))
    train(BareVAE(*mlp(X.shape[1], 4, (width,)), gaussian=True), x, n_epochs, 64)


def _whole_fits(table, repeats):
    X = TABLES[table]().data
    contestants = {
        "transformer": partial(_processor_seconds, partial(VAETransformer(random_state=0).fit, X)),
        "detector": partial(_processor_seconds, partial(VAEAnomalyDetector(random_state=0).fit, X)),
        "IsolationForest": partial(
            _processor_seconds, partial(IsolationForest(random_state=0).fit, X)
        ),
    }
    times = take_turns(contestants, repeats)
    return {"table": table, **{name: Spread.of(found) for name, found in times.items()}}


def _processor_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


if __name__ == "__main__":
    main()
