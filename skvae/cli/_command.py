"""From the command line to an exit code: run the verb, print its result or what went wrong."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import traceback
import warnings
from typing import Any

from skvae.cli._failures import describe, exit_code, show_warning
from skvae.cli._parser import build_parser
from skvae.cli._signals import Signals
from skvae.cli._verb import Result

_BROKEN_PIPE = 141  # as of a program that SIGPIPE ended


def main(argv=None):
    """Run the command ``skvae``.

    Parameters
    ----------
    argv : list of str or None, default=None
        What follows the name of the command; None takes it from the command line.

    Returns
    -------
    code : int
        0 if all went well, 1 after a failure, 2 for wrong usage; 130 or 143 where Ctrl-C or SIGTERM
        ended it.

    Examples
    --------
    >>> from skvae.cli import main
    >>> main(["--version"])
    skvae ...
    0
    """
    arguments = argparse.Namespace(verb=None, traceback=False)
    with warnings.catch_warnings(), Signals() as arguments.signals:
        warnings.showwarning = show_warning
        try:
            return _run(argv, arguments)
        except SystemExit as exc:  # argparse has said what there is to say
            return exc.code
        except BrokenPipeError:
            # nobody reads on: neither does the flush at exit need to fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE
        except KeyboardInterrupt:
            _complain(arguments, "interrupted; no output was written")
            return arguments.signals.exit_code
        except Exception as exc:
            if arguments.traceback:
                traceback.print_exc()
            _complain(arguments, f"error: {describe(exc)}")
            return exit_code(exc)


def _run(argv: list[str] | None, arguments: argparse.Namespace) -> int:
    try:
        build_parser().parse_args(argv, arguments)
        result = arguments.run(arguments)
        _print(result, arguments.json)
    finally:
        sys.stdout.flush()  # here, where a pipe that broke is understood
    return result.exit_code


def _print(result: Result, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_without_nan(result.record), ensure_ascii=False, allow_nan=False))
    elif result.text:
        print(result.text)


def _without_nan(value: Any) -> Any:
    """Return null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _complain(arguments: argparse.Namespace, message: str) -> None:
    print(f"skvae {arguments.verb or ''}".rstrip() + f": {message}", file=sys.stderr)
