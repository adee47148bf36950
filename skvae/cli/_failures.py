"""What a command says on stderr and how it exits when something is wrong."""

from __future__ import annotations

import sys
import warnings

FAILURE, USAGE = 1, 2  # exit codes; 128 and the number of a signal are those of an interruption


class UsageError(Exception):
    """Options that contradict one another, or the file that they are given for."""


_EXPECTED = (UsageError, OSError, ValueError, FloatingPointError, ImportError)


def note(message: str) -> None:
    """Say something that is neither result nor warning."""
    print(f"skvae: {message}", file=sys.stderr)


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Show a warning on one line; takes the place of :func:`warnings.showwarning`."""
    print(f"skvae: warning: {_on_one_line(str(message))}", file=sys.stderr)


def exit_code(exc: Exception) -> int:
    """Return 2 where the command line is at fault, 1 for everything else."""
    from skvae._validation import InvalidParameterError

    return USAGE if isinstance(exc, UsageError | InvalidParameterError) else FAILURE


def describe(exc: Exception) -> str:
    """Return what went wrong in one line, as a Unix tool would say it."""
    if isinstance(exc, OSError) and exc.strerror and exc.filename:
        return f"{exc.filename}: {exc.strerror}"
    if isinstance(exc, MemoryError):
        return "not enough memory; with --limit N fewer rows are taken"
    message = _on_one_line(str(exc))
    if isinstance(exc, _EXPECTED):
        return message
    return (
        f"{type(exc).__name__}: {message}. This looks like a fault of skvae; please report it with "
        "what --traceback shows"
    )


def ignore_warning(beginning: str) -> None:
    """Leave out, until the command ends, a warning that does not apply to it."""
    warnings.filterwarnings("ignore", beginning)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
