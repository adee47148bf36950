"""The options of the command line: their names, the values that they accept and their help texts.

Nothing here imports torch, so that help and usage errors appear at once.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np

from skvae.cli._literals import PARTS, read_part


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model file that a verb reads."""
    parser.add_argument(
        "model", metavar="MODEL", help="file written by 'skvae fit', or a checkpoint"
    )


def add_output(parser: argparse.ArgumentParser, text: str, *, required: bool = True) -> None:
    """Add the file that a verb writes."""
    parser.add_argument("-o", "--output", metavar="FILE", required=required, help=text)


def add_data(
    parser: argparse.ArgumentParser, *, required: bool = True, positional: bool = False
) -> None:
    """Add the source of the rows and the options that select some of them."""
    group = parser.add_argument_group("data")
    source = group.add_mutually_exclusive_group(required=required)
    if positional:
        source.add_argument(
            "data", nargs="?", metavar="SOURCE", default=argparse.SUPPRESS, help="as --data"
        )
    source.add_argument(
        "--data",
        metavar="SOURCE",
        help="digits, mnist, emnist, or a file: .npy, .npz, .csv, .tsv, .parquet, or IDX (such as "
        "train-images-idx3-ubyte.gz); .csv, .tsv and IDX files may be compressed (.gz); - reads "
        "CSV from stdin; mnist and emnist are read from the folder in the environment variable "
        "SKVAE_DATA, or downloaded once",
    )
    group.add_argument("--limit", type=count, metavar="N", help="read the first N rows only")
    for name, option in DATA_OPTIONS.items():
        sources = ", ".join(source.removeprefix(".") for source in option.sources)
        text = f"{sources}: {option.help}"
        group.add_argument(option_of(name), help=text, **option.settings)


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add the appearance of a picture."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--image-shape",
        type=_shape,
        metavar="H,W[,3]",
        help="shape of the images in the rows [default: square, if rows look like images]",
    )
    group.add_argument(
        "--dpi",
        type=count,
        default=150,
        metavar="N",
        help="resolution in dots per inch [default: %(default)s]",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the seed of draws."""
    parser.add_argument(
        "--random-state",
        type=seed,
        metavar="N",
        help="seed of the draws [default: a different one for every call]",
    )


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """Add the constructor parameters of the estimators, and a list of the parts to choose from.

    An option that is not given is absent from the parsed arguments: the estimators have the same
    defaults.
    """
    group = parser.add_argument_group("parameters of the model")
    for name, parameter in PARAMETERS.items():
        _add_parameter(group, name, parameter)
    group = parser.add_argument_group("parameters of the detector, with --detector")
    for name, parameter in DETECTOR_PARAMETERS.items():
        _add_parameter(group, name, parameter)
    group = parser.add_argument_group("parameters of the imputer, with --imputer")
    for name, parameter in IMPUTER_PARAMETERS.items():
        _add_parameter(group, name, parameter)
    group = parser.add_argument_group("parameters of the classifier, with --classifier")
    for name, parameter in CLASSIFIER_PARAMETERS.items():
        _add_parameter(group, name, parameter)
    parser.epilog = "\n".join([_PARTS_HELP, *_lines_of_parts()])


def option_of(name: str) -> str:
    """Return the option that sets a parameter."""
    return "--" + name.replace("_", "-")


def count(text: str) -> int:
    """Read an integer of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least 1")
    return number


def number(text: str) -> float:
    """Read a number; the estimators check its range."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def seed(text: str) -> int:
    """Read an integer that scikit-learn accepts as `random_state`."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 2**32 - 1")
    return number


def pair(text: str) -> tuple[str, str]:
    """Read a name and a value, such as "sex=Female"."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def number_or_text(text: str) -> int | float | str:
    """Read a number if it is one."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def value_or_word(read: Callable[[str], Any], word: str, meaning: Any) -> Callable[[str], Any]:
    """Return a reader of values that reads one word as `meaning`."""

    def read_either(text: str) -> Any:
        if text == word:
            return meaning
        try:
            return read(text)
        except argparse.ArgumentTypeError as exc:
            raise argparse.ArgumentTypeError(f"{exc}, nor {word!r}") from None

    return read_either


