"""Figures over seeds and published figures, shared by the tables of quality."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness of the benchmarks of speed

from _harness import arguments, report

__all__ = ["Figure", "Published", "arguments", "fit_seconds", "report"]


class Figure(NamedTuple):
    """Mean over seeds, with its standard error if there are two or more."""

    mean: float
    standard_error: float | None
    digits: int = 2

    @classmethod
    def of(cls, values: list[float], digits: int = 2) -> Figure:
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
        return cls(statistics.fmean(values), error, digits)

    def __str__(self) -> str:
        error = "" if self.standard_error is None else f" ± {self.standard_error:.{self.digits}f}"
        return f"{self.mean:.{self.digits}f}{error}"


class Published(NamedTuple):
    """A figure from the literature."""

    model: str
    figure: float | str
    source: str

    def row(self, column: str) -> dict[str, Any]:
        """Return a row that shows the figure with its published digits."""
        return {
            "model": f"published: {self.model}",
            column: str(self.figure),
            "source": self.source,
        }


def fit_seconds(model, X) -> float:
    """Fit a model in place and return how long that took."""
    start = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - start
