"""Labelled images in pairs of IDX files: located or downloaded, checked, returned as a Bunch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skvae.datasets._data_folder import data_folder, find_file
from skvae.datasets._download import warn_caller
from skvae.datasets._idx import idx_sha256, read_idx
from skvae.datasets._image_bunch import check_choice, check_image_options, make_bunch, scale_images


class IdxFile(NamedTuple):
    """Name, shape and digest of an official file."""

    name: str
    shape: tuple[int, ...]
    sha256: str | None = None  # of the uncompressed file: mirrors compress differently


class Collection(NamedTuple):
    """A published set of labelled images of 28 x 28 pixels."""

    title: str  # its name in messages
    folder: str  # name of its folder in data_home
    subsets: dict[str, tuple[IdxFile, IdxFile]]  # file of images and file of labels
    labels: range  # in the files; the classes returned count from 0
    target_names: Sequence[str]
    description: str
    obtain: Callable[[list[str], Path], None]  # adds files of these names to a folder
    archive: str | None = None  # file with which `obtain` works without a network
    transposed: bool = False  # whether the images in the files are transposed


def fetch_images(
    collection,
    caller,
    *,
    subset,
    image_size,
    binarize,
    return_X_y,
    as_frame,
    data_home,
    download_if_missing,
):
    """Implement the public fetcher named `caller`; the keyword arguments are its parameters."""
    check_choice(caller, "subset", subset, (*collection.subsets, "all"))
    check_image_options(
        caller,
        image_size=image_size,
        binarize=binarize,
        return_X_y=return_X_y,
        as_frame=as_frame,
        download_if_missing=download_if_missing,
    )
    folder = data_folder(collection.folder, data_home)
    images, target = _load(collection, subset, folder, download_if_missing)
    bunch = make_bunch(
        scale_images(images, image_size, binarize),
        target,
        target_names=np.array(list(collection.target_names)),
        description=collection.description,
        as_frame=as_frame,
        caller=caller,
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def _load(collection, subset, folder, download_if_missing):
    """Return upright images, as bytes, and classes of the requested subsets."""
    names = tuple(collection.subsets) if subset == "all" else (subset,)
    files = [file for name in names for file in collection.subsets[name]]
    _obtain_missing(collection, files, folder, download_if_missing)
    parts, remarks = [], []
    for name in names:
        images, labels, found = _read_pair(collection, *collection.subsets[name], folder)
        parts.append((np.swapaxes(images, 1, 2) if collection.transposed else images, labels))
        remarks += found
    if remarks:
        warn_caller(
            f"{folder} holds other data than the official {collection.title}: "
            f"{'; '.join(remarks)}. Results will not be comparable with published ones."
        )
    images, labels = map(np.concatenate, zip(*parts, strict=True))
    return images, labels.astype(np.int64) - collection.labels.start


def _obtain_missing(collection, files, folder, download_if_missing):
    missing = [file.name for file in files if find_file(folder, file.name) is None]
    archived = collection.archive is not None and (folder / collection.archive).is_file()
    if missing and not (download_if_missing or archived):
        accepted = filter(None, (missing[0], f"{missing[0]}.gz", collection.archive))
        raise FileNotFoundError(
            f"{folder} holds neither {' nor '.join(accepted)}. Put the file there, pass another "
            "'data_home', or pass download_if_missing=True."
        )
    if missing:
        collection.obtain([f"{name}.gz" for name in missing], folder)


def _read_pair(collection, images_file, labels_file, folder):
    """Return images and labels of one subset, and remarks on deviations from the official."""
    images, labels = (_read(collection, file, folder) for file in (images_file, labels_file))
    if len(images) != len(labels):
        raise ValueError(
            f"{folder} holds {len(images)} images in {images_file.name} but {len(labels)} labels "
            f"in {labels_file.name}; expected as many labels as images. Replace both files."
        )
    if len(images) != images_file.shape[0]:
        counts = f"{len(images):,} images instead of {images_file.shape[0]:,}"
        return images, labels, [f"{images_file.name} has {counts}"]
    pairs = ((images, images_file), (labels, labels_file))
    altered = [file.name for array, file in pairs if not _same_content(array, file)]
    return images, labels, [f"{name} has the right structure but other content" for name in altered]


def _same_content(array, file):
    return file.sha256 is None or idx_sha256(array) == file.sha256


def _read(collection, file, folder):
    """Read a file with the structure of the official one, though not necessarily its content."""
    path = find_file(folder, file.name)
    try:
        array = read_idx(path)
    except ValueError as exc:
        raise ValueError(f"{exc} Delete it, so that it can be downloaded again.") from exc
    if fault := _fault(array, file, collection.labels):
        raise ValueError(f"{path} holds {fault}. Replace it with the file of {collection.title}.")
    return array


def _fault(array, file, labels):
    """Return what `array` has and what was expected, or None if its structure is that of `file`."""
    same_shape = array.ndim == len(file.shape) and array.shape[1:] == file.shape[1:]
    if array.dtype != np.uint8 or not same_shape:
        expected = ", ".join(["n_samples", *map(str, file.shape[1:])])
        return f"{array.dtype} of shape {array.shape}; expected uint8 of shape ({expected})"
    unexpected = [] if array.ndim > 1 else np.setdiff1d(array, labels)
    if len(unexpected):
        return f"the label {unexpected[0]}; expected {labels[0]} to {labels[-1]}"
    return None
