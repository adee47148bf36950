"""The verbs that apply a model to rows: transform, reconstruct, sample and score."""

from __future__ import annotations

import argparse
import math

import numpy as np

from skvae.cli._models import load_model
from skvae.cli._options import add_data, add_model, add_output, add_picture, count, seed
from skvae.cli._outputs import (
    PICTURES,
    STDOUT,
    TABLES,
    Result,
    check_output,
    ending,
    write_picture,
    write_rows,
)
from skvae.cli._sources import check_source, read_rows

_N_IMAGES = 24  # in a picture of reconstructions without --limit
_TABLE_HELP = ".npy, .npz, .csv, .tsv, .csv.gz, .tsv.gz or .parquet; - for CSV on stdout"
_TABLE_OR_PICTURE_HELP = f"{_TABLE_HELP}; or a picture: .png, .pdf or .svg"


def add_transform_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae transform``."""
    add_model(parser)
    add_output(parser, f"file of the embedding: {_TABLE_HELP}")
    add_data(parser)


def transform(arguments: argparse.Namespace) -> Result:
    """Write the embedding of rows."""
    model = _load_model(arguments, TABLES)
    Z = model.transform(read_rows(arguments, model).X)
    write_rows(arguments.output, Z, model.get_feature_names_out(), "Z")
    return _written(arguments, Z)


def add_reconstruct_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae reconstruct``."""
    add_model(parser)
    add_output(parser, f"file of the reconstructions: {_TABLE_OR_PICTURE_HELP}")
    add_data(parser)
    add_picture(parser)


def reconstruct(arguments: argparse.Namespace) -> Result:
    """Write the reconstructions of rows, or a picture of rows and reconstructions."""
    model = _load_model(arguments, (*TABLES, *PICTURES))
    X = read_rows(arguments, model).X
    if ending(arguments.output) in PICTURES:
        display = draw_reconstructions(arguments, model, X)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.X)
    X = model.reconstruct(X)
    write_rows(arguments.output, X, _feature_names(model), "X")
    return _written(arguments, X)


def draw_reconstructions(arguments: argparse.Namespace, model, X: np.ndarray):
    """Return the display of the first rows, or of all rows if ``--limit`` sets their number."""
    from skvae.plotting import ReconstructionDisplay

    X = X[: arguments.limit or _N_IMAGES]
    return ReconstructionDisplay.from_estimator(model, X, image_shape=arguments.image_shape)


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae sample``."""
    add_model(parser)
    add_output(parser, f"file of the new rows: {_TABLE_OR_PICTURE_HELP}")
    parser.add_argument(
        "-n",
        "--n-samples",
        type=count,
        metavar="N",
        help="number of rows [default: 1; in a picture 64 images, or 1000 rows of a table]",
    )
    parser.add_argument(
        "--mean",
        action="store_true",
        help="write decoded means E[p(x|z)] instead of rows drawn from the model; a picture of "
        "images always shows means",
    )
    parser.add_argument(
        "--random-state",
        type=seed,
        metavar="N",
        help="seed of the draws [default: a different one for every call]",
    )
    add_picture(parser)


def sample(arguments: argparse.Namespace) -> Result:
    """Write new rows, or a picture of them."""
    model = _load_model(arguments, (*TABLES, *PICTURES))
    if ending(arguments.output) in PICTURES:
        mean = arguments.mean or "auto"
        display = draw_samples(arguments, model, n_samples=arguments.n_samples or "auto", mean=mean)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.samples)
    X = model.sample(
        arguments.n_samples or 1,
        random_state=arguments.random_state,
        mean=arguments.mean,
    )
    write_rows(arguments.output, X, _feature_names(model), "X")
    return _written(arguments, X)


def draw_samples(arguments: argparse.Namespace, model, X=None, n_samples="auto", mean="auto"):
    """Return the display of new rows, next to the data if there are any."""
    from skvae.plotting import SampleDisplay

    return SampleDisplay.from_estimator(
        model,
        X,
        n_samples=n_samples,
        random_state=arguments.random_state,
        image_shape=arguments.image_shape,
        mean=mean,
    )


def add_score_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae score``."""
    add_model(parser)
    add_output(
        parser,
        "file of the score of every row and, for a detector, its prediction (1, or -1 for "
        f"outliers): {_TABLE_HELP}",
        required=False,
    )
    add_data(parser)


def score(arguments: argparse.Namespace) -> Result:
    """Print a summary of the scores of rows, and write the scores if ``--output`` is given."""
    model = _load_model(arguments, TABLES)
    scores = model.score_samples(read_rows(arguments, model).X)
    columns = {"score": scores}
    record = {"model": arguments.model, "output": arguments.output, **_summary(scores)}
    if _is_detector(model):
        columns["prediction"] = np.where(scores >= model.offset_, 1.0, -1.0)
        record |= _outliers(model, scores, columns["prediction"])
    if arguments.output:
        table = np.column_stack([*columns.values()]) if len(columns) > 1 else scores
        write_rows(arguments.output, table, columns, "scores")
    return Result(record, "" if arguments.output == STDOUT else _score_text(record))


def _load_model(arguments: argparse.Namespace, endings: tuple[str, ...]):
    """Return the model of a verb after a check of its other arguments."""
    if arguments.output:
        check_output(arguments, endings)
    if "data" in arguments:
        check_source(arguments)
    return load_model(arguments.model)


def _is_detector(model) -> bool:
    from sklearn.base import is_outlier_detector

    return is_outlier_detector(model)


def _feature_names(model) -> list[str]:
    """Return the names of the features, or x0, x1, … if the training data had no names."""
    names = getattr(model, "feature_names_in_", None)
    return [f"x{column}" for column in range(model.n_features_in_)] if names is None else [*names]


def _summary(scores: np.ndarray) -> dict:
    n_rows = len(scores)
    return {
        "score": "log_likelihood",
        "unit": "nats",
        "n_rows": n_rows,
        "mean": float(scores.mean()) if n_rows else math.nan,
        "standard_error": float(scores.std(ddof=1)) / math.sqrt(n_rows) if n_rows > 1 else math.nan,
    }


def _outliers(model, scores: np.ndarray, predictions: np.ndarray) -> dict:
    from skvae._detector import IMPOSSIBLE

    possible = scores > IMPOSSIBLE
    return {
        **_summary(scores[possible]),
        "n_rows": len(scores),
        "n_impossible": int((~possible).sum()),
        "score": str(model.anomaly_score),
        "unit": model.anomaly_score_.spec.unit,
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
    if record["n_impossible"]:
        text += (
            f"\nleft out of the mean: {record['n_impossible']} rows with values that the "
            "likelihood does not accept"
        )
    return (
        f"{text}\noutliers: {record['n_outliers']} of {record['n_rows']} rows "
        f"({record['outlier_share']:.1%}), below {record['threshold']:.6g}"
    )


def _written(arguments: argparse.Namespace, array: np.ndarray) -> Result:
    """Return the result for ``--json``; without it, a written file is the only output."""
    return Result(
        {
            "model": arguments.model,
            "output": arguments.output,
            "n_rows": len(array),
            "n_columns": array.shape[1],
        }
    )
