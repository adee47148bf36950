"""The verb fit: build an estimator from the options, train or resume it, and save it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skvae.cli._failures import UsageError, ignore_warning, note
from skvae.cli._info_command import last_losses
from skvae.cli._models import is_imputer
from skvae.cli._options import (
    CLASSIFIER_PARAMETERS,
    DETECTOR_PARAMETERS,
    IMPUTER_PARAMETERS,
    PARAMETERS,
    add_data,
    add_output,
    add_parameters,
    count,
    option_of,
    value_or_word,
)
from skvae.cli._outputs import Result, check_output
from skvae.cli._sources import check_source, read_rows
from skvae.cli._table_files import Rows

_KINDS = {
    "detector": "an outlier detector",
    "imputer": "an imputer",
    "classifier": "a classifier of the labels in --target, some of which may be empty,",
}
_PARAMETERS_OF = {
    "detector": DETECTOR_PARAMETERS,
    "imputer": IMPUTER_PARAMETERS,
    "classifier": CLASSIFIER_PARAMETERS,
}
_CHECKPOINTS = "epoch-*.skvae"  # names of the files in the folder of checkpoints


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``skvae fit``."""
    add_output(parser, "file of the model, usually with the ending .skvae")
    kind = parser.add_mutually_exclusive_group()
    for name, text in _KINDS.items():
        kind.add_argument(
            option_of(name), action="store_true", help=f"fit {text} instead of a transformer"
        )
    parser.add_argument("--quiet", action="store_true", help="print neither progress nor a summary")
    add_data(parser, positional=True)
    parser.add_argument(
        "--sample-weight",
        metavar="NAME",
        help="csv, tsv, parquet: column of weights, which are numbers of copies of the rows",
    )
    group = parser.add_argument_group("checkpoints")
    group.add_argument(
        "--checkpoint-dir",
        metavar="DIR",
        help="write checkpoints into this folder, which is created if it does not exist",
    )
    group.add_argument(
        "--checkpoint-every",
        type=count,
        default=1,
        metavar="N",
        help="number of epochs between two checkpoints [default: %(default)s]",
    )
    group.add_argument(
        "--keep-checkpoints",
        type=value_or_word(count, "all", None),
        default=1,
        metavar="N|all",
        help="number of checkpoints to keep, the newest ones [default: %(default)s]",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="continue from the newest checkpoint; the other options and the rows must be the same",
    )
    add_parameters(parser)


def run(arguments: argparse.Namespace) -> Result:
    """Fit and save an estimator."""
    _check_options(arguments)
    check_output(arguments, endings=None)
    check_source(arguments)
    if arguments.checkpoint_dir is not None:
        _check_checkpoints(arguments)
    estimator = build_estimator(arguments)
    rows, weights = _read_weighted(arguments, estimator)
    if arguments.classifier and rows.y is None:
        raise UsageError("--classifier needs labels: name their column with --target COLUMN")
    _train(estimator, rows, weights, arguments)
    _save(estimator, arguments.output)
    stopped = arguments.signals.stopped
    if stopped:
        _explain_interruption(arguments, estimator)
    record = _record(arguments, estimator, rows)
    text = "" if arguments.quiet or stopped else _text(record)
    return Result(record, text, arguments.signals.exit_code if stopped else 0)


def build_estimator(arguments: argparse.Namespace):
    """Return an unfitted estimator with the given parameters, which have been checked.

    Raises
    ------
    InvalidParameterError
        If the estimator does not allow a value.
    """
    from skvae import VAEAnomalyDetector, VAEClassifier, VAEImputer, VAETransformer

    kinds = {
        "detector": VAEAnomalyDetector,
        "imputer": VAEImputer,
        "classifier": VAEClassifier,
    }
    chosen = (kinds[name] for name in kinds if getattr(arguments, name))
    known = [*PARAMETERS, *(name for own in _PARAMETERS_OF.values() for name in own)]
    given = {name: getattr(arguments, name) for name in known if name in arguments}
    estimator = next(chosen, VAETransformer)(**given)
    estimator._validate_params()
    return estimator


def _check_options(arguments: argparse.Namespace) -> None:
    for kind, parameters in _PARAMETERS_OF.items():
        for name in parameters:
            if name in arguments and not getattr(arguments, kind):
                raise UsageError(f"{option_of(name)} applies to {kind}s only: add --{kind}")
    if arguments.resume and arguments.checkpoint_dir is None:
        raise UsageError("--resume needs the folder of the checkpoints: add --checkpoint-dir DIR")


