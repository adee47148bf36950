"""Seconds of training until the test ELBO passes a threshold, with documented defaults.

    python benchmarks/time_to_quality.py [--threshold -101] [--cap-seconds 300] [--repeats 3]

All contestants train the dense network 784-512-256-16 and its mirror image, each in its own process
and environment. The other libraries train epoch by epoch at a constant learning rate, as documented
there; the ELBO is computed after every epoch, with the clock stopped, and training ends once it
passes. The learning rate of skvae runs through one cycle per fit, so whole fits of the default
constructor are run with increasing numbers of epochs (--skvae-epochs) until one passes; the seconds
are those of that fit. In both cases the test rows decide when to stop. They do not for
skvae-defaults, which leaves the number of epochs to skvae as well.

Pythae takes part twice: with the defaults of its configuration, and with the configuration of the
training example in its README (without worker processes and checkpoints). skorch's default
optimiser is SGD; here it uses that of the bare loop. PyOD trains another loss and is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from _competition import compete
from _harness import Spread, arguments, environment, ratios, report
from contestants import (
    CONTESTANTS,
    PEERS,
    Contestant,
    Job,
    Result,
    run,
    seconds,
    selected,
    versions,
)


class Entry(NamedTuple):
    """A contestant with its documented options, and a description of them."""

    contestant: Contestant
    recipe: str


def _entry(name: str, recipe: str, **options: Any) -> Entry:
    contestant = CONTESTANTS[name]
    return Entry(contestant._replace(options={"by_epoch": True, **options}), recipe)


ADAM = {"learning_rate": 1e-3, "batch_size": 128}
PYTHAE_README = {
    "optimizer_cls": "AdamW",
    "optimizer_params": {"weight_decay": 0.05, "betas": (0.91, 0.995)},
    "scheduler_cls": "ReduceLROnPlateau",
    "scheduler_params": {"patience": 5, "factor": 0.5},
}
WHOLE_FITS = {"by_epoch": False, "defaults": True}

ENTRIES = {
    "bare": _entry("bare", "Adam 1e-3, batch 128", epochs=100, **ADAM),
    "skvae": _entry("skvae-auto", "defaults, shortest fit", **WHOLE_FITS),
    "skvae-defaults": _entry("skvae-auto", "defaults, one fit", epochs=None, **WHOLE_FITS),
    "skorch": _entry("skorch", "Adam 1e-3, batch 128", epochs=100, **ADAM),
    "pythae": _entry(
        "pythae", "Adam 1e-4, batch 64", epochs=100, learning_rate=1e-4, batch_size=64
    ),
    "pythae-readme": _entry(
        "pythae",
        "AdamW 1e-3, batch 200",
        epochs=50,
        learning_rate=1e-3,
        batch_size=200,
        trainer=PYTHAE_README,
    ),
    "keras-tf": _entry("keras-tf", "Adam 1e-3, batch 128", epochs=30, **ADAM),
    "keras-torch": _entry("keras-torch", "Adam 1e-3, batch 128", epochs=30, **ADAM),
}
RATIOS = {"/ skvae": "skvae", "/ skvae-defaults": "skvae-defaults"}


def main() -> None:
    settings = arguments(
        __doc__,
        threshold=-101.0,
        cap_seconds=300.0,
        skvae_epochs=[4, 5, 6, 8, 10],
        data="mnist",
        rows=60_000,
        n_components=16,
        contestants=list(ENTRIES),
        peers=PEERS,
    )
    found = environment()
    entries = selected(ENTRIES, settings.contestants)
    contestants = {name: entry.contestant for name, entry in entries.items()}
    names = ("threshold", "cap_seconds", "skvae_epochs", "n_components")
    job = {name: getattr(settings, name) for name in names}
    job |= {"threads": found["threads"], "network": "mlp"}
    obstacles, results = compete(contestants, job, settings, MEASURES)
    rows = [_row(name, problem, results, settings.threshold) for name, problem in obstacles.items()]
    title = f"Seconds of training to a test ELBO above {settings.threshold:g} nats"
    report(title, rows, settings, found)


def _shortest_fit(contestant: Contestant, job: Job, peers: str) -> Result:
    """Fit with increasing numbers of epochs; return the first fit that passes, or the last."""
    for n_epochs in job["skvae_epochs"]:
        result = run(contestant, {**job, "epochs": n_epochs}, peers)
        if result["elbo"] > job["threshold"]:
            break
    return result


MEASURES = {"skvae": _shortest_fit}


def _row(
    name: str, problem: str | None, results: dict[str, list[Result]], threshold: float
) -> dict[str, Any]:
    row = {"contestant": name, "recipe": ENTRIES[name].recipe}
    if problem is not None:
        return {**row, "seconds": problem}
    mine = results[name]
    row["seconds"] = Spread.of(seconds(mine)) if _passed(mine, threshold) else _missed(mine)
    for column, other in RATIOS.items():
        if other in results and _passed([*mine, *results[other]], threshold):
            row[column] = ratios(seconds(mine), seconds(results[other]))
    row["epochs"] = " ".join(str(result["n_epochs"]) for result in mine)
    row["best test ELBO"] = Spread.of([result["elbo"] for result in mine])
    row["versions"] = versions(mine[0])
    return row


def _passed(results: list[Result], threshold: float) -> bool:
    return all(result["elbo"] > threshold for result in results)


def _missed(results: list[Result]) -> str:
    """Return the duration of the longest turn, which --cap-seconds or the epochs ended."""
    return f"not within {max(seconds(results)):.0f} s"


if __name__ == "__main__":
    main()
