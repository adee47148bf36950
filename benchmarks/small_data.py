"""Cost of a step on small data: the default constructor beside a bare torch loop.

    python benchmarks/small_data.py [--repeats 7] [--max-epochs auto] [--json FILE]

Both fit scikit-learn's digits (1,797 rows of 64 features) with the same network, batch size and
number of steps, in turns, after one untimed fit each. The bare loop has a Gaussian likelihood with
one learned variance and a constant learning rate; the fit of skvae also checks its input, measures
the scaling, runs the learning rate through its cycle and records the history.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from _bare import BareVAE, mlp, train
from _harness import Spread, arguments, ratios, report, seconds, take_turns
from sklearn.datasets import load_digits

from skvae import VAETransformer

WIDTHS, BATCH_SIZE = (512, 256), 64  # the defaults of skvae for these rows


def main():
    settings = arguments(__doc__, repeats=7, max_epochs="auto")
    X = load_digits().data.astype("float32")
    fitted = _fit(X, settings.max_epochs)
    bare = partial(_fit_bare, X, fitted.n_components_, fitted.n_iter_)
    _assert_same_size(fitted, bare(), len(X))
    contestants = {
        "bare loop": partial(seconds, bare),
        "skvae": partial(seconds, partial(_fit, X, settings.max_epochs)),
    }
    times = take_turns(contestants, settings.repeats)
    rows = [
        {
            "contestant": name,
            "seconds": Spread.of(times[name]),
            "steps": fitted.n_steps_,
            "µs per step": 1e6 * Spread.of(times[name]).median / fitted.n_steps_,
            "ratio": ratios(times[name], times["bare loop"]),
        }
        for name in contestants
    ]
    report(f"Digits, {len(X):,} x {X.shape[1]}, {fitted.precision_}, whole fit", rows, settings)


def _fit(X, max_epochs):
    max_epochs = max_epochs if max_epochs == "auto" else int(max_epochs)
    return VAETransformer(max_epochs=max_epochs, random_state=0).fit(X)


def _fit_bare(X, n_components, n_epochs):
    x = torch.from_numpy((X - X.mean()) / X.std())
    model = BareVAE(*mlp(X.shape[1], n_components, WIDTHS), gaussian=True)
    train(model, x, n_epochs, BATCH_SIZE)
    return model


def _assert_same_size(fitted, bare, n_rows):
    assert fitted.n_steps_ == fitted.n_iter_ * math.ceil(n_rows / BATCH_SIZE)
    for part in ("encoder", "decoder"):
        ours, theirs = (getattr(model, part).parameters() for model in (fitted.module_, bare))
        assert [weights.shape for weights in ours] == [weights.shape for weights in theirs]


if __name__ == "__main__":
    main()
