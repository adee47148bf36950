"""The verb plot: the displays of the library as picture files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from skvae.cli._apply_commands import draw_reconstructions, draw_samples
from skvae.cli._failures import UsageError
from skvae.cli._models import is_detector, load_model
from skvae.cli._options import add_data, add_model, add_output, add_picture, seed
from skvae.cli._outputs import PICTURES, check_output, write_picture
from skvae.cli._sources import Rows, read_rows
from skvae.cli._verb import Result, Verb

_MOST_PAIRS = 5


class _Kind(NamedTuple):
    draw: Callable
    data: str  # "needed", "possible" or "unused"
    summary: str


def _latent(arguments, model, rows: Rows):
    from skvae.plotting import LatentSpaceDisplay

    return LatentSpaceDisplay.from_estimator(model, rows.X, rows.y)


def _reconstructions(arguments, model, rows: Rows):
    return draw_reconstructions(arguments, model, rows.X)


def _samples(arguments, model, rows: Rows | None):
    return draw_samples(arguments, model, rows and rows.X)


def _manifold(arguments, model, rows: None):
    from skvae.plotting import ManifoldDisplay

    return ManifoldDisplay.from_estimator(model, image_shape=arguments.image_shape)


def _interpolation(arguments, model, rows: Rows):
    from skvae.plotting import InterpolationDisplay

    n_pairs = min(_MOST_PAIRS, len(rows.X) // 2)
    if not n_pairs:
        raise ValueError(f"--data {arguments.data} has one row; an interpolation needs two")
    start, end = rows.X[:n_pairs], rows.X[n_pairs : 2 * n_pairs]
    return InterpolationDisplay.from_estimator(model, start, end, image_shape=arguments.image_shape)


def _curves(arguments, model, rows: None):
    from skvae.plotting import TrainingCurveDisplay

    return TrainingCurveDisplay.from_estimator(model)


def _scores(arguments, model, rows: Rows):
    from skvae.plotting import AnomalyScoreDisplay

    if not is_detector(model):
        raise UsageError(f"{arguments.model} is no detector: fit one with --detector")
    y = rows.y if arguments.target else None  # a table's own labels; those of images are classes
    return AnomalyScoreDisplay.from_estimator(model, rows.X, y, image_shape=arguments.image_shape)


_KINDS = {
    "reconstructions": _Kind(_reconstructions, "needed", "rows and what becomes of them"),
    "samples": _Kind(_samples, "possible", "new rows, beside the data if it is a table"),
    "latent": _Kind(_latent, "needed", "a map of the latent space, with labels if there are any"),
    "manifold": _Kind(_manifold, "unused", "what a plane of the latent space decodes to"),
    "interpolation": _Kind(
        _interpolation, "needed", "the ways from the first rows, five at most, to those after"
    ),
    "curves": _Kind(_curves, "unused", "the losses of the training"),
    "scores": _Kind(_scores, "needed", "scores of a detector; --target: labels -1 and 1"),
}


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("kind", choices=_KINDS, metavar="KIND", help="see below")
    add_output(parser, "the picture: .png, .pdf or .svg")
    parser.add_argument(
        "--random-state", type=seed, metavar="N", help="decides the draws of samples"
    )
    add_data(parser, required=False)
    add_picture(parser)
    lines = [f"  {name:16} {kind.summary}" for name, kind in _KINDS.items()]
    needy = ", ".join(name for name, kind in _KINDS.items() if kind.data == "needed")
    parser.epilog = "\n".join(["kinds:", *lines, "", "these need --data:", f"  {needy}"])


def _run(arguments: argparse.Namespace) -> Result:
    check_output(arguments, PICTURES)
    kind = _KINDS[arguments.kind]
    if kind.data == "needed" and not arguments.data:
        raise UsageError(f"plot {arguments.kind} needs rows: --data SOURCE")
    if kind.data == "unused" and arguments.data:
        raise UsageError(f"plot {arguments.kind} shows the model alone: leave out --data")
    model = load_model(arguments.model)
    rows = read_rows(arguments, model) if arguments.data else None
    display = kind.draw(arguments, model, rows)
    write_picture(arguments.output, display, arguments.dpi)
    record = {"model": arguments.model, "kind": arguments.kind, "output": arguments.output}
    return Result(record | {"n_rows": None if rows is None else len(rows.X)})


VERBS = (
    Verb(
        "plot",
        "draw what a model has learned",
        "MODEL KIND [--data SOURCE] -o FILE [options]",
        _add_options,
        _run,
    ),
)
