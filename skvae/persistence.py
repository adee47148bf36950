"""Saving and loading fitted estimators; the format lies below, in files of its own."""

from __future__ import annotations

from skvae._detector import VAEAnomalyDetector
from skvae._files.model_file import read_file, unsound
from skvae._transformer import VAETransformer

__all__ = ["load", "save"]

_ESTIMATORS = {cls.__name__: cls for cls in (VAETransformer, VAEAnomalyDetector)}


def save(estimator, path):
    """Save a fitted estimator in one file, without pickle.

    Parameters
    ----------
    estimator : VAETransformer or VAEAnomalyDetector
        Fitted.
    path : str or path-like
        The file, replaced if it exists. Its usual ending is ``.skvae``.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If a parameter cannot be written, such as `callbacks`, or the estimator is another one.
    OSError
        If the folder or the disk cannot take the file; one that was there before stays as it was.

    See Also
    --------
    load : Bring it back.

    Notes
    -----
    The file is a safetensors file whose header holds parameters, fitted attributes, versions and a
    checksum. Saving the same model twice makes the same bytes. `checkpoint` is not saved.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> vae = skvae.VAETransformer(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     skvae.save(vae, Path(folder) / "iris.skvae")
    ...     same = skvae.load(Path(folder) / "iris.skvae")
    >>> np.array_equal(same.transform(X), vae.transform(X))
    True
    """
    if type(estimator) not in _ESTIMATORS.values():
        raise ValueError(
            f"skvae.save takes a fitted {' or '.join(_ESTIMATORS)}, got {estimator!r}. For a "
            "pipeline, save the step: pipeline[0].save(path)."
        )
    estimator.save(path)


def load(path, *, trusted=()):
    """Load an estimator from a file that :func:`save` or a checkpoint of a transformer wrote.

    Nothing in the file is run or imported: it may come from anyone.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : sequence of type, default=()
        Your own classes of networks, likelihoods, priors, objectives or optimisers that the model
        was built with. A file that names others is refused.

    Returns
    -------
    estimator : VAETransformer or VAEAnomalyDetector
        As it was when saved; on the CPU where its device is not to be had. The state of the
        optimiser is not part of a model: to train on from here takes up the weights alone.

    Raises
    ------
    ValueError
        If the file is damaged, is no model of skvae, comes from a newer version, or names a class
        that is not trusted.
    FileNotFoundError
        If there is no such file.

    See Also
    --------
    save : Write such a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skvae
    >>> from sklearn.datasets import load_iris
    >>> X, _ = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "iris.skvae"
    ...     skvae.VAEAnomalyDetector(2, max_epochs=2, random_state=0).fit(X).save(path)
    ...     skvae.load(path)
    VAEAnomalyDetector(max_epochs=2, n_components=2, random_state=0)
    """
    return rebuild(path, *read_file(path), trusted=trusted)


def rebuild(path, header, tensors, *, trusted=()):
    """Rebuild the estimator from what was read of a file; `path` names it in errors."""
    try:
        return _ESTIMATORS[header["estimator"]]._from_file(header, tensors, trusted)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError) as exc:
        raise unsound(path, exc) from exc
