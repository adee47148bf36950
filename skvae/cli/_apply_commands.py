"""The verbs that apply a model to rows: transform, impute, predict, score, compress and others."""

# Over 500 lines: one short function per verb, with the checks and outputs that they share.

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np

from skvae.cli._failures import UsageError, note
from skvae.cli._models import (
    feature_names,
    is_classifier,
    is_detector,
    is_imputer,
    load_model,
)
from skvae.cli._options import add_data, add_model, add_output, add_picture, add_seed, count, pair
from skvae.cli._outputs import (
    PICTURES,
    STDOUT,
    TABLES,
    Result,
    check_frame_output,
    check_output,
    ending,
    rows_on_disk,
    write_bytes,
    write_frame,
    write_picture,
    write_rows,
)
from skvae.cli._sources import check_source, read_rows
from skvae.cli._table_files import Rows
from skvae.cli._typed_columns import import_pandas, value_of

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
    if is_imputer(model):
        raise UsageError(f"{arguments.model} is an imputer, which fills gaps: use 'skvae impute'")
    rows = read_rows(arguments, model)
    return _write_result(arguments, model.transform, rows, model.get_feature_names_out(), "Z")


def add_impute_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae impute``."""
    add_model(parser)
    add_output(parser, f"file of the filled rows: {_TABLE_HELP}")
    parser.add_argument(
        "--draws",
        type=count,
        metavar="N",
        help="fill the rows N times with draws instead of expectations; a table has the copies "
        "one below the other, and the column 'draw' numbers them from 1; .npy and .npz have an "
        "array of copies",
    )
    add_seed(parser)
    add_data(parser)


def impute(arguments: argparse.Namespace) -> Result:
    """Write rows with their gaps filled, once or several times."""
    if arguments.random_state is not None and not arguments.draws:
        raise UsageError("--random-state is the seed of draws: add --draws N")
    model = _load_model(arguments, TABLES)
    if not is_imputer(model):
        raise UsageError(f"{arguments.model} is not an imputer: fit one with --imputer")
    _check_rows_output(arguments, model)
    rows = read_rows(arguments, model)
    names, first = model.get_feature_names_out(feature_names(model)), _identifiers(arguments, rows)
    if not arguments.draws:
        X = model.transform(rows.X)
        _write(arguments, X, names, "X", first)
        return _written(arguments, X)
    copies = model.impute(rows.X, arguments.draws, random_state=arguments.random_state)
    if ending(arguments.output) in (".npy", ".npz"):
        X = np.stack([np.asarray(copy, dtype=np.float64) for copy in copies])
        write_rows(arguments.output, X, names, "X")
    else:
        numbers = np.repeat(np.arange(1, len(copies) + 1), len(rows.X))
        repeated = {name: np.tile(ids, len(copies)) for name, ids in first.items()}
        _write(arguments, _one_below_the_other(copies), names, "X", {"draw": numbers} | repeated)
    return Result(_written(arguments, copies[0]).record | {"n_draws": len(copies)})


def _one_below_the_other(copies):
    if isinstance(copies, np.ndarray):
        return np.concatenate(copies)

    import narwhals as nw

    return nw.concat([nw.from_native(copy, eager_only=True) for copy in copies]).to_native()


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae predict``."""
    add_model(parser)
    add_output(
        parser,
        "table of the predicted class of every row and the probability of each class: .csv, .tsv, "
        ".csv.gz, .tsv.gz or .parquet; - for CSV on stdout",
    )
    add_data(parser)


