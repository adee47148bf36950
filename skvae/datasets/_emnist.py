"""EMNIST: its six splits, the archive that holds them all, and the public fetcher."""

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
    names: str  # of the classes, in the order of their labels
    first_label: int = 0


# Lower-case letters that look like their capitals were merged with them.
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

Grey images of single characters from NIST Special Database 19, prepared like those of MNIST:
centred in a square of 28 x 28 pixels. Ink is 1 and paper is 0. The files hold them transposed;
here they are upright. There are six splits of the same characters:

========  =======  ===============  ===========  ===========================================
Split     Classes  Training images  Test images  Classes are
========  =======  ===============  ===========  ===========================================
letters        26          124,800       20,800  A-Z, upper and lower case together
balanced       47          112,800       18,800  as bymerge, equally many of each
byclass        62          697,932      116,323  0-9, A-Z, a-z
bymerge        47          697,932      116,323  0-9, A-Z, and the lower case of a b d e f g
                                                 h n q r t, whose forms are their own
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

    Files that are already there are used without a network; otherwise the archive of all splits,
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
        Which characters, and which of them make one class: "letters" is A to Z, upper and lower
        case together; "byclass" is digits, capitals and lower-case letters, 62 classes;
        "bymerge" is the same with 15 lower-case letters merged into their capitals, 47 classes,
        and "balanced" equally many of each of those; "digits" and "mnist" are digits alone.

    subset : {"train", "test", "all"}, default="train"
        Which images to load; "all" is the training images followed by the test images.

    image_size : {28, 14}, default=28
        Height and width. Images of 14 x 14 hold the averages of blocks of 2 x 2 pixels.

    binarize : bool, default=False
        Whether to make every pixel 0 or 1. It becomes 1 where its byte in the file (after
        averaging) is at least 128 of 255.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.

    data_home : str or path-like, default=None
        The folder whose subfolder ``emnist`` holds the files, or is to hold them. If None, it is
        taken from the environment variable ``SKVAE_DATA`` or, where that is not set, from
        :func:`sklearn.datasets.get_data_home`. The files are those of the original distribution
        (``emnist-letters-train-images-idx3-ubyte`` and so on), compressed (``.gz``) or not; or
        their archive, ``gzip.zip``.

    download_if_missing : bool, default=True
        Whether to download what is missing. If False, a file that is missing, and that no
        ``gzip.zip`` in the folder holds, is an error.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_features)
            The images, upright, one a row, as float32 in [0, 1].
        target : {ndarray, Series} of shape (n_samples,)
            The classes, from 0. For "letters", 0 is A and 25 is Z, where the files say 1 to 26.
        frame : DataFrame of shape (n_samples, n_features + 1) or None
            `data` and `target` together, if `as_frame` is True.
        feature_names : list of str
            ``pixel_{row}_{column}``.
        target_names : ndarray of shape (n_classes,)
            The characters: ``target_names[target]`` reads what was written.
        images : ndarray of shape (n_samples, image_size, image_size)
            The same pixels as in `data`, before flattening.
        DESCR : str
            What the data set is and where it comes from.

    (data, target) : tuple, if `return_X_y` is True
        The two attributes of that name.

    Raises
    ------
    ValueError
        If a file is damaged, or holds something other than images of 28 x 28 and their labels.
    OSError
        If a file is missing and `download_if_missing` is False, no mirror could give it, or the
        disk could not take it.

    Warns
    -----
    UserWarning
        Once, if files that were already there are sound but do not hold as many images as the
        official ones; and if a mirror fails.

    See Also
    --------
    fetch_mnist : The older and smaller set of digits.
    audit_images : Find blank, repeated and ambiguous images.

    Notes
    -----
    The archive is checked against its published digest. Of its files, those asked for are
    unpacked beside it, and then serve without it. It stays for the other subsets and splits;
    delete ``gzip.zip`` when you need no more of them. An interrupted download begins again.

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
