"""EMNIST: six splits, the archive that holds them all, and the public fetcher."""

import string
from functools import partial
from typing import NamedTuple

from skvae.datasets._archive import Archive, unpack
from skvae.datasets._collection import Collection, IdxFile, fetch_images
from skvae.datasets._image_bunch import check_choice

_MIRRORS = ("https://biometrics.nist.gov/cs_links/EMNIST/",)
_ARCHIVE = Archive(
    name="gzip.zip", inside="gzip", size=561_753_746, md5="58c8d27c78d21e728a6bc7b3cc06412e"
)


class _Split(NamedTuple):
    n_train: int
    n_test: int
    names: str  # characters of the classes, in the order of their labels
    first_label: int = 0


# Digits, capitals, and the lower-case letters that do not look like their capitals.
_MERGED = string.digits + string.ascii_uppercase + "abdefghnqrt"

_SPLITS = {
    "letters": _Split(124_800, 20_800, string.ascii_uppercase, first_label=1),
    "balanced": _Split(112_800, 18_800, _MERGED),
    "byclass": _Split(
        697_932, 116_323, string.digits + string.ascii_uppercase + string.ascii_lowercase
    ),
    "bymerge": _Split(697_932, 116_323, _MERGED),
    "digits": _Split(240_000, 40_000, string.digits),
    "mnist": _Split(60_000, 10_000, string.digits),
}

_DESCRIPTION = """\
.. _emnist_dataset:

EMNIST, handwritten letters and digits
--------------------------------------

Greyscale images of single characters from NIST Special Database 19, prepared like those of MNIST:
centred in a square of 28 x 28 pixels. Ink is 1 and paper is 0. The files hold the images
transposed; here they are upright. There are six splits of the same characters:

========  =======  ===============  ===========  ===========================================
Split     Classes  Training images  Test images  Classes are
========  =======  ===============  ===========  ===========================================
letters        26          124,800       20,800  A-Z, upper and lower case together
balanced       47          112,800       18,800  as bymerge, equally many of each
byclass        62          697,932      116,323  0-9, A-Z, a-z
bymerge        47          697,932      116,323  0-9, A-Z, and a b d e f g h n q r t, which
                                                 do not look like their capitals
digits         10          240,000       40,000  0-9, equally many of each
mnist          10           60,000       10,000  0-9, as many as in MNIST
========  =======  ===============  ===========  ===========================================

G. Cohen, S. Afshar, J. Tapson and A. van Schaik, "EMNIST: an extension of MNIST to handwritten
letters", 2017, arXiv:1702.05373.
"""


