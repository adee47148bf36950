"""The verb fit: an estimator from the options, trained, saved, and resumed if interrupted."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from skvae.cli._failures import UsageError, ignore_warning, note
from skvae.cli._models import last_losses
from skvae.cli._options import add_data, add_output, count, count_or_all
from skvae.cli._outputs import check_output
from skvae.cli._parameters import add_parameters, build_estimator
from skvae.cli._sources import Rows, read_rows
from skvae.cli._verb import Result, Verb


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_output(parser, "the model; its usual ending is .skvae")
    parser.add_argument(
        "--detector", action="store_true", help="fit an outlier detector, not a transformer"
    )
    parser.add_argument("--quiet", action="store_true", help="show neither progress nor a summary")
    add_data(parser)
    group = parser.add_argument_group("checkpoints")
    group.add_argument(
        "--checkpoint-dir",
        metavar="DIR",
        help="write checkpoints into this folder, which is made if it is missing",
    )
    group.add_argument(
        "--checkpoint-every",
        type=count,
        default=1,
        metavar="N",
        help="epochs between two checkpoints [default: %(default)s]",
    )
    group.add_argument(
        "--keep-checkpoints",
        type=count_or_all,
        default=1,
        metavar="N",
        help="how many to keep, the newest ones, or all [default: %(default)s]",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint, with the same options and rows",
    )
    add_parameters(parser)


def _run(arguments: argparse.Namespace) -> Result:
    estimator = build_estimator(arguments)
    check_output(arguments, endings=None)
    checkpoint = _checkpoint(arguments)
    rows = read_rows(arguments)
    _train(estimator, rows, checkpoint, arguments)
    estimator.save(arguments.output)
    signals = arguments.signals
    if signals.stopped:
        _explain_interruption(arguments, estimator)
    record = _record(arguments, estimator, rows)
    text = "" if arguments.quiet or signals.stopped else _text(record)
    return Result(record, text, signals.exit_code if signals.stopped else 0)


def _checkpoint(arguments: argparse.Namespace):
    """Return what the options say on checkpoints; never mix those of two fits."""
    from skvae._files.checkpoint_folder import Checkpoint, CheckpointFolder

    folder = arguments.checkpoint_dir
    if folder is None:
        if arguments.resume:
            raise UsageError("--resume needs the folder to go on from: --checkpoint-dir DIR")
        return None
    checkpoint = Checkpoint(
        folder,
        every=arguments.checkpoint_every,
        keep=arguments.keep_checkpoints,
        resume=arguments.resume,
    )
    found = CheckpointFolder(checkpoint).files()
    if found and not arguments.resume:
        raise UsageError(
            f"{folder} holds checkpoints already: add --resume to go on from the newest, or "
            "choose another folder"
        )
    if arguments.resume and not found:
        note(f"no checkpoint in {folder}: starting anew")
    return checkpoint


def _train(estimator, rows: Rows, checkpoint, arguments: argparse.Namespace) -> None:
    """Fit; what belongs to this run alone is on the estimator for as long as it lasts."""
    estimator.set_params(
        callbacks=[arguments.signals.callback()],
        checkpoint=checkpoint,
        verbose=int(sys.stderr.isatty() and not arguments.quiet),
    )
    ignore_warning("Training was interrupted")  # it speaks of Python; this command says its own
    estimator.fit(rows.X)
    estimator.set_params(callbacks=None, checkpoint=None, verbose=0)
    if rows.names is not None:
        estimator.feature_names_in_ = np.array(rows.names, dtype=object)


def _explain_interruption(arguments: argparse.Namespace, estimator) -> None:
    remedy = (
        "to go on, give the same command with --resume"
        if arguments.checkpoint_dir
        else "with --checkpoint-dir DIR it could have gone on from there"
    )
    note(
        f"interrupted; {arguments.output} holds the model after epoch {estimator.n_iter_}; {remedy}"
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


VERBS = (
    Verb(
        "fit",
        "train a model and save it",
        "--data SOURCE -o MODEL [options]",
        _add_options,
        _run,
    ),
)
