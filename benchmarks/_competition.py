"""Contestants that take turns at one job: shared by the benchmarks of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from _harness import take_turns
from contestants import Contestant, Job, Result, obstacle, run, stored_rows, turns


def compete(
    contestants: dict[str, Contestant],
    job: Job,
    settings: Any,
    measures: dict[str, Callable[..., Result]],
) -> tuple[dict[str, str | None], dict[str, list[Result]]]:
    """Run the available contestants in turns; return the obstacle of each, and the results.

    `settings` holds the data, the number of rows, the folder of peers and the number of repeats;
    `measures` holds the contestants that are measured by another function than :func:`run`.
    """
    obstacles = {
        name: obstacle(contestant, job["network"], settings.peers)
        for name, contestant in contestants.items()
    }
    with stored_rows(settings.data, settings.rows) as folder:
        job = job | {"data": folder}
        able = {
            name: turns(contestant, job, settings.peers, measures.get(name, run))
            for name, contestant in contestants.items()
            if obstacles[name] is None
        }
        return obstacles, take_turns(able, settings.repeats)
