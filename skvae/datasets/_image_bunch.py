"""Conversion of images and labels to the Bunch of a fetcher, and checks of its options."""

import numpy as np
from sklearn.utils import Bunch

from skvae._validation import import_extra


def check_choice(caller, name, value, choices):
    """Raise a ValueError unless `value` of the parameter `name` is one of the strings `choices`."""
    if not isinstance(value, str) or value not in choices:
        *most, last = map(repr, choices)
        raise ValueError(
            f"'{name}' of {caller} must be {', '.join(most)} or {last}, got {value!r}."
        )


def check_image_options(caller, *, image_size, **flags):
    """Raise a ValueError for an invalid option among those that all image fetchers share."""
    if isinstance(image_size, bool) or image_size not in (28, 14):
        raise ValueError(f"'image_size' of {caller} must be 28 or 14, got {image_size!r}.")
    for name, value in flags.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"'{name}' of {caller} must be True or False, got {value!r}.")


def scale_images(images, image_size, binarize):
    """Convert uint8 images of 28 x 28 to float32 in [0, 1], (n_samples, image_size, image_size).

    The result is in C order for any memory layout of `images`. Pixels of images of 14 x 14 are
    averages of 2 x 2 blocks. Binary pixels are 1 if the byte, or the average, is at least 128.
    """
    full = 255
    if image_size == 14:
        corners = [images[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        images = np.add(corners[0], corners[1], dtype=np.uint16)  # sums of bytes stay exact
        images += corners[2]
        images += corners[3]
        full = 4 * 255
    if binarize:
        return (images >= 128 * full // 255).astype(np.float32, order="C")
    scaled = images.astype(np.float32, order="C")
    scaled /= full
    return scaled


def make_bunch(images, target, *, target_names, description, as_frame, caller):
    """Return a Bunch of scaled images with the keys of :func:`sklearn.datasets.load_digits`."""
    _, height, width = images.shape
    data = images.reshape(-1, height * width)  # a view
    feature_names = [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]
    frame = None
    if as_frame:
        data, target, frame = _as_frame(data, target, feature_names, caller)
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=feature_names,
        target_names=target_names,
        images=images,
        DESCR=description,
    )


def _as_frame(data, target, feature_names, caller):
    otherwise = "Or pass as_frame=False."
    pd = import_extra("pandas", f"{caller} with as_frame=True", "tables", otherwise=otherwise)
    data = pd.DataFrame(data, columns=feature_names, copy=False)
    target = pd.Series(target, name="target", copy=False)
    return data, target, data.assign(target=target)