def fetch_emnist(
    *,
    split="letters",
    subset="train",
    image_size=28,
    binarize=False,
    return_X_y=False,
    as_frame=False,
    data_home=None,
    download_if_missing=True,
):
    """Load the EMNIST data set of handwritten letters and digits (classification).

    Existing files are used without network access; if any is missing, the archive of all splits,
    560 MB, is downloaded once.

    =================  ============================================
    Classes            26 (letters), 47, 62 or 10
    Samples            124,800 train, 20,800 test (letters), others
                       up to 697,932 and 116,323
    Dimensionality     784 or 196
    Features           float32, in [0, 1]
    =================  ============================================

    Parameters
    ----------
    split : {"letters", "balanced", "byclass", "bymerge", "digits", "mnist"}, default="letters"
        The characters and their grouping into classes. "letters": A to Z, upper and lower case
        together. "byclass": digits, capitals and lower-case letters, 62 classes. "bymerge": the
        same with 15 lower-case letters merged into their capitals, 47 classes. "balanced": the
        classes of "bymerge", equally frequent. "digits" and "mnist": digits only.

    subset : {"train", "test", "all"}, default="train"
        Which images to load; "all" is the training images followed by the test images.

    image_size : {28, 14}, default=28
        Height and width in pixels. Images of 14 x 14 hold the averages of blocks of 2 x 2 pixels.

    binarize : bool, default=False
        Whether to set every pixel to 0 or 1. A pixel is 1 if its byte in the file (after
        averaging) is at least 128 of 255.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Whether to return `data` and `target` as a pandas DataFrame and Series.

    data_home : str or path-like, default=None
        Folder whose subfolder ``emnist`` holds the files or receives the download. If None, it is
        taken from the environment variable ``SKVAE_DATA`` or, if that is not set, from
        :func:`sklearn.datasets.get_data_home`. The files are those of the original distribution
        (``emnist-letters-train-images-idx3-ubyte`` and so on), compressed (``.gz``) or not; or
        their archive, ``gzip.zip``.

    download_if_missing : bool, default=True
        Whether to download the archive if a file is missing. If False, a missing file is an error
        unless ``gzip.zip`` is in the folder.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_features)
            The images, upright, one per row, as float32 in [0, 1].
        target : {ndarray, Series} of shape (n_samples,)
            The classes, counted from 0. For "letters", 0 is A and 25 is Z; the files hold 1 to 26.
        frame : DataFrame of shape (n_samples, n_features + 1) or None
            `data` and `target` together, if `as_frame` is True.
        feature_names : list of str
            ``pixel_{row}_{column}``.
        target_names : ndarray of shape (n_classes,)
            The characters; ``target_names[target]`` gives the character of each image.
        images : ndarray of shape (n_samples, image_size, image_size)
            The same pixels as in `data`, before flattening.
        DESCR : str
            Description of the data set and its source.

    (data, target) : tuple, if `return_X_y` is True
        The attributes `data` and `target` of the Bunch.

    Raises
    ------
    ValueError
        If a file is damaged, or holds something other than images of 28 x 28 and their labels.
    OSError
        If a file is missing and `download_if_missing` is False, if no mirror has a sound copy, or
        if it cannot be written to disk.

    Warns
    -----
    UserWarning
        Once, if existing files are sound but do not hold as many images as the official ones; and
        whenever a mirror fails.

    See Also
    --------
    fetch_mnist : The older and smaller set of digits.
    audit_images : Find blank, duplicate and inconsistently labelled images.

    Notes
    -----
    The archive is checked against its published digest. The requested files are unpacked next to
    it and are then used without it. The archive is kept for the other subsets and splits; delete
    ``gzip.zip`` when you do not need more of them. An interrupted download starts from the
    beginning.

    References
    ----------
    .. [1] G. Cohen, S. Afshar, J. Tapson and A. van Schaik, "EMNIST: an extension of MNIST to
       handwritten letters", 2017, arXiv:1702.05373.

    Examples
    --------
    >>> from skvae.datasets import fetch_emnist
    >>> emnist = fetch_emnist(split="letters", subset="test")  # doctest: +SKIP
    >>> emnist.data.shape  # doctest: +SKIP
    (20800, 784)
    >>> "".join(emnist.target_names[:5])  # doctest: +SKIP
    'ABCDE'
    """
    check_choice("fetch_emnist", "split", split, _SPLITS)
    return fetch_images(
        _collection(split),
        "fetch_emnist",
        subset=subset,
        image_size=image_size,
        binarize=binarize,
        return_X_y=return_X_y,
        as_frame=as_frame,
        data_home=data_home,
        download_if_missing=download_if_missing,
    )


def _collection(split):
    n_train, n_test, names, first_label = _SPLITS[split]
    return Collection(
        title=f"EMNIST {split}",
        folder="emnist",
        subsets={"train": _pair(split, "train", n_train), "test": _pair(split, "test", n_test)},
        labels=range(first_label, first_label + len(names)),
        target_names=names,
        description=_DESCRIPTION,
        obtain=partial(unpack, _ARCHIVE, mirrors=_MIRRORS),
        archive=_ARCHIVE.name,
        transposed=True,
    )


def _pair(split, subset, n_samples):
    stem = f"emnist-{split}-{subset}"
    return (
        IdxFile(f"{stem}-images-idx3-ubyte", (n_samples, 28, 28)),
        IdxFile(f"{stem}-labels-idx1-ubyte", (n_samples,)),
    )
