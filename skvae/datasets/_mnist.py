"""MNIST: its files, their mirrors and digests, and the public fetcher."""

import warnings
from typing import NamedTuple

import numpy as np

from skvae.datasets._files import data_folder, download, find_file
from skvae.datasets._idx import idx_sha256, read_idx
from skvae.datasets._images import check_image_options, make_bunch, scale_images

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class _File(NamedTuple):
    name: str
    shape: tuple[int, ...]
    sha256: str  # of the uncompressed file: mirrors compress differently


# Images and labels of each subset.
_SUBSETS = {
    "train": (
        _File(
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        _File(
            "train-labels-idx1-ubyte",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
    ),
    "test": (
        _File(
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        _File(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}

_CALLER = 6  # frames from a warning about a local file up to the call of fetch_mnist

_DESCRIPTION = """\
.. _mnist_dataset:

MNIST, handwritten digits
-------------------------

Grey images of single digits, written by employees of the United States Census Bureau and by high
school students, centred by their mass in a square of 28 x 28 pixels. Ink is 1 and paper is 0. The
writers of the training images wrote none of the test images.

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

    Files that are already there are used without a network; otherwise they are downloaded once.

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
        Height and width. Images of 14 x 14 hold the averages of blocks of 2 x 2 pixels.

    binarize : bool, default=False
        Whether to make every pixel 0 or 1. It becomes 1 where its byte in the file (after
        averaging) is at least 128 of 255.

    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.

    data_home : str or path-like, default=None
        The folder whose subfolder ``mnist`` holds the files, or is to hold them. If None, it is
        taken from the environment variable ``SKVAE_DATA`` or, where that is not set, from
        :func:`sklearn.datasets.get_data_home`. The files are those of the original
        distribution (``train-images-idx3-ubyte`` and so on), compressed (``.gz``) or not.

    download_if_missing : bool, default=True
        Whether to download what is missing. If False, a missing file is an error.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : {ndarray, DataFrame} of shape (n_samples, n_features)
            The images, one a row, as float32 in [0, 1].
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
            What the data set is and where it comes from.

    (data, target) : tuple, if `return_X_y` is True
        The two attributes of that name.

    Raises
    ------
    ValueError
        If a file is damaged, or holds something other than images of 28 x 28 and their digits.
    OSError
        If a file is missing and `download_if_missing` is False, or no mirror could give it.

    Warns
    -----
    UserWarning
        If a file that was already there is sound but is not the official one, for instance
        because it holds fewer images; or if a mirror fails and the next one is tried.

    See Also
    --------
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
    _check_subset(subset)
    check_image_options(
        "fetch_mnist",
        image_size=image_size,
        binarize=binarize,
        return_X_y=return_X_y,
        as_frame=as_frame,
        download_if_missing=download_if_missing,
    )
    folder = data_folder("mnist", data_home)
    images, target = _load(subset, folder, download_if_missing)
    bunch = make_bunch(
        scale_images(images, image_size, binarize),
        target.astype(np.int64),
        target_names=np.array([str(digit) for digit in range(10)]),
        description=_DESCRIPTION,
        as_frame=as_frame,
        caller="fetch_mnist",
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def _check_subset(subset):
    if not isinstance(subset, str) or subset not in (*_SUBSETS, "all"):
        raise ValueError(
            f"'subset' of fetch_mnist must be 'train', 'test' or 'all', got {subset!r}."
        )


def _load(subset, folder, download_if_missing):
    """Images and labels of the subsets asked for, as the bytes of the files."""
    images, labels = [], []
    for name in _SUBSETS if subset == "all" else (subset,):
        images_file, labels_file = _SUBSETS[name]
        images.append(_get(images_file, folder, download_if_missing))
        labels.append(_get(labels_file, folder, download_if_missing))
        if len(images[-1]) != len(labels[-1]):
            raise ValueError(
                f"{folder} holds {len(images[-1])} images in {images_file.name} but "
                f"{len(labels[-1])} labels in {labels_file.name}; expected as many labels as "
                "images. Replace both files."
            )
    return np.concatenate(images), np.concatenate(labels)


def _get(file, folder, download_if_missing):
    """Content of one file: the local one if there is one, else a mirror's."""
    path = find_file(folder, file.name)
    if path is not None:
        return _read_local(file, path)
    if not download_if_missing:
        raise FileNotFoundError(
            f"{folder} holds neither {file.name} nor {file.name}.gz. Put the file there, name "
            "another 'data_home', or pass download_if_missing=True."
        )
    return download(f"{file.name}.gz", folder, _MIRRORS, lambda path: _read_official(file, path))


def _read_local(file, path):
    """Content of a file that may be another one than MNIST's, if its structure is the same."""
    try:
        array = read_idx(path)
    except ValueError as exc:
        raise ValueError(f"{exc} Delete it, so that it can be downloaded again.") from exc
    same_shape = array.ndim == len(file.shape) and array.shape[1:] == file.shape[1:]
    if array.dtype != np.uint8 or not same_shape:
        expected = ("n_samples", *map(str, file.shape[1:]))
        raise ValueError(
            f"{path} holds {array.dtype} of shape {array.shape}; expected uint8 of shape "
            f"({', '.join(expected)}). Replace it by the file of MNIST."
        )
    if array.ndim == 1 and array.max(initial=0) > 9:
        raise ValueError(
            f"{path} holds the label {array.max()}; expected 0 to 9. Replace it by the file of "
            "MNIST."
        )
    _warn_unless_official(array, file, path)
    return array


def _warn_unless_official(array, file, path):
    if len(array) != file.shape[0]:
        warnings.warn(
            f"{path} holds {len(array):,} items, where MNIST has {file.shape[0]:,}; results will "
            "not compare with published ones.",
            stacklevel=_CALLER,
        )
    elif idx_sha256(array) != file.sha256:
        warnings.warn(
            f"{path} has the structure of MNIST but other content; it may be damaged or another "
            "data set.",
            stacklevel=_CALLER,
        )


def _read_official(file, path):
    array = read_idx(path)
    if (digest := idx_sha256(array)) != file.sha256:
        raise ValueError(
            f"{path} has SHA-256 {digest} after decompression; expected {file.sha256}."
        )
    return array