def predict(arguments: argparse.Namespace) -> Result:
    """Write the predicted classes of rows; if their labels are known, print the accuracy."""
    model = _load_model(arguments, TABLES)
    if not is_classifier(model):
        raise UsageError(f"{arguments.model} is not a classifier: fit one with --classifier")
    check_frame_output(arguments.output, "predictions")
    rows = read_rows(arguments, model)
    probabilities = model.predict_proba(rows.X)
    columns = {"prediction": model.classes_[probabilities.argmax(axis=1)]}
    for name, column in zip(model.classes_.tolist(), probabilities.T, strict=True):
        columns[f"probability_{name}"] = column
    _write(
        arguments,
        import_pandas().DataFrame(columns),
        list(columns),
        "predictions",
        _identifiers(arguments, rows),
    )
    record = _written(arguments, probabilities).record | {"n_columns": len(columns)}
    if rows.y is None or arguments.target is None:
        return Result(record)
    record["accuracy"] = float(model.score(rows.X, rows.classes()))
    text = f"accuracy: {record['accuracy']:.4f} of the rows with labels"
    return Result(record, "" if arguments.output == STDOUT else text)


def add_reconstruct_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae reconstruct``."""
    add_model(parser)
    add_output(parser, f"file of the reconstructions: {_TABLE_OR_PICTURE_HELP}")
    add_data(parser)
    add_picture(parser)


def reconstruct(arguments: argparse.Namespace) -> Result:
    """Write the reconstructions of rows, or a picture of rows and reconstructions."""
    model = _load_model(arguments, (*TABLES, *PICTURES))
    _check_rows_output(arguments, model)
    rows = read_rows(arguments, model)
    if ending(arguments.output) in PICTURES:
        display = draw_reconstructions(arguments, model, rows.X)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.X)
    names, is_frame = feature_names(model), model._schema is not None
    return _write_result(arguments, model.reconstruct, rows, names, "X", is_frame=is_frame)


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
        "--given",
        type=pair,
        action="append",
        metavar="NAME=VALUE",
        help="draw rows that have this value in this column; may be repeated for other columns",
    )
    parser.add_argument("--label", metavar="CLASS", help="classifier: draw rows of this class")
    parser.add_argument(
        "--missing",
        action="store_true",
        help="leave out values where rows drawn from the training data have gaps",
    )
    add_seed(parser)
    add_picture(parser)


def sample(arguments: argparse.Namespace) -> Result:
    """Write new rows, or a picture of them."""
    is_picture = ending(arguments.output) in PICTURES
    for option in ("given", "label", "missing"):
        if is_picture and getattr(arguments, option):
            raise UsageError(
                f"--{option} applies to rows, not to pictures: write a .csv or .parquet file"
            )
    model = _load_model(arguments, (*TABLES, *PICTURES))
    _check_rows_output(arguments, model)
    if is_picture:
        mean = arguments.mean or "auto"
        display = draw_samples(arguments, model, n_samples=arguments.n_samples or "auto", mean=mean)
        write_picture(arguments.output, display, arguments.dpi)
        return _written(arguments, display.samples)
    X = model.sample(
        arguments.n_samples or 1,
        random_state=arguments.random_state,
        mean=arguments.mean,
        given=_given(model, arguments.given or []),
        missing=arguments.missing,
        **({} if arguments.label is None else {"y": _class(arguments, model)}),
    )
    _write(arguments, X, feature_names(model), "X")
    return _written(arguments, X)


def _class(arguments: argparse.Namespace, model) -> Any:
    """Return the class of a classifier that is named by its text."""
    if not is_classifier(model):
        raise UsageError(
            f"--label: {arguments.model} is not a classifier: fit one with --classifier"
        )
    classes = {str(name): name for name in model.classes_.tolist()}
    if arguments.label not in classes:
        raise UsageError(
            f"--label {arguments.label} is none of the classes of {arguments.model}: "
            f"{', '.join(classes)}"
        )
    return classes[arguments.label]


def _given(model, pairs: list[tuple[str, str]]) -> dict:
    """Return the values of columns as the model has them."""
    names = feature_names(model)
    if model._schema is None:
        has_names = model._feature_names() is not None
        return {
            name if has_names or name not in names else names.index(name): text
            for name, text in pairs
        }
    columns = dict(zip(names, model._schema.columns, strict=True))
    return {name: _value(name, text, columns) for name, text in pairs}


def _value(name: str, text: str, columns: dict) -> Any:
    if name not in columns:  # the model says so
        return text
    try:
        return value_of(text, columns[name])
    except ValueError as exc:
        raise UsageError(f"--given {name}={text}: {exc}") from exc


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
    parser.add_argument(
        "--explain",
        type=count,
        metavar="N",
        help="detector: also write the N columns that lower the score of each row most, with "
        "value, expected value and contribution",
    )
    parser.add_argument(
        "--p-values",
        action="store_true",
        help="detector: also write p-values, if it was fitted with --calibration-fraction",
    )
    add_data(parser)


def score(arguments: argparse.Namespace) -> Result:
    """Print a summary of the scores of rows, and write the scores if ``--output`` is given."""
    _check_score_options(arguments)
    model = _load_model(arguments, TABLES)
    _check_detector_options(arguments, model)
    rows = read_rows(arguments, model)
    scores = model.score_samples(rows.X)
    columns = {"score": scores}
    record = {"model": arguments.model, "output": arguments.output, **_summary(scores)}
    if is_detector(model):
        columns["prediction"] = np.where(scores >= model.offset_, 1.0, -1.0)
        record |= _outliers(model, scores, columns["prediction"])
    if arguments.p_values and model.calibration_scores_ is not None:
        columns["p_value"] = model.p_values(rows.X)
    if arguments.output:
        _write_scores(arguments, model, rows, columns)
    return Result(record, "" if arguments.output == STDOUT else _score_text(record))


def _write_scores(arguments: argparse.Namespace, model, rows: Rows, columns: dict) -> None:
    first = _identifiers(arguments, rows)
    if arguments.explain or first:
        if "prediction" in columns:
            columns["prediction"] = columns["prediction"].astype(int)
        columns |= _explanations(model, rows, arguments.explain) if arguments.explain else {}
        _write(arguments, import_pandas().DataFrame(columns), columns, "scores", first)
        return
    table = np.column_stack([*columns.values()]) if len(columns) > 1 else columns["score"]
    _write(arguments, table, columns, "scores")


def _explanations(model, rows: Rows, n_shown: int) -> dict:
    """Return the columns that lower the score of every row most, with their values."""
    from skvae.scores._contributions import EXPECTED_DIGITS, cells_as_text, strongest_features

    contributions, expected = model._explained(rows.X)
    names = np.array(feature_names(model), dtype=object)
    values, expected = cells_as_text(rows.X), cells_as_text(expected, EXPECTED_DIGITS)
    every = np.arange(len(contributions))
    columns = {}
    for rank, feature in enumerate(strongest_features(contributions, n_shown).T, start=1):
        columns[f"feature_{rank}"] = names[feature]
        columns[f"value_{rank}"] = values[every, feature]
        columns[f"expected_{rank}"] = expected[every, feature]
        columns[f"contribution_{rank}"] = contributions[every, feature]
    return columns


def _check_score_options(arguments: argparse.Namespace) -> None:
    if arguments.explain:
        check_frame_output(arguments.output, "explanations")
    for option, given in (("--explain", arguments.explain), ("--p-values", arguments.p_values)):
        if given and not arguments.output:
            raise UsageError(f"{option} adds columns to the scores of the rows: add -o FILE")


def _check_detector_options(arguments: argparse.Namespace, model) -> None:
    wanted = "--explain" * bool(arguments.explain) or "--p-values" * arguments.p_values
    if wanted and not is_detector(model):
        raise UsageError(f"{wanted}: {arguments.model} is not a detector: fit one with --detector")
    if arguments.p_values and model.calibration_scores_ is None:
        note(
            f"no p-values: {arguments.model} has no rows set aside for them; fit it with "
            "--calibration-fraction 0.2, for example"
        )


def add_compress_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae compress``."""
    add_model(parser)
    add_output(parser, "file of the compressed rows; the usual ending is .skvz")
    add_data(parser, positional=True)


