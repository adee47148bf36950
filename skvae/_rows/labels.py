"""Labels of rows, some of them unknown: as numbers of classes, and which are known."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skvae._rows.arrays import is_frame

UNKNOWN = -1  # in place of the number of a class


def label_values(y: Any) -> np.ndarray:
    """Return labels of any form as a one-dimensional array.

    Raises
    ------
    ValueError
        If they are None, infinite, or not one per row.
    """
    if y is None:
        raise ValueError(
            "This classifier requires y to be passed, but the target y is None. Pass one label "
            "per row, and 'unlabeled' for rows whose class is not known."
        )
    if nw.dependencies.is_into_series(y):
        y = nw.from_native(y, series_only=True).to_numpy()
    elif is_frame(y):
        y = nw.from_native(y, eager_only=True).to_numpy()
    values = np.asarray(y)
    if values.dtype.kind == "U" and any(not isinstance(label, str) for label in y):
        values = np.asarray(y, dtype=object)  # in which NaN is not the text "nan"
    values = column_or_1d(values, warn=True)
    if values.dtype.kind == "f":
        assert_all_finite(values, allow_nan=True, input_name="y")
    return values


def is_unlabeled(values: np.ndarray, unlabeled: Any, classes: Any = None) -> np.ndarray:
    """Return which labels are unknown: missing values, and those equal to `unlabeled`.

    A value stands for unknown labels only if it is not one of the classes, or, as long as these are
    not known, if at least two other classes remain: the classes of a table may be -1 and 1.
    """
    if values.dtype.kind in "OfM":
        missing = np.array([is_missing(value) for value in values], dtype=bool)
    else:
        missing = np.zeros(len(values), dtype=bool)
    if is_missing(unlabeled):
        return missing
    marked = np.zeros(len(values), dtype=bool)
    marked[~missing] = [_equal(value, unlabeled) for value in values[~missing].tolist()]
    if classes is not None:
        is_class = any(_equal(value, unlabeled) for value in np.asarray(classes).tolist())
    else:
        is_class = len(set(values[~(missing | marked)].tolist())) < 2
    return missing if is_class else missing | marked


def known_labels(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the labels of some rows; as numbers, if they were among None."""
    labels = values[known]
    if labels.dtype == object and not any(isinstance(label, str) for label in labels):
        return np.array(labels.tolist())
    return labels


def classes_of(labels: np.ndarray) -> np.ndarray:
    """Return the sorted classes of known labels.

    Raises
    ------
    ValueError
        If they are not those of classes, or of fewer than two.
    """
    if len(labels):
        check_classification_targets(labels)
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(
            f"A classifier needs rows of at least two classes, but the labels of y have "
            f"{len(classes)} class{'es' * (len(classes) != 1)}. Pass labels of further classes."
        )
    return classes


def class_numbers(values: np.ndarray, known: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the number of the class of each row, and -1 for rows without a label.

    Raises
    ------
    ValueError
        Naming a label that is none of the classes.
    """
    numbers = np.full(len(values), UNKNOWN)
    labels = known_labels(values, known)
    places = np.searchsorted(classes, labels).clip(max=len(classes) - 1)
    wrong = np.flatnonzero(classes[places] != labels)
    if len(wrong):
        raise ValueError(
            f"y has the label {labels[wrong].tolist()[0]!r}, but the classes are "
            f"{', '.join(map(repr, classes.tolist()))}. Pass all 'classes' to the first call of "
            "partial_fit, or fit anew."
        )
    numbers[known] = places
    return numbers


def is_missing(value: Any) -> bool:
    """Return whether a label is None, NaN, NaT or pandas' NA, which cannot be compared."""
    return value is None or str(value) in ("<NA>", "NaT") or value != value


def _equal(value: Any, unlabeled: Any) -> bool:
    """Return whether a label is the one for unknown ones; text is never equal to a number."""
    return isinstance(value, str) == isinstance(unlabeled, str) and bool(value == unlabeled)
