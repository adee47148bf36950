"""Programs that measure a process of their own: nothing imported, nothing allocated before."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any


def fresh_process(program: str, *arguments: Any) -> Any:
    """Run a program in a new Python that finds the same modules; return the JSON it printed."""
    # -P: not the modules that lie in the current folder
    command = [sys.executable, "-P", "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(run.stdout)


def peak_bytes() -> int:
    """Return the most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says there begins with the peak of the parent process
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text()).group(1)) * 2**10
    import resource

    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
