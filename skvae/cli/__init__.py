"""The command line: ``skvae`` and ``python -m skvae``."""

from skvae.cli._command import main
from skvae.cli._parser import build_parser

__all__ = ["build_parser", "main"]
