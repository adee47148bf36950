"""Seconds to turn a data frame into floats and back, and to train on one.

    python benchmarks/table_speed.py [--rows 1000000] [--training-rows 12000] [--repeats 3]
        [--json FILE]

The frame has 15 columns: text with gaps, text of 500 levels, ordered and unordered categories,
booleans, whole numbers, small and large, numbers with and without decimals, dates with and without
a time zone, and a duration. Seconds are processor time of all threads. Before anything is timed,
the script asserts that the frame comes back as it was, rare levels aside. The first table has the
time of an epoch on such a frame beside that on a numeric table which is as wide as what the
encoder sees of the frame, with the same network, prior and batch size.
"""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
from _harness import Spread, arguments, ratios, report, take_turns

from skvae import VAETransformer
from skvae._rows.table import TableSchema
from skvae._specs import OF_TABLES

BATCH_SIZE = 256  # of frames with names, from 2,000 rows up


def customers(n_rows: int) -> pd.DataFrame:
    """Return a table of made-up customers."""
    rng = np.random.default_rng(0)
    gap = rng.random(n_rows) < 0.1
    since = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**8, n_rows), unit="s")
    sizes = pd.CategoricalDtype(["S", "M", "L"], ordered=True)
    return pd.DataFrame(
        {
            "country": pd.Series(rng.choice(["DE", "FR", "SE", "US"], n_rows)).mask(gap),
            "job": rng.choice([f"job {number}" for number in range(500)], n_rows),
            "size": pd.Series(rng.choice(["S", "M", "L"], n_rows)).astype(sizes),
            "plan": pd.Series(rng.choice(["basic", "gold"], n_rows)).astype("category"),
            "active": rng.random(n_rows) < 0.5,
            "opted in": pd.Series(rng.random(n_rows) < 0.5, dtype="boolean").mask(gap),
            "age": rng.integers(18, 90, n_rows),
            "visits": pd.Series(rng.poisson(3, n_rows), dtype="Int64").mask(gap),
            "account": rng.integers(2**60, 2**60 + 10**9, n_rows),
            "income": rng.lognormal(10, 1, n_rows).round(2),
            "score": rng.normal(size=n_rows),
            "rate": rng.normal(size=n_rows).astype(np.float32),
            "since": since,
            "last seen": pd.Series(since).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
            "spent": pd.to_timedelta(rng.integers(0, 10**5, n_rows), unit="s"),
        }
    )


def processor_seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def main():
    settings = arguments(__doc__, rows=1_000_000, training_rows=12_000)
    report("Seconds for an epoch of training", _epochs(settings), settings)
    frame = customers(settings.rows)
    of_polars = pl.from_pandas(frame)
    frames = {"pandas": frame, "polars": of_polars, "pyarrow": of_polars.to_arrow()}
    rows = []
    for library, X in frames.items():
        schema = TableSchema.learn(X)
        floats = schema.encode(X)
        _assert_same(schema.decode(floats), X)
        calls = {
            "learn": partial(TableSchema.learn, X),
            "encode": partial(schema.encode, X),
            "decode": partial(schema.decode, floats, np.random.default_rng(0)),
        }
        timed = {name: partial(processor_seconds, call) for name, call in calls.items()}
        times = take_turns(timed, settings.repeats)
        rows.append({"library": library, **{name: Spread.of(times[name]) for name in times}})
    report(f"Seconds for {settings.rows:,} rows of {frame.shape[1]} columns", rows, settings)


def _epochs(settings):
    frame = customers(settings.training_rows)
    model = VAETransformer(max_epochs=1, random_state=0)
    width = model.fit(frame).module_.likelihood.n_inputs
    numbers = np.random.default_rng(0).normal(size=(len(frame), width)).astype(np.float32)
    parts = {"network": OF_TABLES["network"], "prior": OF_TABLES["prior"]}
    tables = {"frame": (frame, {}), "numbers": (numbers, parts | {"batch_size": BATCH_SIZE})}
    timed = {name: partial(_seconds_per_epoch, *table) for name, table in tables.items()}
    times = take_turns(timed, settings.repeats)
    ratio = ratios(times["frame"], times["numbers"])
    return [{"width": width, **{name: Spread.of(times[name]) for name in times}, "ratio": ratio}]


def _seconds_per_epoch(X, params):
    """Return the difference between fits of three epochs and of one, per epoch."""
    models = {n: VAETransformer(max_epochs=n, random_state=0, **params) for n in (1, 3)}
    short, long = (processor_seconds(partial(model.fit, X)) for model in models.values())
    return (long - short) / 2


def _assert_same(found, expected):
    """Assert that all columns but "job", whose rare levels share a code, are the same."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found.drop(columns="job"), expected.drop(columns="job"))
    else:
        found, expected = (pl.DataFrame(frame).drop("job") for frame in (found, expected))
        assert found.equals(expected)


if __name__ == "__main__":
    main()
