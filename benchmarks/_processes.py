"""Measurements in a fresh process, in which nothing was imported or allocated before."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def fresh_process(program: str, *arguments: Any) -> Any:
    """Run a program in a new interpreter with the same module path; return the JSON it prints."""
    # -P keeps the current folder off the module path
    return json_of(["-P", "-c", program, *map(str, arguments)])


def json_of(command: list[str], **environment: str) -> Any:
    """Run Python with this command line and the same module path; return the JSON it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    command = [sys.executable, *command]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(run.stdout)


def peak_bytes() -> int:
    """Return the peak resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # here getrusage starts from the peak of the parent process
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) * 2**10
    import resource

    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
