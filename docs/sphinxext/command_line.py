"""The directive ``command-line``: the output of ``--help`` of a program and of its commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from importlib import import_module

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


def help_texts(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield name and help of a parser, then of its commands, in lines of at most 80 columns."""
    parser.formatter_class = partial(parser.formatter_class, width=80)
    parser.color = False  # Python 3.14 and later print the help in colours
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from help_texts(command)


class CommandLine(SphinxDirective):
    """``.. command-line:: module`` documents the parser returned by ``module.build_parser()``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (module,) = self.arguments
        return [_section(*text) for text in help_texts(import_module(module).build_parser())]


def setup(app) -> dict[str, bool]:
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}


def _section(name: str, text: str) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(name)])
    section += nodes.title(name, name)
    section += nodes.literal_block(text, text, language="text")
    return section
