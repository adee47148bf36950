"""Checks of arguments and packages; the one file that uses scikit-learn's private names.

An upstream rename is then one repair.
"""

from __future__ import annotations

import os
from importlib import import_module
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    MissingValues,
    Options,
    StrOptions,
)
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_is_fitted,
)

__all__ = [
    "DocumentedEstimator",
    "IdentifierError",
    "Interval",
    "InvalidParameterError",
    "MissingValues",
    "Options",
    "OutsideSupportError",
    "StrOptions",
    "_check_feature_names_in",
    "_fit_context",
    "_safe_indexing",
    "check_count",
    "check_is_fitted",
    "check_out",
    "check_weights",
    "import_extra",
]


class DocumentedEstimator(BaseEstimator):
    """A `BaseEstimator` whose HTML representation links to the page of its class.

    The environment variable `SKVAE_DOCS` holds the address of the documentation, such as that of
    the folder into which it was built. Without it, there is no link.
    """

    _doc_link_module = "skvae"

    @property
    def _doc_link_template(self) -> str:
        address = os.environ.get("SKVAE_DOCS", "")
        return address and address + "/generated/{estimator_module}.{estimator_name}.html"


def import_extra(name: str, caller: str, extra: str, *, otherwise: str = "") -> Any:
    """Return a module of a package that is installed with an extra of skvae.

    Parameters
    ----------
    name : str
        Full name of the module.
    caller : str
        What needs it, as the subject of the message.
    extra : str
        Name of the extra.
    otherwise : str, default=""
        What can be done without the package, a whole sentence.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as exc:
        missing = exc.name or name
        raise ImportError(
            f"{caller} needs the package {missing.partition('.')[0]!r}, which is not installed. "
            f"Install the extra: pip install 'skvae[{extra}]'. {otherwise}".rstrip(),
            name=missing,
        ) from exc


def check_count(name: str, value: Any) -> None:
    """Refuse anything but a positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"'{name}' must be an integer of at least 1, got {value!r}.")


def check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Refuse an array that cannot hold a result, before anything is computed.

    Parameters
    ----------
    out : array or None
        Anything with a shape and a dtype; None is accepted.
    shape : tuple of int
    dtype : numpy.dtype
        Type of the result.

    Raises
    ------
    ValueError
        If the shape is another, or if the type cannot hold floats of that kind.
    """
    if out is None:
        return
    if tuple(out.shape) != shape:
        raise ValueError(f"'out' has shape {tuple(out.shape)}, but the result has {shape}.")
    if not np.can_cast(dtype, out.dtype, "same_kind"):
        raise ValueError(
            f"'out' holds {out.dtype}, but the result is {dtype}. Pass an array of {dtype}."
        )


def check_weights(sample_weight: Any, X: np.ndarray) -> np.ndarray:
    """Return weights as float64, one for each row of X.

    Raises
    ------
    ValueError
        If they are negative or not finite, of another number than the rows of X, or all zero.
    """
    weights: np.ndarray = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():  # older versions of scikit-learn do not check it
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


class IdentifierError(ValueError):
    """A column of text that looks like identifiers.

    Parameters
    ----------
    column : object
        Name of the column.
    problem : str
        What was found in it.
    remedy : str
        What to do.
    """

    def __init__(self, column: Any, problem: str, remedy: str):
        super().__init__(column, problem, remedy)  # as pickle reads them
        self.column, self.problem = column, problem

    def __str__(self) -> str:
        return f"{self.args[1]}. {self.args[2]}"


class OutsideSupportError(ValueError):
    """A value that a likelihood does not accept.

    Parameters
    ----------
    expected : str
        The likelihood and the values that it accepts.
    value : str
        The value.
    remedy : str
        What to do.
    row, column : int
        Its place in X.
    name : str or None, default=None
        Name of the column, if it has one.
    """

    def __init__(
        self, expected: str, value: str, remedy: str, row: int, column: int, name: str | None = None
    ):
        super().__init__(expected, value, remedy, row, column, name)  # as pickle reads them
        self.row, self.column = row, column

    def __str__(self) -> str:
        expected, value, remedy, row, column, name = self.args
        return (
            f"{expected}, but column {column if name is None else repr(name)} of X holds {value} "
            f"in row {row}, counted from 0. {remedy}"
        )

    def at(self, **place: Any) -> OutsideSupportError:
        """Return the same error with another `row`, `column` or `name`."""
        names = ("expected", "value", "remedy", "row", "column", "name")
        return OutsideSupportError(**dict(zip(names, self.args, strict=True)) | place)
