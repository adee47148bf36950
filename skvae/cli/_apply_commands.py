"""The verbs that put rows through a model: transform, reconstruct, sample, score."""

from __future__ import annotations

import argparse

import numpy as np

from skvae.cli._failures import UsageError
from skvae.cli._models import feature_names, is_detector, load_model
from skvae.cli._options import add_data, add_model, add_output, add_picture, count, seed
from skvae.cli._outputs import (
    PICTURES,
    STDOUT,
    TABLES,
    check_output,
    ending,
    write_picture,
    write_rows,
)
from skvae.cli._sources import read_rows
from skvae.cli._verb import Result, Verb

_MOST_IMAGES = 24  # in a picture of reconstructions, where --limit asks for no other number
_TABLE_HELP = ".npy, .npz, .csv or .parquet; - for CSV on stdout"


def _add_transform(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_output(parser, f"the embedding: {_TABLE_HELP}")
    add_data(parser)


def _transform(arguments: argparse.Namespace) -> Result:
    check_output(arguments, TABLES)
    model = load_model(arguments.model)
    if is_detector(model):
        raise UsageError(
            f"{arguments.model} is a detector, which does not transform; fit without --detector"
        )
    Z = model.transform(read_rows(arguments, model).X)
    write_rows(arguments.output, Z, model.get_feature_names_out(), "Z")
    return _written(arguments, Z)


def _add_reconstruct(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_output(parser, f"the reconstructions: {_TABLE_HELP}; or a picture: .png, .pdf or .svg")
    add_data(parser)
    add_picture(parser)


def _reconstruct(arguments: argparse.Namespace) -> Result:
    check_output(arguments, (*TABLES, *PICTURES))
    model = load_model(arguments.model)
    X = read_rows(arguments, model).X
    if ending(arguments.output) in PICTURES:
        display = draw_reconstructions(arguments, model, X)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.X)
    X = model.reconstruct(X)
    write_rows(arguments.output, X, feature_names(model), "X")
    return _written(arguments, X)


def draw_reconstructions(arguments: argparse.Namespace, model, X: np.ndarray):
    """Return the display of the first rows, or of all where their number was chosen."""
    from skvae.plotting import ReconstructionDisplay

    X = X[: arguments.limit or _MOST_IMAGES]
    return ReconstructionDisplay.from_estimator(model, X, image_shape=arguments.image_shape)


def _add_sample(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_output(parser, f"the new rows: {_TABLE_HELP}; or a picture: .png, .pdf or .svg")
    parser.add_argument(
        "-n",
        "--n-samples",
        type=count,
        metavar="N",
        help="how many [default: 1; for a picture 64 images, or 1000 rows of a table]",
    )
    parser.add_argument(
        "--noise",
        action="store_true",
        help="draw from p(x|z) instead of taking its mean, as pictures of tables always do",
    )
    parser.add_argument(
        "--random-state",
        type=seed,
        metavar="N",
        help="decides the draws [default: others at every call]",
    )
    add_picture(parser)


def _sample(arguments: argparse.Namespace) -> Result:
    check_output(arguments, (*TABLES, *PICTURES))
    model = load_model(arguments.model)
    if ending(arguments.output) in PICTURES:
        how = {"n_samples": arguments.n_samples or "auto", "noise": arguments.noise or "auto"}
        display = draw_samples(arguments, model, **how)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.samples)
    X = model.sample(
        arguments.n_samples or 1, random_state=arguments.random_state, noise=arguments.noise
    )
    write_rows(arguments.output, X, feature_names(model), "X")
    return _written(arguments, X)


def draw_samples(arguments: argparse.Namespace, model, X=None, n_samples="auto", noise="auto"):
    """Return the display of new rows, beside data where there are some."""
    from skvae.plotting import SampleDisplay

    return SampleDisplay.from_estimator(
        model,
        X,
        n_samples=n_samples,
        noise=noise,
        random_state=arguments.random_state,
        image_shape=arguments.image_shape,
    )


def _add_score(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_output(
        parser,
        f"score of every row, and a detector's prediction (1 or, of outliers, -1): {_TABLE_HELP}",
        required=False,
    )
    add_data(parser)


def _score(arguments: argparse.Namespace) -> Result:
    if arguments.output:
        check_output(arguments, TABLES)
    model = load_model(arguments.model)
    scores = model.score_samples(read_rows(arguments, model).X)
    columns = {"score": scores}
    record = {"model": arguments.model, "output": arguments.output, **_summary(scores)}
    if is_detector(model):
        columns["prediction"] = np.where(scores >= model.offset_, 1.0, -1.0)
        record |= _outliers(model, columns["prediction"])
    if arguments.output:
        table = np.column_stack([*columns.values()]) if len(columns) > 1 else scores
        write_rows(arguments.output, table, columns, "scores")
    return Result(record, "" if arguments.output == STDOUT else _score_text(record))


def _summary(scores: np.ndarray) -> dict:
    from skvae.metrics._likelihood import standard_error

    return {
        "score": "log_likelihood",
        "unit": "nats",
        "n_rows": len(scores),
        "mean": float(scores.mean()),
        "standard_error": standard_error(scores),
    }


def _outliers(model, predictions: np.ndarray) -> dict:
    return {
        "score": str(model.anomaly_score),
        "unit": getattr(model.anomaly_score_.spec, "unit", ""),
        "threshold": model.offset_,
        "n_outliers": int((predictions < 0).sum()),
        "outlier_share": float((predictions < 0).mean()),
    }


def _score_text(record: dict) -> str:
    unit = f"{record['unit']} per row " * bool(record["unit"])
    text = (
        f"{record['score']}: {record['mean']:.6g} ± {record['standard_error']:.2g} {unit}"
        f"({record['n_rows']} rows, mean and standard error)"
    )
    if "threshold" not in record:
        return text
    return (
        f"{text}\noutliers: {record['n_outliers']} of {record['n_rows']} rows "
        f"({record['outlier_share']:.1%}), below {record['threshold']:.6g}"
    )


def _written(arguments: argparse.Namespace, array: np.ndarray) -> Result:
    """Tell a machine what was written; people see the file."""
    return Result(
        {
            "model": arguments.model,
            "output": arguments.output,
            "n_rows": len(array),
            "n_columns": array.shape[1],
        }
    )


VERBS = (
    Verb(
        "transform",
        "embed rows into the latent space",
        "MODEL --data SOURCE -o FILE [options]",
        _add_transform,
        _transform,
    ),
    Verb(
        "reconstruct",
        "encode and decode rows",
        "MODEL --data SOURCE -o FILE [options]",
        _add_reconstruct,
        _reconstruct,
    ),
    Verb(
        "sample",
        "draw new rows from a model",
        "MODEL [-n N] -o FILE [options]",
        _add_sample,
        _sample,
    ),
    Verb(
        "score",
        "tell how likely rows are, and which are outliers",
        "MODEL --data SOURCE [-o FILE] [options]",
        _add_score,
        _score,
    ),
)
