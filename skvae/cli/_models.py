"""The model file of a verb, checked before torch is imported to load it, and what it holds."""

from __future__ import annotations

import json
from pathlib import Path


def load_model(path: str):
    """Return the model in a file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model of skvae.
    """
    check_model(path)

    import skvae

    return skvae.load(path)


def check_model(path: str) -> None:
    """Refuse a file that does not begin as those that :func:`skvae.save` writes.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model of skvae.
    """
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        start = file.read(length) if length <= size else b""
    try:
        sound = "skvae" in json.loads(start)["__metadata__"]
    except (ValueError, LookupError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise ValueError(
            f"{path} cannot be used as a model of skvae: it does not begin as a file written by "
            "'skvae fit' or skvae.save does."
        )


def is_imputer(model) -> bool:
    """Return whether a model fills gaps."""
    from skvae import VAEImputer

    return isinstance(model, VAEImputer)


def is_classifier(model) -> bool:
    """Return whether a model predicts classes."""
    from sklearn.base import is_classifier

    return is_classifier(model)


def is_detector(model) -> bool:
    """Return whether a model detects outliers."""
    from sklearn.base import is_outlier_detector

    return is_outlier_detector(model)


def feature_names(model) -> list[str]:
    """Return the names of the features, or x0, x1, … if the training data had no names."""
    names = getattr(model, "feature_names_in_", None)
    return [f"x{column}" for column in range(model.n_features_in_)] if names is None else [*names]
