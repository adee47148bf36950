"""Shared by all benchmarks: turns in alternating order, medians, tables and JSON."""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("skvae", "torch", "scikit-learn", "skorch", "numpy")


class Spread(NamedTuple):
    """Median, smallest and largest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def arguments(description: str | None, repeats: int = 3, **options: Any) -> argparse.Namespace:
    """Parse the command line: --repeats and --json, and an option for each keyword's default."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=repeats, help=f"turns per contestant (default: {repeats})"
    )
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    for name, default in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, list):
            kind = type(default[0])
            parser.add_argument(flag, type=kind, nargs="+", default=default)
        else:
            kind = str if default is None else type(default)
            parser.add_argument(flag, type=kind, default=default, help=f"(default: {default})")
    return parser.parse_args()


def take_turns(contestants: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[Any]]:
    """Call each contestant `repeats` times, with the order reversed from one round to the next.

    The speed of a shared machine changes by the minute, so only alternating runs are comparable.
    """
    results: dict[str, list[Any]] = {name: [] for name in contestants}
    for round_ in range(repeats):
        for name in list(contestants)[:: 1 if round_ % 2 == 0 else -1]:
            results[name].append(contestants[name]())
    return results


def seconds(function: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ratios(values: list[float], base: list[float]) -> Spread:
    """Compare round by round, so that the slowness of a whole round cancels."""
    return Spread.of([value / other for value, other in zip(values, base, strict=True)])


def environment() -> dict[str, Any]:
    """Return the processor, the number of threads and the versions of the packages."""
    import torch

    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def report(
    title: str,
    rows: list[dict[str, Any]],
    settings: argparse.Namespace,
    environment_: dict[str, Any] | None = None,
) -> None:
    """Print the rows as a table under the title and, with --json, write them to a file."""
    found = environment_ or environment()
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    print(f"\n{title}\n{found['processor']}, {found['threads']} threads, {versions}")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(_aligned(cell, width) for cell, width in zip(line, widths, strict=True)))
    if settings.json:
        asked = {name: value for name, value in vars(settings).items() if name != "json"}
        record = {"title": title, "settings": asked, "environment": found, "rows": rows}
        settings.json.write_text(json.dumps(record, indent=2, default=str) + "\n")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if type(value) is int else str(value)


def _aligned(cell: str, width: int) -> str:
    return cell.rjust(width) if re.match(r"[-+]?\d", cell) else cell.ljust(width)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the name of the processor and its native bfloat16 instructions."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*:\s*(.+)", text)
    native = [flag for flag in ("avx512_bf16", "amx_bf16") if re.search(rf"\b{flag}\b", text)]
    return " ".join([name.group(1).strip() if name else platform.machine(), *native])
