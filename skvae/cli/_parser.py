"""The parser of the whole command line: its verbs, and what is common to them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version

from skvae.cli import _apply_commands, _fit_command, _info_command, _plot_command
from skvae.cli._failures import USAGE

_VERBS = (
    *_fit_command.VERBS,
    *_apply_commands.VERBS,
    *_plot_command.VERBS,
    *_info_command.VERBS,
)

_DESCRIPTION = "Variational autoencoders: train, embed, reconstruct, sample, score and draw."
_EPILOG = """\
example:
  skvae fit --data mnist -o model.skvae
  skvae sample model.skvae -n 100 -o digits.png

exit codes:
  0 done, 1 failure, 2 wrong usage, 130 ended by Ctrl-C, 143 ended by SIGTERM

'skvae VERB --help' lists the options of a verb."""


def build_parser():
    """Build the parser of the command ``skvae``.

    Returns
    -------
    parser : argparse.ArgumentParser
        With one subparser for each verb.

    Examples
    --------
    >>> from skvae.cli import build_parser
    >>> arguments = build_parser().parse_args(["sample", "model.skvae", "-n", "9", "-o", "x.png"])
    >>> arguments.verb, arguments.n_samples
    ('sample', 9)
    """
    parser = _Parser(
        prog="skvae", usage="%(prog)s VERB [options]", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("--version", action="version", version=f"skvae {version('skvae')}")
    verbs = parser.add_subparsers(
        title="verbs", dest="verb", metavar="VERB [options]", prog="skvae", required=True
    )
    for verb in _VERBS:
        command = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=f"{verb.description or verb.summary[0].upper() + verb.summary[1:]}.",
            usage=f"%(prog)s {verb.usage}",
            fill=verb.add_options,
        )
        command.set_defaults(run=verb.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """Takes options by their whole names, and errs in one line.

    The options of a verb are added when it is parsed or its help is asked for: those of `fit` come
    from the estimators, whose import takes seconds.
    """

    def __init__(self, *, fill: Callable | None = None, **settings):
        self._fill = fill
        settings["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, **settings)

    def parse_known_args(self, args=None, namespace=None):
        self._fill_once()
        return super().parse_known_args(args, namespace)

    def format_help(self):
        self._fill_once()
        return super().format_help()

    def error(self, message):
        self.exit(USAGE, f"{self.prog}: error: {message}\nTry '{self.prog} --help'.\n")

    def _fill_once(self):
        if self._fill:
            self._fill(self)
            self._fill = None
            general = self.add_argument_group("general")
            general.add_argument(
                "--json", action="store_true", help="print one JSON object on stdout"
            )
            general.add_argument(
                "--traceback", action="store_true", help="show where an error comes from"
            )
