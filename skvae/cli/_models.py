"""Fitted models: reading them, and what several verbs tell about them."""

from __future__ import annotations


def load_model(path: str):
    """Load the model behind a path.

    Raises
    ------
    ValueError
        If the file is damaged or is no model.
    OSError
        If it cannot be read.
    """
    from skvae.persistence import load

    return load(path)


def feature_names(model) -> list[str]:
    """Return the names of the features, scikit-learn's own where the data had none."""
    names = getattr(model, "feature_names_in_", None)
    return [f"x{column}" for column in range(model.n_features_in_)] if names is None else [*names]


def last_losses(model) -> dict[str, float]:
    """Return what the history holds of the last epoch, the time aside."""
    history = {name: values for name, values in model.history_.items() if name != "duration"}
    return {name: float(values[-1]) for name, values in history.items()}


def is_detector(model) -> bool:
    """Tell the detector from the transformer."""
    return hasattr(model, "offset_")
