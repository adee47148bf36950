"""What rows are: images of a shape, or rows of a table whose features have names."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils import check_array

from skvae._validation import check_is_fitted

_FEWEST_PIXELS = 36
_FEW_ROWS = 4
_SHARE_AT_EACH_END, _SHARE_IN_FEW_ROWS = 0.1, 0.02


def image_shape_of(X: np.ndarray, kind: str, image_shape) -> tuple[int, ...] | None:
    """Return the shape of the images that rows are, None where they are rows of a table."""
    if kind not in ("auto", "image", "table"):
        raise ValueError(f"'kind' must be 'auto', 'image' or 'table', got {kind!r}.")
    if kind == "table" or (kind == "auto" and image_shape is None and not _look_like_images(X)):
        return None
    n_features = X.shape[1]
    side = math.isqrt(n_features)
    shape = (side, side) if image_shape is None else tuple(image_shape)
    fits = math.prod(shape) == n_features and min(shape) > 0
    if not fits or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(
            f"Rows of {n_features} features cannot be shown as images of shape {shape}. Pass "
            "image_shape=(height, width) or (height, width, 3), or kind='table'."
        )
    return shape


def settled_kind(estimator, kind: str, image_shape) -> str:
    """Return the kind of rows that an estimator was fitted to, where it is "auto".

    Without a shape they are images if their number of features says so, and if the likelihood
    measures all features on one scale.
    """
    check_is_fitted(estimator)
    if kind != "auto":
        return kind
    scale = torch.as_tensor(getattr(estimator.module_.likelihood, "scale", 1.0))
    one_scale = scale.unique().numel() == 1
    is_image = image_shape is not None or (one_scale and _is_square(estimator.n_features_in_))
    return "image" if is_image else "table"


def _look_like_images(X: np.ndarray) -> bool:
    """Return whether rows are squares whose features share one range.

    They do if one feature in ten reaches into the upper quarter of the range that all values span,
    and one in ten into the lower: the columns of a table in units of their own leave these to the
    few largest. Of fewer than four rows one feature in fifty is enough, as strokes are thin.
    """
    quarter = np.ptp(X) / 4
    ends = (X.max(axis=0) >= X.max() - quarter, X.min(axis=0) <= X.min() + quarter)
    share = _SHARE_AT_EACH_END if len(X) >= _FEW_ROWS else _SHARE_IN_FEW_ROWS
    return _is_square(X.shape[1]) and all(at_end.mean() >= share for at_end in ends)


def _is_square(n_features: int) -> bool:
    return n_features >= _FEWEST_PIXELS and math.isqrt(n_features) ** 2 == n_features


def feature_names_of(X, estimator=None) -> np.ndarray | None:
    """Return the names of features that a data frame or a fitted estimator knows."""
    if hasattr(X, "columns"):
        return np.array(X.columns, dtype=object)
    return getattr(estimator, "feature_names_in_", None)


class Features(NamedTuple):
    """The features that a picture of a table shows."""

    columns: np.ndarray
    names: list[str]
    note: str  # for the title: that not all are shown


def choose_features(X, features, feature_names, limit: int) -> Features:
    """Return the features of a table that were asked for, or the first `limit` of them."""
    names = _names_for(X, feature_names)
    if features is None:
        columns = np.arange(min(len(names), limit))
    else:
        columns = np.array([_column_of(feature, names) for feature in features])
    note = f" ({len(columns)} of {len(names)} features)" if len(columns) < len(names) else ""
    return Features(columns, [names[column] for column in columns], note)


def _names_for(X, feature_names) -> list[str]:
    n_features = np.shape(X)[1]
    names = feature_names_of(X) if feature_names is None else feature_names
    if names is None:
        return [f"x{column}" for column in range(n_features)]  # as scikit-learn does
    if len(names) != n_features:
        raise ValueError(
            f"'feature_names' has {len(names)} names for rows of {n_features} features. Pass one "
            "name for each."
        )
    return [str(name) for name in names]


def _column_of(feature, names: list[str]) -> int:
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if not isinstance(feature, str) and 0 <= feature < len(names):
        return int(feature)
    raise ValueError(
        f"{feature!r} in 'features' is none of the {len(names)} features. Pass indices from 0, or "
        f"names such as {names[0]!r}."
    )


def checked_pair(X, X_other, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables as arrays; refuse them if their shapes differ."""
    arrays = check_array(X), check_array(X_other)
    if arrays[0].shape != arrays[1].shape:
        raise ValueError(
            f"{names[0]!r} has shape {arrays[0].shape} and {names[1]!r} {arrays[1].shape}; the "
            "rows of the one must belong to the rows of the other."
        )
    return arrays
