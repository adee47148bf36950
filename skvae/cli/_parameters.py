"""The options of ``skvae fit`` that are parameters of the estimators, from signature and docstring.

A parameter that is added to an estimator has its option at once.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from textwrap import fill
from typing import Any, NamedTuple

from skvae.cli._failures import UsageError
from skvae.cli._literals import ROLES, parse_spec, spec_signatures

# what other options stand for, or what cannot be written on a command line
WITHOUT_OPTION = frozenset({"callbacks", "checkpoint", "fit_density", "verbose", "warm_start"})

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)^\w[\w ]*\n-+$", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^(\w+) : (.*)\n((?:    .*\n|\n)+)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
_REFERENCE = re.compile(r"\s*\[\d+\]_")
_NOT_AS_TEXT = re.compile(r"(,| or) (subclass of [\w.]+|torch\.device|RandomState instance)")
_LITERAL, _NAME = re.compile(r"``(.+?)``"), re.compile(r"`(\w+)`")


class _Parameter(NamedTuple):
    default: Any
    kind: str
    description: str


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add an option for every parameter of both estimators."""
    transformer, detector = map(_parameters, _estimators())
    group = parser.add_argument_group("parameters of the estimator")
    for name, parameter in transformer.items():
        _add_option(group, name, parameter, detector)
    group = parser.add_argument_group("parameters of the detector, with --detector")
    for name, parameter in detector.items():
        if name not in transformer:
            _add_option(group, name, parameter, detector)
    calls = [f"{role}: {call}" for role, known in spec_signatures().items() for call in known]
    lines = [fill(call, 80, initial_indent="  ", subsequent_indent="    ") for call in calls]
    parser.epilog = "\n".join(["calls, with their defaults:", *lines])


def build_estimator(arguments: argparse.Namespace):
    """Return an unfitted estimator with the parameters given, which have been checked.

    Raises
    ------
    InvalidParameterError
        If a value is outside what the estimator, or one of its specs, allows.
    UsageError
        If a parameter of the detector is given without ``--detector``.
    """
    from skvae._specs import resolve_spec
    from skvae.scores._registry import resolve_score

    transformer, detector = _estimators()
    given = {name: getattr(arguments, name) for name in _parameters(detector) if name in arguments}
    foreign = given.keys() - _parameters(transformer).keys()
    if foreign and not arguments.detector:
        raise UsageError(f"{option_of(min(foreign))} is for detectors: add --detector")
    estimator = (detector if arguments.detector else transformer)(**given)
    estimator._validate_params()
    for role, spec in estimator.get_params(deep=False).items():
        if role == "anomaly_score":
            resolve_score(spec)
        elif role in ROLES:
            resolve_spec(role, spec)
    return estimator


def option_of(name: str) -> str:
    """Return the option that a parameter is given by."""
    return "--" + name.replace("_", "-")


def _estimators() -> tuple[type, type]:
    from skvae._detector import VAEAnomalyDetector
    from skvae._transformer import VAETransformer

    return VAETransformer, VAEAnomalyDetector


def _parameters(cls: type) -> dict[str, _Parameter]:
    """Return the parameters that have an option, as the class documents them."""
    signature = inspect.signature(cls).parameters
    section = _SECTION.search(inspect.getdoc(cls))[1]
    return {
        name: _Parameter(signature[name].default, kind.rpartition(", default=")[0], description)
        for name, kind, description in _ENTRY.findall(section)
        if name not in WITHOUT_OPTION
    }


def _add_option(group, name: str, parameter: _Parameter, known) -> None:
    text = _plain(parameter.description, known)
    if isinstance(parameter.default, bool):
        action = argparse.BooleanOptionalAction
        how = {"action": action, "help": f"{text} [default: {parameter.default}]"}
    else:
        kind = _NOT_AS_TEXT.sub("", _plain(parameter.kind, known))
        if name in ROLES:
            kind = re.sub("object|callable", "a call as below", kind)
        how = {
            "metavar": "VALUE",
            "type": _reader(name),
            "help": f"{text} [{kind}; default: {parameter.default}]",
        }
    # no default: the estimator has its own
    group.add_argument(option_of(name), default=argparse.SUPPRESS, **how)


def _plain(text: str, known) -> str:
    """Return numpydoc as the text of a terminal, with options for the parameters it mentions."""
    text = _REFERENCE.sub("", _ROLE.sub(r"\1", text))
    text = _LITERAL.sub(r"\1", text)
    text = _NAME.sub(lambda match: option_of(match[1]) if match[1] in known else match[1], text)
    return " ".join(text.split()).replace("%", "%%")


def _reader(name: str):
    def read(text: str) -> Any:
        try:
            return parse_spec(name, text) if name in ROLES else _number_or_text(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return read


def _number_or_text(text: str) -> int | float | str | None:
    """Return what is written; whether it is allowed is for the estimator to say."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if type(value) in (int, float, type(None)) else text
