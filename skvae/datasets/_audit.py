"""Audit of a set of images: blank, duplicate and inconsistently labelled ones."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageAudit:
    """Result of :func:`audit_images`: one mask over the images per kind of fault.

    Parameters
    ----------
    blank : ndarray of shape (n_samples,), dtype=bool
        Whether all pixels of an image have the same value.

    duplicate : ndarray of shape (n_samples,), dtype=bool
        Whether an image is identical, bit for bit, to an earlier one. The first occurrence is not
        marked.

    conflicting : ndarray of shape (n_samples,), dtype=bool, default=None
        Whether an image occurs with more than one label. All its occurrences are marked. None if
        no labels were given.

    Attributes
    ----------
    keep : ndarray of shape (n_samples,), dtype=bool
        Whether an image is neither blank nor a duplicate.

    See Also
    --------
    audit_images : Audit a set of images.

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
        """Return the rows of `arrays` that belong to the images to keep.

        If an image has conflicting labels, its first occurrence and the label of that are kept.

        Parameters
        ----------
        *arrays : array-like or DataFrame of shape (n_samples, ...)
            Arrays with one row per audited image, such as the images and their labels. A pandas
            object remains a pandas object.

        Returns
        -------
        kept : array or tuple of arrays
            Copies of the rows to keep: one array for a single argument, otherwise a tuple.
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
                f"Got an array of {len(array)} rows, but {len(self.blank)} images were audited; "
                "expected one row per image. Pass the audited images, or arrays that match them."
            )
        rows = array.iloc if hasattr(array, "iloc") else np.asarray(array)
        return rows[self.keep]


def audit_images(X, y=None):
    """Find blank images, exact duplicates, and images that occur with more than one label.

    Images that occur in both training and validation data make validation scores too good, and
    blank images are the easiest to reconstruct. The data are not changed; the result marks these
    images.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features) or (n_samples, height, width)
        Images, as numbers or booleans.

    y : array-like of shape (n_samples,), default=None
        Labels of the images, of any type. If None, conflicting labels are not searched for.

    Returns
    -------
    audit : ImageAudit
        Masks over the images, and a method that drops blank and duplicate ones. Printing it shows
        the counts.

    Raises
    ------
    ValueError
        If `X` does not hold images with at least one pixel, or if `y` does not hold one label per
        image.

    Notes
    -----
    The audit takes one pass over the data and about 200 bytes of additional memory per image:
    images are compared by a hash, and those of equal hash byte by byte. Images that differ in a
    single bit are different, as are 0.0 and -0.0.

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
            "numeric images of shape (n_samples, n_features) or (n_samples, height, width)."
        )
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _check_labels(y, n_samples):
    labels = np.asarray(y)
    if labels.shape != (n_samples,):
        raise ValueError(
            f"'y' of audit_images has shape {labels.shape}; expected one label per image, "
            f"({n_samples},)."
        )
    return labels


def _first_occurrences(images):
    """Return, for each image, the index of the first image with the same bytes."""
    first = np.arange(len(images))
    met = {}  # hash of the bytes: indices of the different images that share it, usually one
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
    """Return, for each image, whether an image with the same bytes has another label."""
    ambiguous = np.zeros(len(labels), dtype=bool)
    ambiguous[first[labels != labels[first]]] = True
    return ambiguous[first]
