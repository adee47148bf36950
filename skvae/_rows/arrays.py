"""Rows in any form to arrays of floats: checked, contiguous, in the precision that they had."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

# the first entry is what other types become: bytes become float32, never float64
_FLOAT_DTYPES: list[type[np.floating]] = [np.float32, np.float64]


def check_rows(
    estimator: BaseEstimator, X: Any, *, reset: bool, min_samples: int = 1
) -> np.ndarray:
    """Return X as a C-contiguous float array, without a copy if it is one already.

    float32 and float64 keep their precision; everything else becomes float32.
    """
    _refuse_masked(X)
    try:
        rows: np.ndarray = validate_data(
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
                f"X has columns that do not hold numbers: {', '.join(map(repr, names))}. Drop "
                "them, or encode them first, for example with "
                "sklearn.preprocessing.OneHotEncoder."
            ) from exc
        raise
    return rows


def check_latent_rows(estimator: BaseEstimator, X: Any, n_components: int) -> np.ndarray:
    """Return latent rows as a C-contiguous float array of width `n_components`."""
    Z: np.ndarray = check_array(
        X, dtype=_float_dtypes(X), order="C", estimator=estimator, input_name="X"
    )
    if Z.shape[1] != n_components:
        raise ValueError(
            f"X has {Z.shape[1]} columns, but {type(estimator).__name__} was fitted with "
            f"n_components={n_components}. Pass latent rows, such as transform returns."
        )
    return Z


def _float_dtypes(X: Any) -> list[type[np.floating]]:
    # the columns of polars name types that are not NumPy's, which scikit-learn cannot read
    in_double = any(str(dtype) == "Float64" for dtype in getattr(X, "dtypes", ()))
    # nor does scikit-learn recognise the same precision in a foreign byte order
    in_double |= str(getattr(X, "dtype", "")) in (">f8", "<f8")
    return _FLOAT_DTYPES[::-1] if in_double else _FLOAT_DTYPES


def _columns_without_numbers(X: Any) -> list[str]:
    """Return the names of the columns of a data frame that cannot become floats."""
    names = []
    for name in getattr(X, "columns", ()):
        try:
            np.asarray(X[name]).astype(np.float64)
        except (ValueError, TypeError):
            names.append(name)
    return names


def _refuse_masked(X: Any) -> None:
    if np.ma.is_masked(X):
        raise ValueError(
            f"X is a masked array with {np.ma.count_masked(X)} masked values, and the values under "
            "the mask would be taken as data. Drop those rows or fill them first, for example by "
            "X.filled(X.mean(axis=0)) or sklearn.impute.SimpleImputer."
        )
