"""The parser of the command line: the table of verbs and the options that all of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

from skvae.cli import _apply_commands, _fit_command, _info_command, _plot_command
from skvae.cli._failures import USAGE, printable
from skvae.cli._outputs import Result


class _Verb(NamedTuple):
    summary: str
    usage: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


_VERBS = {
    "fit": _Verb(
        "train a model and save it",
        "[--data] SOURCE -o MODEL [options]",
        _fit_command.add_options,
        _fit_command.run,
    ),
    "transform": _Verb(
        "embed rows into the latent space",
        "MODEL --data SOURCE -o FILE [options]",
        _apply_commands.add_transform_options,
        _apply_commands.transform,
    ),
    "impute": _Verb(
        "fill the missing values of rows",
        "MODEL --data SOURCE -o FILE [--draws N] [options]",
        _apply_commands.add_impute_options,
        _apply_commands.impute,
    ),
    "predict": _Verb(
        "predict the classes of rows by a classifier",
        "MODEL --data SOURCE -o FILE [options]",
        _apply_commands.add_predict_options,
        _apply_commands.predict,
    ),
    "reconstruct": _Verb(
        "encode and decode rows",
        "MODEL --data SOURCE -o FILE [options]",
        _apply_commands.add_reconstruct_options,
        _apply_commands.reconstruct,
    ),
    "sample": _Verb(
        "draw new rows from a model",
        "MODEL [-n N] -o FILE [options]",
        _apply_commands.add_sample_options,
        _apply_commands.sample,
    ),
    "score": _Verb(
        "compute the log-likelihood of rows, or their scores by a detector",
        "MODEL --data SOURCE [-o FILE] [options]",
        _apply_commands.add_score_options,
        _apply_commands.score,
    ),
    "compress": _Verb(
        "compress rows without loss",
        "MODEL [--data] SOURCE -o FILE [options]",
        _apply_commands.add_compress_options,
        _apply_commands.compress,
    ),
    "decompress": _Verb(
        "write the rows in a compressed file",
        "MODEL FILE -o FILE [options]",
        _apply_commands.add_decompress_options,
        _apply_commands.decompress,
    ),
    "plot": _Verb(
        "draw a picture of a model",
        "MODEL KIND [--data SOURCE] -o FILE [options]",
        _plot_command.add_options,
        _plot_command.run,
    ),
    "info": _Verb(
        "describe a model file",
        "MODEL [options]",
        _info_command.add_options,
        _info_command.run,
    ),
}

_DESCRIPTION = (
    "Variational autoencoders: train, embed, impute, predict, reconstruct, sample, score, compress "
    "and plot."
)
_EPILOG = """\
example:
  skvae fit --data mnist -o model.skvae
  skvae sample model.skvae -n 100 -o digits.png

exit codes:
  0 success, 1 failure, 2 wrong usage, 130 ended by Ctrl-C, 143 ended by SIGTERM

'skvae VERB --help' lists the options of a verb."""


def build_parser():
    """Build the parser of the command ``skvae``.

    Returns
    -------
    parser : argparse.ArgumentParser
        A parser with one subparser per verb.

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
    for name, verb in _VERBS.items():
        command = verbs.add_parser(
            name,
            help=verb.summary,
            description=f"{verb.summary[0].upper()}{verb.summary[1:]}.",
            usage=f"%(prog)s {verb.usage}",
        )
        verb.add_options(command)
        _add_general_options(command)
        command.set_defaults(run=verb.run)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser that accepts whole option names only and reports an error in one line."""

    def __init__(self, **settings):
        settings["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message):
        text = f"{self.prog}: error: {message}\nTry '{self.prog} --help'.\n"
        self.exit(USAGE, printable(text))


def _add_general_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("general")
    group.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    group.add_argument(
        "--traceback", action="store_true", help="print the Python traceback of an error"
    )
