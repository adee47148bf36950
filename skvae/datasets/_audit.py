"""Finding images that hardly belong in a data set; none is dropped unless asked."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageAudit:
    """What :func:`audit_images` found, as one mask over the images for each kind of fault.

    Parameters
    ----------
    blank : ndarray of shape (n_samples,), dtype=bool
        Whether all pixels of an image have the same value.

    duplicate : ndarray of shape (n_samples,), dtype=bool
        Whether an image repeats an earlier one, bit for bit. The first is none.

    conflicting : ndarray of shape (n_samples,), dtype=bool, default=None
        Whether an image occurs with more than one label, at every place where it occurs. None if
        there were no labels.

    Attributes
    ----------
    keep : ndarray of shape (n_samples,), dtype=bool
        Whether an image is neither blank nor a duplicate.

    See Also
    --------
    audit_images : Makes this record.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.datasets import ImageAudit
    >>> none = np.zeros(3, dtype=bool)
    >>> audit = ImageAudit(blank=np.array([True, False, False]), duplicate=none)
    >>> audit.drop(["x", "y", "z"])
    array(['y', 'z'], dtype='<U1')
    """

    blank: np.ndarray
    duplicate: np.ndarray
    conflicting: np.ndarray | None = None

    @property
    def keep(self):
        """Whether each image is neither blank nor a duplicate."""
        return ~(self.blank | self.duplicate)

    def drop(self, *arrays):
        """Give the rows of `arrays` that belong to images to keep.

        Of an image with conflicting labels, the first occurrence and its label are kept.

        Parameters
        ----------
        *arrays : array-like or DataFrame of shape (n_samples, ...)
            What was audited, and whatever belongs to it row by row. A pandas object stays one.

        Returns
        -------
        kept : array or tuple of arrays
            Copies, as many as there were `arrays`; for a single one, itself and no tuple.
        """
        kept = tuple(self._kept_rows(array) for array in arrays)
        return kept[0] if len(kept) == 1 else kept

    def __str__(self):
        n_samples, keep = len(self.blank), self.keep
        counts = {"blank": self.blank.sum(), "duplicates of an earlier image": self.duplicate.sum()}
        if self.conflicting is not None:
            counts["with conflicting labels"] = self.conflicting.sum()
        counts["neither blank nor duplicate"] = keep.sum()
        lines = [f"{count:9,d}  {kind}" for kind, count in counts.items()]
        return "\n".join([f"{n_samples:9,d}  images, of which", *lines])

    def _kept_rows(self, array):
        if len(array) != len(self.blank):
            raise ValueError(
                f"Got an array of {len(array)} rows to drop from, but {len(self.blank)} images "
                "were audited; expected a row for each."
            )
        rows = array.iloc if hasattr(array, "iloc") else np.asarray(array)
        return rows[self.keep]


def audit_images(X, y=None):
    """Find blank images, exact duplicates, and images that occur with more than one label.

    Repeated images in training and validation data make scores too good, and blank ones are the
    easiest to reconstruct. Nothing is changed: the record that is returned tells where they are.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features) or (n_samples, height, width)
        The images, as numbers or booleans.

    y : array-like of shape (n_samples,), default=None
        Their labels, of any type. If None, conflicting labels are not looked for.

    Returns
    -------
    audit : ImageAudit
        Masks over the images, and a method that drops what they flag. Printing it gives counts.

    Raises
    ------
    ValueError
        If `X` does not hold images with at least one pixel, or `y` not one label for each.

    Notes
    -----
    The time is that of one pass over the data, and the additional memory about 200 bytes an
    image: images are told apart by a hash, and those of equal hash are then compared byte by
    byte. Images that differ in a single bit are different, as are 0.0 and -0.0.

    Examples
    --------
    >>> from skvae.datasets import audit_images
    >>> X = [[0, 0], [0, 1], [0, 1], [1, 2]]
    >>> audit = audit_images(X, y=["a", "b", "c", "d"])
    >>> print(audit)
            4  images, of which
            1  blank
            1  duplicates of an earlier image
            2  with conflicting labels
            2  neither blank nor duplicate
    >>> audit.drop(X)
    array([[0, 1],
           [1, 2]])
    """
    images = _check_images(X)
    first = _first_occurrences(images)
    return ImageAudit(
        blank=images.min(axis=1) == images.max(axis=1),
        duplicate=first != np.arange(len(images)),
        conflicting=None if y is None else _conflicting(_check_labels(y, len(images)), first),
    )


def _check_images(X):
    images = np.asarray(X)
    if images.ndim < 2 or 0 in images.shape[1:] or images.dtype.kind not in "biuf":
        raise ValueError(
            f"'X' of audit_images has shape {images.shape} and dtype {images.dtype}; expected "
            "images as numbers, of shape (n_samples, n_features) or (n_samples, height, width)."
        )
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _check_labels(y, n_samples):
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"'y' of audit_images has shape {labels.shape}; expected a label for each image, "
            f"({n_samples},)."
        )
    return labels


def _first_occurrences(images):
    """Index of the first image with the same bytes, for each image: its own where it is new."""
    first = np.arange(len(images))
    met = {}  # hash of the bytes: indices of different images that share it, nearly always one
    for i, image in enumerate(images):
        content = image.tobytes()
        candidates = met.setdefault(hash(content), [])
        for j in candidates:
            if images[j].tobytes() == content:
                first[i] = j
                break
        else:
            candidates.append(i)
    return first


def _conflicting(labels, first):
    """Whether any image of the same bytes has another label, for each image."""
    ambiguous = np.zeros(len(labels), dtype=bool)
    ambiguous[first[labels != labels[first]]] = True
    return ambiguous[first]