def _check_checkpoints(arguments: argparse.Namespace) -> None:
    """Create the folder of checkpoints; do not mix the checkpoints of two fits in it."""
    folder = Path(arguments.checkpoint_dir).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    found = any(folder.glob(_CHECKPOINTS))
    if found and not arguments.resume:
        raise UsageError(
            f"{folder} already contains checkpoints: add --resume to continue from the newest, or "
            "choose another folder"
        )
    if arguments.resume and not found:
        note(f"no checkpoint in {folder}: starting from the beginning")


def _read_weighted(arguments: argparse.Namespace, estimator) -> tuple[Rows, np.ndarray | None]:
    """Read the rows and, if a column of weights is named, take it out of them."""
    from skvae._specs import OF_TABLES, resolve

    likelihood = resolve("likelihood", estimator.likelihood, OF_TABLES)
    form = {
        "text": likelihood.accepts_names,
        "frame": likelihood.kinds is not None,
        "missing": estimator.missing_values if is_imputer(estimator) else None,
    }
    name, columns = arguments.sample_weight, arguments.columns
    if name is None:
        return read_rows(arguments, **form), None
    if columns and name not in columns:
        columns = [*columns, name]
    rows = read_rows(argparse.Namespace(**{**vars(arguments), "columns": columns}), **form)
    if name not in (rows.names or ()):
        found = ", ".join(rows.names or ("none with a name",))
        raise UsageError(f"--sample-weight {name}: no such column was read; there are {found}")
    if rows.names == [name]:
        raise UsageError(f"--sample-weight {name} leaves no column to train on")
    return rows.without(name)


def _train(estimator, rows: Rows, weights, arguments: argparse.Namespace) -> None:
    """Fit with parameters that apply to this run only, and reset them afterwards."""
    temporary = {
        "callbacks": _callbacks(arguments),
        "verbose": int(sys.stderr.isatty() and not arguments.quiet),
    }
    initial = {name: getattr(estimator, name) for name in temporary}
    ignore_warning("Training was interrupted")  # the command prints a message of its own
    labels = {"y": rows.classes()} if arguments.classifier else {}
    with _columns_by_name(rows):
        estimator.set_params(**temporary).fit(rows.X, **labels, sample_weight=weights)
    estimator.set_params(**initial)
    if rows.names is not None:
        estimator.feature_names_in_ = np.array(rows.names, dtype=object)


@contextmanager
def _columns_by_name(rows: Rows) -> Iterator[None]:
    """Name the column in an error, and the options by which it can be left out."""
    from skvae._validation import IdentifierError, OutsideSupportError

    try:
        yield
    except IdentifierError as exc:
        name = shlex.quote(str(exc.column))
        raise ValueError(
            f"{exc.problem}. Leave it out with --drop {name}, or with --id {name}, which repeats "
            "it in the outputs of other commands"
        ) from None
    except OutsideSupportError as exc:
        raise exc if rows.names is None else exc.at(name=rows.names[exc.column]) from None


def _callbacks(arguments: argparse.Namespace) -> list[Any]:
    """Return the callbacks that handle signals and write checkpoints during training."""
    from skvae import Autosave

    callbacks = [arguments.signals.callback()]
    if arguments.checkpoint_dir is not None:
        autosave = Autosave(
            arguments.checkpoint_dir,
            every=arguments.checkpoint_every,
            keep=arguments.keep_checkpoints,
            resume=arguments.resume,
        )
        callbacks.append(autosave)
    return callbacks


def _save(estimator, path: str) -> None:
    import skvae

    skvae.save(estimator, path)


def _explain_interruption(arguments: argparse.Namespace, estimator) -> None:
    remedy = (
        "To continue, repeat the command with --resume"
        if arguments.checkpoint_dir
        else "A fit with --checkpoint-dir DIR can be resumed"
    )
    note(
        f"interrupted; {arguments.output} holds the model after epoch {estimator.n_iter_}. {remedy}"
    )


def _record(arguments: argparse.Namespace, estimator, rows: Rows) -> dict:
    return {
        "model": arguments.output,
        "estimator": type(estimator).__name__,
        "n_rows": len(rows.X),
        "n_features": estimator.n_features_in_,
        "n_components": estimator.n_components_,
        "n_epochs": estimator.n_iter_,
        "n_steps": estimator.n_steps_,
        "seconds": float(estimator.history_["duration"].sum()),
        "losses": last_losses(estimator),
        "interrupted": arguments.signals.stopped,
    }


def _text(record: dict) -> str:
    return (
        f"{record['model']}: {record['n_components']} components of {record['n_features']} "
        f"features, {record['n_rows']} rows, {record['n_epochs']} epochs in "
        f"{record['seconds']:.1f} s, loss {record['losses']['train_loss']:.6g} nats per row"
    )
