"""Errors and warnings of the command line: the messages on stderr and the exit codes."""

from __future__ import annotations

import sys
import unicodedata
import warnings
from collections.abc import Callable

FAILURE, USAGE = 1, 2  # exit codes; after a signal the code is 128 plus its number


class UsageError(Exception):
    """Options that contradict one another or do not fit the file that they are given for."""


_EXPECTED = (UsageError, OSError, ValueError, FloatingPointError, ImportError)


def printable(text: str, escape: Callable[[str], str] = ascii) -> str:
    """Return text with escapes for the signs by which a file could control the terminal.

    These are control codes and all others that are not shown; lines, tabs and spaces stay.
    """
    return "".join(sign if _is_shown(sign) else escape(sign).strip("'") for sign in text)


def _is_shown(sign: str) -> bool:
    return sign.isprintable() or sign in "\n\t" or unicodedata.category(sign) == "Zs"


def note(message: str) -> None:
    """Print a message that is neither a result nor a warning."""
    print(f"skvae: {printable(message)}", file=sys.stderr)


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Print a warning on one line, in place of :func:`warnings.showwarning`."""
    print(f"skvae: warning: {printable(_on_one_line(str(message)))}", file=sys.stderr)


def exit_code(exc: Exception) -> int:
    """Return 2 if the command line is wrong, 1 for every other error."""
    if isinstance(exc, UsageError):
        return USAGE
    checks = sys.modules.get("skvae._validation")  # importing it here would take a second
    return USAGE if checks and isinstance(exc, checks.InvalidParameterError) else FAILURE


def describe(exc: Exception) -> str:
    """Describe an error in one line, as Unix tools do."""
    if isinstance(exc, OSError) and exc.strerror and exc.filename:
        return f"{exc.filename}: {exc.strerror}"
    if isinstance(exc, MemoryError):
        return "not enough memory; use --limit N to read fewer rows"
    message = _on_one_line(str(exc))
    if isinstance(exc, _EXPECTED):
        return message
    return (
        f"{type(exc).__name__}: {message}. This looks like a bug in skvae; please report it with "
        "the output of --traceback"
    )


def ignore_warning(beginning: str) -> None:
    """Suppress a warning that does not apply to the command, until the command ends."""
    warnings.filterwarnings("ignore", beginning)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
