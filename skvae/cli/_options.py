"""The options that several verbs share."""

from __future__ import annotations

import argparse
import csv


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model file that a verb reads."""
    parser.add_argument("model", metavar="MODEL", help="file of 'skvae fit', or a checkpoint")


def add_output(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """Add the file that a verb writes."""
    parser.add_argument("-o", "--output", metavar="FILE", required=required, help=what)


def add_data(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the source of the rows, and what is to be taken from it."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        metavar="SOURCE",
        required=required,
        help="digits, mnist, emnist, or a file: .npy, .npz, .csv, .parquet, or IDX, compressed or "
        "not (such as train-images-idx3-ubyte.gz); mnist and emnist are taken from the folder that "
        "SKVAE_DATA names, or downloaded once",
    )
    group.add_argument("--limit", type=count, metavar="N", help="take the first N rows only")
    for option, settings in _DATA_OPTIONS.items():
        group.add_argument(option, **settings)


def add_picture(parser: argparse.ArgumentParser) -> None:
    """Add what decides the looks of a picture."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--image-shape",
        type=_shape,
        metavar="H,W[,3]",
        help="shape of the images that rows are [default: squares, where rows look like images]",
    )
    group.add_argument("--dpi", type=count, default=150, metavar="N", help="[default: %(default)s]")


def count(text: str) -> int:
    """Read a number of at least one."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 1")
    return number


def count_or_all(text: str) -> int | None:
    """Read a number of at least one, or "all", which is None."""
    return None if text == "all" else count(text)


def seed(text: str) -> int:
    """Read what scikit-learn takes for a `random_state`."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer from 0 to 2**32 - 1")
    return number


def _names(text: str) -> list[str]:
    """Read names between commas; one that holds a comma stands in double quotes."""
    return [name.strip() for name in next(csv.reader([text]), [])]


def _shape(text: str) -> tuple[int, ...]:
    return tuple(count(size) for size in text.split(","))


_DATA_OPTIONS = {
    "--subset": {
        "choices": ("train", "test", "all"),
        "help": "mnist, emnist: which images [default: train]",
    },
    "--image-size": {
        "type": int,
        "choices": (28, 14),
        "help": "mnist, emnist: height and width [default: 28]",
    },
    "--binarize": {
        "action": "store_true",
        "default": None,
        "help": "mnist, emnist: make every pixel 0 or 1",
    },
    "--split": {
        "choices": ("letters", "balanced", "byclass", "bymerge", "digits", "mnist"),
        "help": "emnist: which characters [default: letters]",
    },
    "--columns": {
        "type": _names,
        "metavar": "A,B,…",
        "help": "csv, parquet: the columns to take [default: those of the model, else all]",
    },
    "--drop": {
        "type": _names,
        "metavar": "A,B,…",
        "help": "csv, parquet: columns to leave out",
    },
    "--target": {
        "metavar": "COLUMN",
        "help": "csv, parquet: a column of labels, kept apart from the rest and shown in pictures",
    },
    "--key": {"metavar": "NAME", "help": "npz: the array to take, where there are several"},
}