def _part(role: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return read_part(role, text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from exc

    return read


def _names(text: str) -> list[str]:
    """Read names between commas; a name that contains a comma is written in double quotes."""
    return [name.strip() for name in next(csv.reader([text]), [])]


def _shape(text: str) -> tuple[int, ...]:
    return tuple(count(size) for size in text.split(","))


class DataOption(NamedTuple):
    """An option that applies to some sources of rows only."""

    sources: tuple[str, ...]
    help: str
    settings: dict[str, Any]


_IMAGES, _TABLES = ("mnist", "emnist"), (".csv", ".parquet")

DATA_OPTIONS = {
    "subset": DataOption(
        _IMAGES,
        "images to read [default: train]",
        {"choices": ("train", "test", "all")},
    ),
    "image_size": DataOption(
        _IMAGES,
        "height and width [default: 28]",
        {"type": int, "choices": (28, 14)},
    ),
    "binarize": DataOption(
        _IMAGES,
        "make every pixel 0 or 1",
        {"action": "store_true", "default": None},
    ),
    "split": DataOption(
        ("emnist",),
        "characters to read [default: letters]",
        {"choices": ("letters", "balanced", "byclass", "bymerge", "digits", "mnist")},
    ),
    "columns": DataOption(
        _TABLES,
        "columns to read [default: those of the model, else all]",
        {"type": _names, "metavar": "A,B,…"},
    ),
    "drop": DataOption(
        _TABLES,
        "columns to leave out",
        {"type": _names, "metavar": "A,B,…"},
    ),
    "target": DataOption(
        _TABLES,
        "column of labels, which is not a feature; a classifier learns it, and pictures show it",
        {"metavar": "COLUMN"},
    ),
    "id": DataOption(
        _TABLES,
        "column of identifiers, which is not a feature; it becomes the first column of outputs",
        {"metavar": "NAME"},
    ),
    "key": DataOption(
        (".npz",),
        "array to read, if there are several",
        {"metavar": "NAME"},
    ),
}


class Parameter(NamedTuple):
    """A constructor parameter of the estimators that is an option of ``skvae fit``."""

    default: Any
    help: str
    settings: dict[str, Any]  # of argparse
    of_imputer: Any = None  # another default of the imputer

    def default_of(self, *, imputer: bool) -> Any:
        """Return the default of the imputer, or of the other estimators."""
        return self.of_imputer if imputer and self.of_imputer is not None else self.default


_COUNT = {"type": count, "metavar": "N"}
_COUNT_OR_AUTO = {"type": value_or_word(count, "auto", "auto"), "metavar": "N|auto"}
_NUMBER = {"type": number, "metavar": "X"}
_NUMBER_OR_AUTO = {"type": value_or_word(number, "auto", "auto"), "metavar": "X|auto"}

PARAMETERS = {
    "n_components": Parameter(
        16,
        "number of latent dimensions; auto, for imputers, is one less than the number of features, "
        "but from 1 to 10",
        _COUNT_OR_AUTO,
        "auto",
    ),
    "network": Parameter(
        "auto",
        "encoder and decoder; auto is mlp, with residual connections in imputers",
        {"type": _part("network"), "metavar": "PART"},
    ),
    "likelihood": Parameter(
        "auto",
        "distribution p(x|z) of a row given its latent vector; auto is gaussian, or mixed for "
        "tables with text, true/false or dates",
        {"type": _part("likelihood"), "metavar": "PART"},
    ),
    "prior": Parameter(
        "auto",
        "distribution p(z) of the latent vectors; auto is normal, or a mixture of 1,000 for such "
        "tables and of 20 for imputers",
        {"type": _part("prior"), "metavar": "PART"},
    ),
    "objective": Parameter(
        "auto",
        "objective of training; auto is elbo, or iwae for imputers",
        {"type": _part("objective"), "metavar": "PART"},
    ),
    "max_epochs": Parameter(
        "auto",
        "number of passes over the rows; auto depends on the number of rows",
        _COUNT_OR_AUTO,
    ),
    "batch_size": Parameter(
        "auto",
        "number of rows per optimiser step; auto is 64, or 128 for 10,000 rows or more, and twice "
        "as many for tables with text of at least 2,000 rows",
        _COUNT_OR_AUTO,
    ),
    "learning_rate": Parameter(
        1e-3,
        "mean learning rate of the one-cycle schedule; constant with --early-stopping",
        _NUMBER,
        1.5e-3,
    ),
    "optimizer": Parameter(
        "adam",
        "optimiser; adam has decoupled weight decay (AdamW)",
        {"choices": ("adam", "sgd")},
    ),
    "weight_decay": Parameter(
        "auto",
        "weight decay; auto is min(1, 1000 / number of rows) for adam, and 0 for sgd and imputers",
        _NUMBER_OR_AUTO,
    ),
    "early_stopping": Parameter(
        False,
        "stop when the loss on held-out rows no longer improves, and keep the best epoch",
        {"action": "store_true"},
    ),
    "validation_fraction": Parameter(
        0.1, "share of the rows held out by --early-stopping, between 0 and 1", _NUMBER
    ),
    "n_iter_no_change": Parameter(
        10, "number of epochs without improvement after which --early-stopping stops", _COUNT
    ),
    "n_importance_samples": Parameter(
        16, "number of draws per row for the log-likelihood of a row", _COUNT, 32
    ),
    "precision": Parameter(
        "auto",
        "precision of matrix products during training; auto is bfloat16 if the encoder sees at "
        "least 256 values per row and the processor computes it natively, else float32",
        {"choices": ("auto", "float32", "bfloat16")},
    ),
    "device": Parameter(
        "auto",
        "device for training, such as cpu or cuda:0; auto is a CUDA GPU if there is one",
        {"metavar": "NAME"},
    ),
    "random_state": Parameter(
        None,
        "seed of initial weights, row order and draws; the same seed gives the same model",
        {"type": seed, "metavar": "N"},
    ),
}

DETECTOR_PARAMETERS = {
    "anomaly_score": Parameter(
        "novelty_rarity",
        "score of a row, higher for more normal rows",
        {"type": _part("anomaly_score"), "metavar": "PART"},
    ),
    "contamination": Parameter(
        0.1, "share of rows that fall below the threshold, at most 0.5", _NUMBER
    ),
    "calibration_fraction": Parameter(
        None,
        "share of the rows that training leaves aside for p-values, between 0 and 1",
        _NUMBER,
    ),
}

CLASSIFIER_PARAMETERS = {
    "unlabeled": Parameter(
        -1,
        "label of rows whose class is not known, besides empty cells",
        {"type": number_or_text, "metavar": "VALUE"},
    ),
    "consistency": Parameter(
        1.0, "weight of the terms by which rows without labels guide the classifier", _NUMBER
    ),
}

IMPUTER_PARAMETERS = {
    "n_estimators": Parameter(4, "number of models, of which the imputer is the mixture", _COUNT),
    "missing_values": Parameter(
        np.nan,
        "number or text that stands for a missing value, besides empty cells",
        {"type": number_or_text, "metavar": "VALUE"},
    ),
    "mechanism": Parameter(
        "mar",
        "mar if gaps may depend on observed values only, self_masking if on what is missing",
        {"choices": ["mar", "self_masking"]},
    ),
    "hidden_fraction": Parameter(
        0.05,
        "share of the values hidden from training to calibrate draws, between 0 and 0.5",
        _NUMBER,
    ),
    "sample_posterior": Parameter(
        False, "fill gaps with draws instead of expectations", {"action": "store_true"}
    ),
    "add_indicator": Parameter(
        False,
        "append a column to filled rows, 1 for missing, for each column with gaps in training",
        {"action": "store_true"},
    ),
    "keep_empty_features": Parameter(
        False, "keep columns without any value in training", {"action": "store_true"}
    ),
}

NOT_OFFERED = {
    "callbacks": "they are Python objects; --checkpoint-dir sets the one of general use",
    "verbose": "progress is shown if stderr is a terminal, unless --quiet is given",
    "warm_start": "every command starts a new process; --resume continues an interrupted fit",
}


_PARTS_HELP = """\
PART is one of the names below, or a call with other values of the arguments, such as
--network "MLP(hidden_layer_sizes=(64, 32))"."""


def _add_parameter(group, name: str, parameter: Parameter) -> None:
    others = "" if parameter.of_imputer is None else f", of imputers {parameter.of_imputer}"
    none = parameter.default in (None, False)
    default = "" if none else f" [default: {parameter.default}{others}]"
    group.add_argument(
        option_of(name),
        default=argparse.SUPPRESS,
        help=parameter.help + default,
        **parameter.settings,
    )


def _lines_of_parts() -> list[str]:
    lines = []
    for role, parts in PARTS.items():
        lines += ["", f"{option_of(role)}:"]
        width = max(map(len, parts)) + 2
        for name, call in parts.items():
            if name == "auto":
                continue  # said of the parameter
            first, others = f"  {name:{width}}", " " * (width + 4)
            lines.append(fill(call, 80, initial_indent=first, subsequent_indent=others))
    return lines
