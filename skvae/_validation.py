"""Checks of parameters and rows; the one file that imports scikit-learn's private names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    StrOptions,
)
from sklearn.utils.validation import check_is_fitted, validate_data

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "Options",
    "StrOptions",
    "_fit_context",
    "check_count",
    "check_is_fitted",
    "check_latent_rows",
    "check_rows",
    "check_support",
    "unchanged_on_failure",
]

# the first entry is what other types become: bytes grow to float32, never to float64
FLOAT_DTYPES = [np.float32, np.float64]


def check_rows(estimator: BaseEstimator, X, *, reset: bool, min_samples: int = 1) -> np.ndarray:
    """Return X as a C-contiguous float array, without a copy where it is one already.

    float32 and float64 keep their precision, everything else becomes float32.
    """
    _refuse_masked(X)
    try:
        return validate_data(
            estimator,
            X,
            reset=reset,
            dtype=_float_dtypes(X),
            order="C",
            ensure_min_samples=min_samples,
        )
    except (ValueError, TypeError) as exc:
        if names := _columns_without_numbers(X):
            raise ValueError(
                f"X has columns that hold no numbers: {', '.join(map(repr, names))}. Drop them, or "
                "encode them first, for example with sklearn.preprocessing.OneHotEncoder."
            ) from exc
        raise


def check_latent_rows(estimator: BaseEstimator, Z, n_components: int) -> np.ndarray:
    """Return Z as a C-contiguous float array of width `n_components`."""
    Z = check_array(Z, dtype=_float_dtypes(Z), order="C", input_name="Z", estimator=estimator)
    if Z.shape[1] != n_components:
        raise ValueError(
            f"Z has {Z.shape[1]} columns, but {type(estimator).__name__} was fitted with "
            f"n_components={n_components}. Pass what transform(X) returns."
        )
    return Z


def _float_dtypes(X) -> list[type]:
    # the columns of polars name types that are not NumPy's, which scikit-learn cannot read
    in_double = any(str(dtype) == "Float64" for dtype in getattr(X, "dtypes", ()))
    # nor does it take a foreign byte order for the same precision
    in_double |= str(getattr(X, "dtype", "")) in (">f8", "<f8")
    return FLOAT_DTYPES[::-1] if in_double else FLOAT_DTYPES


def _columns_without_numbers(X) -> list[str]:
    """Names of the columns of a data frame that cannot become floats."""
    names = []
    for name in getattr(X, "columns", ()):
        try:
            np.asarray(X[name]).astype(np.float64)
        except (ValueError, TypeError):
            names.append(name)
    return names


def _refuse_masked(X) -> None:
    if np.ma.is_masked(X):
        raise ValueError(
            f"X is a masked array with {np.ma.count_masked(X)} masked values, and what lies under "
            "the mask would be taken for data. Drop those rows or fill them first, for example by "
            "X.filled(X.mean(axis=0)) or sklearn.impute.SimpleImputer."
        )


def check_support(X: np.ndarray, support: Any, likelihood: object) -> None:
    """Refuse rows outside the values that a likelihood gives a density to.

    The `support` is a range, an object with ``check(X, likelihood)``, or None for any values.

    Raises
    ------
    ValueError
        Naming the range that X has, the range expected, and the remedy.
    """
    if hasattr(support, "check"):
        support.check(X, likelihood)
        return
    if support is None:
        return
    low, high = support
    minimum, maximum = float(X.min()), float(X.max())
    if minimum < low or maximum > high:
        division = f" or X / {maximum:g}" if minimum >= 0 else ""
        raise ValueError(
            f"{likelihood!r} takes values in [{low:g}, {high:g}], but X ranges from {minimum:g} to "
            f"{maximum:g}. Scale X first, for example with "
            f"sklearn.preprocessing.MinMaxScaler(clip=True){division}, "
            "or choose likelihood='gaussian', which takes any range."
        )


def check_count(name: str, value) -> None:
    """Refuse what is not a positive integer."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"'{name}' must be an integer of at least 1, got {value!r}.")


@contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Give the estimator its attributes back if the block raises: fitted wholly or not at all."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
