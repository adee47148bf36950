"""Writes the explorers that the pages show, once, before Sphinx copies static files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[2] / "examples" / "explorers.py"
FOLDER = Path("_static", "explorers")


def write_pages(app: Any) -> None:
    """Write those pages that do not exist yet; `make clean` deletes them."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for name, make in runpy.run_path(str(SCRIPT))["PAGES"].items():
        if not (folder / name).exists():
            make().save(folder / name)


def setup(app: Any) -> dict[str, Any]:
    """Register the event."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
