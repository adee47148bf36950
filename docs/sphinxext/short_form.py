"""The short form of the gallery: a part of MNIST and EMNIST, or images that resemble them.

The examples call the fetchers as a user would, for whole data sets. While one of their pages is
built, the fetchers return few images at 14 x 14 pixels and print what these are, so that the page
says so. Without the files of a data set, they are the small digits of scikit-learn, and letters in
the fonts of matplotlib; nothing is downloaded.
"""

from __future__ import annotations

import functools
import string
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skvae import datasets

N_IMAGES = {"train": 2000, "test": 1000}
SIZE = 14
# no fonts of symbols, which have no letters
FONTS = ("DejaVu*[!y].ttf", "STIXGeneral*.ttf", "cm[rbt]*10.ttf", "cmss10.ttf")
_FETCHERS = {name: getattr(datasets, name) for name in ("fetch_mnist", "fetch_emnist")}


def reset(gallery_conf: dict[str, Any], script: str, when: str = "before") -> None:
    """Replace the fetchers before a page of the gallery is built, and restore them after it."""
    for name, fetch in _FETCHERS.items():
        short = when == "before"
        setattr(datasets, name, functools.wraps(fetch)(_short_form(name)) if short else fetch)


def _short_form(name: str):
    fetch, invent = _FETCHERS[name], {"fetch_mnist": digits, "fetch_emnist": letters}[name]

    def fetch_few(*, subset="train", binarize=False, return_X_y=False, **options):
        try:
            options |= {"image_size": SIZE, "download_if_missing": False}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a subset of EMNIST, which is printed below
                whole = fetch(subset=subset, binarize=binarize, **options)
        except OSError:
            few, source = invent(subset), invent.__doc__
            few.data = (few.data >= 0.5).astype(np.float32) if binarize else few.data
        else:
            rows = np.linspace(0, len(whole.data) - 1, N_IMAGES[subset]).astype(int)
            few = Bunch(**whole | {"data": whole.data[rows], "target": whole.target[rows]})
            part = f"{len(few.data):,} of {len(whole.data):,} {subset} images"
            source = f"{part}, at {SIZE} x {SIZE} pixels."
        print(f"Short form of {name}: {source}")
        return (few.data, few.target) if return_X_y else few

    return fetch_few


def digits(subset: str) -> Bunch:
    """Small digits of scikit-learn in place of MNIST, enlarged to 14 x 14 pixels."""
    X, y = load_digits(return_X_y=True)
    images = np.stack([_enlarged(image) for image in X.reshape(-1, 8, 8) / 16])
    return _part(images, y, subset, list(map(str, range(10))))


def letters(subset: str) -> Bunch:
    """Letters in the fonts of matplotlib in place of EMNIST, turned and scaled at random."""
    rng, folder = np.random.default_rng(0), Path(matplotlib.get_data_path(), "fonts", "ttf")
    fonts = sorted(path for pattern in FONTS for path in folder.glob(pattern))
    names = string.ascii_uppercase
    pairs = [(letter, font) for letter in names for font in fonts for _ in range(4)]
    images = np.stack([_letter(*pair, rng) for pair in pairs])
    y = np.array([names.index(letter) for letter, _ in pairs])
    return _part(images, y, subset, list(names))


def _enlarged(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray((255 * image).astype(np.uint8))
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) / 255


def _letter(letter: str, font: Path, rng: np.random.Generator) -> np.ndarray:
    picture = Image.new("L", (4 * SIZE, 4 * SIZE))
    size = int(rng.uniform(2.6, 3.4) * SIZE)
    face = ImageFont.truetype(font, size)
    ImageDraw.Draw(picture).text((2 * SIZE, 2 * SIZE), letter, 255, face, anchor="mm")
    turned = picture.rotate(rng.uniform(-12, 12), Image.Resampling.BILINEAR)
    return np.asarray(turned.resize((SIZE, SIZE), Image.Resampling.BOX)) / 255


def _part(images: np.ndarray, y: np.ndarray, subset: str, names: list[str]) -> Bunch:
    X = images.reshape(len(images), -1).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    data, target = {"train": (X_train, y_train), "test": (X_test, y_test)}[subset]
    return Bunch(data=data, target=target, target_names=np.array(names))
