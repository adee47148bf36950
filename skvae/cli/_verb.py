"""What a verb is and what it returns; the verbs themselves lie in the files beside this one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple


class Result(NamedTuple):
    """What a verb has done."""

    record: dict[str, Any]  # for --json
    text: str = ""  # for people, on stdout
    exit_code: int = 0


class Verb(NamedTuple):
    """A command of ``skvae``."""

    name: str
    summary: str
    usage: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]
    description: str = ""  # the summary, where that says it all