def compress(arguments: argparse.Namespace) -> Result:
    """Write rows in a compressed form, and print how many bits a value takes."""
    check_output(arguments, None)
    check_source(arguments)
    model = load_model(arguments.model)
    rows = read_rows(arguments, model)

    from skvae import compress

    data = compress(model, rows.X)
    write_bytes(arguments.output, data)
    n_rows, n_columns = rows.X.shape
    bits = 8 * len(data) / (n_rows * n_columns)
    record = _written(arguments, rows.X).record | {"n_bytes": len(data), "bits_per_value": bits}
    return Result(record, f"{n_rows} rows in {len(data)} bytes, {bits:.4g} bits per value")


def add_decompress_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae decompress``."""
    add_model(parser)
    parser.add_argument("data", metavar="FILE", help="file written by 'skvae compress'")
    add_output(parser, f"file of the rows: {_TABLE_HELP}")


def decompress(arguments: argparse.Namespace) -> Result:
    """Write the rows in a compressed file."""
    check_output(arguments, TABLES)
    data = Path(arguments.data).read_bytes()
    model = load_model(arguments.model)
    _check_rows_output(arguments, model)

    from skvae import decompress

    X = decompress(model, data)
    _write(arguments, X, feature_names(model), "X")
    return _written(arguments, X)


def _load_model(arguments: argparse.Namespace, endings: tuple[str, ...]):
    """Return the model of a verb after a check of its other arguments."""
    if arguments.output:
        check_output(arguments, endings)
    if "data" in arguments:
        if arguments.id is not None and ending(arguments.output or STDOUT) not in PICTURES:
            check_frame_output(arguments.output, "identifiers")
        check_source(arguments)
    return load_model(arguments.model)


def _check_rows_output(arguments: argparse.Namespace, model) -> None:
    schema = model._schema
    is_picture = ending(arguments.output) in PICTURES
    if schema is not None and not schema.is_numeric and not is_picture:
        check_frame_output(arguments.output, "text or dates")


def _identifiers(arguments: argparse.Namespace, rows: Rows) -> dict[str, np.ndarray]:
    return {} if rows.ids is None else {arguments.id: rows.ids}


def _write_result(
    arguments: argparse.Namespace, method, rows: Rows, names, key: str, *, is_frame: bool = False
) -> Result:
    """Write what a method makes of rows, an array unless `is_frame` is True.

    From a large array on disk to another one it is written in blocks.
    """
    first, is_mapped = _identifiers(arguments, rows), isinstance(rows.X, np.memmap)
    if is_mapped and ending(arguments.output) == ".npy" and not (first or is_frame):
        shape = (len(rows.X), len(names))
        dtype = np.float32 if np.can_cast(rows.X.dtype, np.float32) else np.float64
        with rows_on_disk(arguments.output, shape, dtype) as X:
            method(rows.X, out=X)
    else:
        X = method(rows.X)
        _write(arguments, X, names, key, first)
    return _written(arguments, X)


def _write(arguments: argparse.Namespace, X, names, key: str, first=None) -> None:
    """Write an array or a data frame, after the first columns if there are any."""
    if first and isinstance(X, np.ndarray):
        X = import_pandas().DataFrame(X.reshape(len(X), -1), columns=list(names))
    if isinstance(X, np.ndarray):
        write_rows(arguments.output, X, names, key)
    elif ending(arguments.output) in (".npy", ".npz"):
        write_rows(arguments.output, np.asarray(X, dtype=np.float64), names, key)
    else:
        write_frame(arguments.output, X, first or {})


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


def _written(arguments: argparse.Namespace, array) -> Result:
    """Return the result for ``--json``; without it, a written file is the only output."""
    return Result(
        {
            "model": arguments.model,
            "output": arguments.output,
            "n_rows": len(array),
            "n_columns": array.shape[1],
        }
    )
