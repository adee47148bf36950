"""Speed of training, beside a bare loop, other libraries, and the matrix products alone.

    python benchmarks/training.py [--network conv] [--epochs 3] [--rows 60000] [--repeats 3]

All contestants train the same network on the same rows for the same number of epochs, each in its
own process and environment, with the same number of threads (OMP_NUM_THREADS). The time is that of
the whole fit, after a short warm-up; the memory is that of the process, including imports and data.
Ratios are taken round by round. "of float32 limit" and "of bfloat16 limit" are the seconds of the
matrix products alone, in that precision, divided by the seconds of the contestant.

The other libraries are run by ``benchmarks/peers/NAME/bin/python``; --peers or the environment
variable SKVAE_PEERS names another folder than ``benchmarks/peers``. The packages to install there
are listed in ``benchmarks/peers/NAME.txt``.
"""

from __future__ import annotations

from typing import Any

from _competition import compete
from _harness import Spread, arguments, environment, ratios, report
from contestants import CONTESTANTS, PEERS, Result, seconds, selected, versions

RATIOS = {"/ bare": "bare", "/ skvae-auto": "skvae-auto"}
LIMITS = {"of float32 limit": "matmul-float32", "of bfloat16 limit": "matmul-bfloat16"}


def main() -> None:
    settings = arguments(
        __doc__,
        network="mlp",
        data="mnist",
        rows=60_000,
        epochs=3,
        batch_size=128,
        learning_rate=1e-3,
        n_components=16,
        contestants=list(CONTESTANTS),
        peers=PEERS,
    )
    found = environment()
    entries = selected(CONTESTANTS, settings.contestants)
    names = ("network", "epochs", "batch_size", "learning_rate", "n_components")
    job = {name: getattr(settings, name) for name in names} | {"threads": found["threads"]}
    obstacles, results = compete(entries, job, settings, measures={})
    rows = [_row(name, problem, results) for name, problem in obstacles.items()]
    title = (
        f"Training, {settings.network} network: {settings.rows} rows, {settings.epochs} epochs, "
        f"batch {settings.batch_size}"
    )
    report(title, rows, settings, found)


def _row(name: str, problem: str | None, results: dict[str, list[Result]]) -> dict[str, Any]:
    if problem is not None:
        return {"contestant": name, "versions": problem}
    mine = results[name]
    row = {"contestant": name, "versions": versions(mine[0]), "seconds": Spread.of(seconds(mine))}
    for column, other in RATIOS.items():
        if other in results:
            row[column] = ratios(seconds(mine), seconds(results[other]))
    for column, limit in LIMITS.items():
        if limit in results:
            row[column] = ratios(seconds(results[limit]), seconds(mine))
    if name not in LIMITS.values():
        elbos = [result["elbo"] for result in mine]
        row["test ELBO"] = "not comparable" if None in elbos else Spread.of(elbos)
    row["peak MB"] = max(result["peak_rss_mb"] for result in mine)
    return row


if __name__ == "__main__":
    main()
