"""The verb plot: the displays of :mod:`skvae.plotting` as files of pictures or pages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from skvae.cli._apply_commands import draw_reconstructions, draw_samples
from skvae.cli._failures import UsageError
from skvae.cli._models import is_imputer, load_model
from skvae.cli._options import add_data, add_model, add_output, add_picture, seed
from skvae.cli._outputs import PAGES, PICTURES, Result, check_output, write_picture
from skvae.cli._sources import check_source, read_rows
from skvae.cli._table_files import Rows

_MAX_PAIRS = 5


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae plot``."""
    add_model(parser)
    parser.add_argument("kind", choices=_KINDS, metavar="KIND", help="kind of picture, see below")
    add_output(parser, "file of the picture: .png, .pdf or .svg; of the explorer: .html")
    parser.add_argument(
        "--random-state", type=seed, metavar="N", help="samples, imputations: seed of the draws"
    )
    add_data(parser, required=False)
    add_picture(parser)
    lines = [f"  {name:16} {kind.summary}" for name, kind in _KINDS.items()]
    with_data = ", ".join(name for name, kind in _KINDS.items() if kind.data == "required")
    parser.epilog = "\n".join(["kinds:", *lines, "", "kinds that need --data:", f"  {with_data}"])


def run(arguments: argparse.Namespace) -> Result:
    """Draw a picture of a model and write it."""
    kind = _KINDS[arguments.kind]
    check_output(arguments, kind.endings)
    if kind.data == "required" and not arguments.data:
        raise UsageError(f"plot {arguments.kind} needs rows: add --data SOURCE")
    if kind.data == "unused" and arguments.data:
        raise UsageError(f"plot {arguments.kind} shows the model only: leave out --data")
    if arguments.data:
        check_source(arguments)
    model = load_model(arguments.model)
    if kind.decodes and is_imputer(model):
        raise UsageError(
            f"plot {arguments.kind} does not apply to imputers such as {arguments.model}"
        )
    rows = read_rows(arguments, model) if arguments.data else None
    display = kind.draw(arguments, model, rows)
    if kind.endings == PAGES:
        display.save(arguments.output)
    else:
        write_picture(arguments.output, display, arguments.dpi)
    record = {"model": arguments.model, "kind": arguments.kind, "output": arguments.output}
    return Result(record | {"n_rows": None if rows is None else len(rows.X)})


def _reconstructions(arguments, model, rows: Rows):
    return draw_reconstructions(arguments, model, rows.X)


def _samples(arguments, model, rows: Rows | None):
    return draw_samples(arguments, model, rows and rows.X)


def _latent(arguments, model, rows: Rows):
    from skvae.plotting import LatentSpaceDisplay

    return LatentSpaceDisplay.from_estimator(model, rows.X, rows.y)


def _manifold(arguments, model, rows: None):
    from skvae.plotting import ManifoldDisplay

    return ManifoldDisplay.from_estimator(model, image_shape=arguments.image_shape)


def _interpolation(arguments, model, rows: Rows):
    from skvae.plotting import InterpolationDisplay

    n_pairs = min(_MAX_PAIRS, len(rows.X) // 2)
    if not n_pairs:
        raise ValueError(f"--data {arguments.data} has one row; an interpolation needs two")
    start, end = rows.X[:n_pairs], rows.X[n_pairs : 2 * n_pairs]
    return InterpolationDisplay.from_estimator(model, start, end, image_shape=arguments.image_shape)


def _imputations(arguments, model, rows: Rows):
    from skvae.plotting import ImputationDisplay

    if not is_imputer(model):
        raise UsageError(f"{arguments.model} is not an imputer: fit one with --imputer")
    return ImputationDisplay.from_estimator(model, rows.X, random_state=arguments.random_state)


def _curves(arguments, model, rows: None):
    from skvae.plotting import TrainingCurveDisplay

    return TrainingCurveDisplay.from_estimator(model)


def _scores(arguments, model, rows: Rows):
    from sklearn.base import is_outlier_detector

    from skvae.plotting import AnomalyScoreDisplay

    if not is_outlier_detector(model):
        raise UsageError(f"{arguments.model} is not a detector: fit one with --detector")
    y = rows.y if arguments.target else None  # labels of a data set of images are not -1 and 1
    return AnomalyScoreDisplay.from_estimator(model, rows.X, y, image_shape=arguments.image_shape)


def _explorer(arguments, model, rows: Rows):
    from skvae.plotting import explorer

    return explorer(model, rows.X, rows.y, image_shape=arguments.image_shape)


class _Kind(NamedTuple):
    draw: Callable
    data: str  # "required", "optional" or "unused"
    summary: str
    decodes: bool = False  # by `inverse_transform`
    endings: tuple[str, ...] = PICTURES


_KINDS = {
    "reconstructions": _Kind(_reconstructions, "required", "rows and their reconstructions"),
    "samples": _Kind(_samples, "optional", "new rows; those of a table next to the data, if given"),
    "latent": _Kind(_latent, "required", "map of the latent space, with labels if there are any"),
    "manifold": _Kind(_manifold, "unused", "rows decoded from a plane of the latent space", True),
    "interpolation": _Kind(
        _interpolation,
        "required",
        "paths through the latent space for up to five pairs of rows",
        True,
    ),
    "imputations": _Kind(
        _imputations, "required", "values that an imputer draws for gaps, and observed ones"
    ),
    "explorer": _Kind(
        _explorer,
        "required",
        "page on which to explore the latent space in a browser",
        True,
        PAGES,
    ),
    "curves": _Kind(_curves, "unused", "losses during training"),
    "scores": _Kind(_scores, "required", "scores of a detector; --target: labels -1 and 1"),
}
