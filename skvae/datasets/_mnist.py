"""MNIST: files, mirrors, digests and the public fetcher."""

from functools import partial

from skvae.datasets._collection import Collection, IdxFile, fetch_images
from skvae.datasets._download import download
from skvae.datasets._idx import idx_sha256, read_idx

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


# Images and labels of each subset.
_SUBSETS = {
    "train": (
        IdxFile(
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        IdxFile(
            "train-labels-idx1-ubyte",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        IdxFile(
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}

_DESCRIPTION = """\
.. _mnist_dataset:

MNIST, handwritten digits
-------------------------

Greyscale images of single digits, written by employees of the United States Census Bureau and by
high school students, with their centre of mass in the middle of a square of 28 x 28 pixels. Ink is
1 and paper is 0. No writer contributed to both the training and the test images.

================  ================
Classes                         10
Training images             60,000
Test images                 10,000
Features          784, in [0, 1]
================  ================

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86(11), 1998, pages 2278-2324.
"""


def fetch_mnist(
    *,
    subset="train",
    image_size=28,
    binarize=False,
    return_X_y=False,
    as_frame=False,
    data_home=None,
    download_if_missing=True,
):
    """Load the MNIST data set of handwritten digits (classification).

    Existing files are used without network access; missing ones are downloaded once.

    =================  =========================
    Classes                                   10
    Samples            60,000 train, 10,000 test
    Dimensionality                    784 or 196
    Features              float32, in [0, 1]
    =================  =========================

    Parameters
    ----------
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
        Folder whose subfolder ``mnist`` holds the files or receives the downloads. If None, it is
        taken from the environment variable ``SKVAE_DATA`` or, if that is not set, from
        :func:`sklearn.datasets.get_data_home`. The files are those of the original
        distribution (``train-images-idx3-ubyte`` and so on), compressed (``.gz``) or not.

    download_if_missing : bool, default=True
        Whether to download missing files. If False, a missing file is an error.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_features)
            The images, one per row, as float32 in [0, 1].
        target : {ndarray, Series} of shape (n_samples,)
            The digits, 0 to 9.
        frame : DataFrame of shape (n_samples, n_features + 1) or None
            `data` and `target` together, if `as_frame` is True.
        feature_names : list of str
            ``pixel_{row}_{column}``.
        target_names : ndarray of shape (10,)
            The names of the classes, "0" to "9".
        images : ndarray of shape (n_samples, image_size, image_size)
            The same pixels as in `data`, before flattening.
        DESCR : str
            Description of the data set and its source.

    (data, target) : tuple, if `return_X_y` is True
        The attributes `data` and `target` of the Bunch.

    Raises
    ------
    ValueError
        If a file is damaged, or holds something other than images of 28 x 28 and their digits.
    OSError
        If a file is missing and `download_if_missing` is False, if no mirror has a sound copy, or
        if it cannot be written to disk.

    Warns
    -----
    UserWarning
        Once, if existing files are sound but not the official ones, for instance because they
        hold fewer images; and whenever a mirror fails.

    See Also
    --------
    fetch_emnist : Handwritten letters and more digits, in the same format.
    audit_images : Find blank, duplicate and inconsistently labelled images.
    sklearn.datasets.load_digits : Smaller digits that come with scikit-learn.
    read_idx : Read any file of this format.

    Examples
    --------
    >>> from skvae.datasets import fetch_mnist
    >>> mnist = fetch_mnist(subset="test", image_size=14)  # doctest: +SKIP
    >>> mnist.data.shape  # doctest: +SKIP
    (10000, 196)
    >>> mnist.target[:5]  # doctest: +SKIP
    array([7, 2, 1, 0, 4])
    """
    return fetch_images(
        _collection(),
        "fetch_mnist",
        subset=subset,
        image_size=image_size,
        binarize=binarize,
        return_X_y=return_X_y,
        as_frame=as_frame,
        data_home=data_home,
        download_if_missing=download_if_missing,
    )


def _collection():
    return Collection(
        title="MNIST",
        folder="mnist",
        subsets=_SUBSETS,
        labels=range(10),
        target_names="0123456789",
        description=_DESCRIPTION,
        obtain=_download,
    )


def _download(names, folder):
    """Download the files `names`, each from the first mirror that has the official content."""
    files = {f"{file.name}.gz": file for pair in _SUBSETS.values() for file in pair}
    for name in names:
        download(name, folder, _MIRRORS, partial(_check_official, files[name]))


def _check_official(file, path):
    if (digest := idx_sha256(read_idx(path))) != file.sha256:
        raise ValueError(
            f"{path} has SHA-256 {digest} after decompression; expected {file.sha256}."
        )
