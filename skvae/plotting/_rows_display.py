"""Base class of the displays of rows, which are images or rows of a table of named features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skvae.plotting._drawn_tables import DrawnTables, names_in, read_drawn
from skvae.plotting._figure_layout import WIDTH, axes_to_draw_on, literal, title_over
from skvae.plotting._mosaic import draw_mosaic, mosaic_height
from skvae.plotting._pipelines import Opened, Rows
from skvae.plotting._shared_docs import share_docs
from skvae.plotting._table_panels import FIRST_PANELS, feature_panels, panel_lines

_FEWEST_PIXELS = 36
_FEW_ROWS = 4
_SHARE_AT_EACH_END, _SHARE_IN_FEW_ROWS = 0.1, 0.02


class Features(NamedTuple):
    """Features that a picture of a table shows."""

    columns: np.ndarray
    names: list[str]
    note: str  # for the title, if not all are shown


@share_docs()
class RowsDisplay:
    """Base of the displays of rows; a subclass draws in `_draw(ax)`, which sets `ax_`."""

    def __init__(self, kind, image_shape, features, feature_names):
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        {ax}

        Returns
        -------
        self : object
            The display, whose attributes hold the axes and what was drawn on them.
        """
        self._draw(ax)
        self.figure_ = self.ax_.figure
        return self

    def _draw_mosaic(
        self, ax, images, n_columns, shape, title, *, margin, fewest_columns=1, width=WIDTH
    ) -> None:
        """Draw images as one, in axes with this margin in inches for the title and the ticks."""
        n_lines = math.ceil(len(images) / n_columns)
        height = mosaic_height(n_lines, max(n_columns, fewest_columns), shape, width)
        self.ax_ = axes_to_draw_on(ax, height + margin)
        title_over(self.ax_, title)
        self.axes_ = np.array([self.ax_])
        self.image_ = draw_mosaic(self.ax_, images, n_columns, shape)

    def _make_panels(self, ax, X, title, *, line_height, margin) -> np.ndarray:
        """Make a panel for each feature that is shown, and return the columns of these features."""
        columns, names, note = self._choose_features(X, FIRST_PANELS)
        self.ax_ = axes_to_draw_on(ax, margin + line_height * panel_lines(len(names)))
        title_over(self.ax_, title + note)
        self.axes_ = feature_panels(self.ax_, names)
        return columns

    def _image_shape_of(self, tables: DrawnTables) -> tuple[int, ...] | None:
        return image_shape_of(tables, self.kind, self.image_shape)

    def _choose_features(self, X, default: Sequence[int]) -> Features:
        """Return the features that the user chose, else those of the default that exist."""
        names = _names_for(X, self.feature_names)
        features = default[: len(names)] if self.features is None else self.features
        columns = np.array([column_of(feature, names) for feature in features])
        note = f"\n({len(columns)} of {len(names)} features)" if len(columns) < len(names) else ""
        return Features(columns, [literal(names[column]) for column in columns], note)


def image_shape_of(
    tables: DrawnTables, kind: str, shape: Sequence[int] | None
) -> tuple[int, ...] | None:
    """Return the shape of the images that the rows are, or None for rows of a table."""
    n_features = len(tables.columns)
    if kind not in ("auto", "image", "table"):
        raise ValueError(f"'kind' must be 'auto', 'image' or 'table', got {kind!r}.")
    if not tables.are_numbers:
        _refuse_images(kind, shape)
        return None
    if kind == "table":
        return None
    if kind == "auto" and shape is None and not _look_like_images(tables.arrays):
        return None
    shape = (math.isqrt(n_features),) * 2 if shape is None else tuple(shape)
    fits = math.prod(shape) == n_features and min(shape) > 0
    if not fits or len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
        raise ValueError(
            f"Rows of {n_features} features cannot be shown as images of shape {shape}. Pass "
            "image_shape=(height, width) or (height, width, 3), or kind='table'."
        )
    return shape


def settings_for(model: Opened, rows: Rows, kind, image_shape, features, feature_names) -> dict:
    """Return the settings of a display, with kind and names completed from a fitted estimator."""
    return {
        "kind": settled_kind(model.estimator, image_shape) if kind == "auto" else kind,
        "image_shape": image_shape,
        "features": features,
        "feature_names": rows.names if feature_names is None else feature_names,
    }


def settled_kind(estimator, image_shape) -> str:
    """Return "image" or "table", by the likelihood of an estimator and by a row that it draws."""
    one_scale = estimator.module_.likelihood.scaling != "feature"
    is_image = image_shape is not None or (one_scale and _is_square(estimator.n_features_in_))
    are_numbers = is_image and read_drawn(X=estimator.sample(random_state=0)).are_numbers
    return "image" if are_numbers else "table"


def _refuse_images(kind: str, image_shape) -> None:
    if kind == "image" or image_shape is not None:
        raise ValueError(
            "The rows have text, categories, booleans or dates, and cannot be shown as images. "
            "Leave out 'kind' and 'image_shape'."
        )


def _look_like_images(tables: Sequence[np.ndarray]) -> bool:
    """Return whether rows are squares whose features share one range.

    They do if one feature in ten reaches the upper quarter of the range of all values, and one in
    ten the lower quarter. If columns of a table have units of their own, only the largest do. For
    fewer than four rows, one feature in fifty is enough, as strokes are thin.
    """
    X = np.concatenate(tables)
    gaps = np.isnan(X)
    if gaps.all():
        return False
    X = np.where(gaps, np.median(X[~gaps]), X) if gaps.any() else X
    quarter = np.ptp(X) / 4
    ends = (X.max(axis=0) >= X.max() - quarter, X.min(axis=0) <= X.min() + quarter)
    share = _SHARE_AT_EACH_END if len(X) >= _FEW_ROWS else _SHARE_IN_FEW_ROWS
    return _is_square(X.shape[1]) and all(at_end.mean() >= share for at_end in ends)


def _is_square(n_features: int) -> bool:
    return n_features >= _FEWEST_PIXELS and math.isqrt(n_features) ** 2 == n_features


def _names_for(X, feature_names) -> list[str]:
    n_features = np.shape(X)[1]
    names = names_in(X) if feature_names is None else feature_names
    if names is None:
        return [f"x{column}" for column in range(n_features)]  # as scikit-learn does
    if len(names) != n_features:
        raise ValueError(
            f"'feature_names' has {len(names)} names for rows of {n_features} features. Pass one "
            "name for each feature."
        )
    return [str(name) for name in names]


def column_of(feature, names: list[str]) -> int:
    if isinstance(feature, str) and feature in names:
        return names.index(feature)
    if not isinstance(feature, str) and 0 <= feature < len(names):
        return int(feature)
    raise ValueError(
        f"{feature!r} in 'features' is not one of the {len(names)} features. Pass indices from 0, "
        f"or names such as {names[0]!r}."
    )


def read_pair(**tables) -> DrawnTables:
    """Read two tables, or raise an error if their shapes differ."""
    drawn = read_drawn(**tables)
    check_same_shape(**dict(zip(tables, drawn.arrays, strict=True)))
    return drawn


def check_same_shape(**arrays: np.ndarray) -> None:
    """Refuse two arrays of different shapes."""
    (name, X), (other_name, other) = arrays.items()
    if X.shape != other.shape:
        raise ValueError(
            f"{name!r} has shape {X.shape} and {other_name!r} {other.shape}; the rows of one must "
            "correspond to the rows of the other."
        )
