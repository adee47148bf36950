"""Where checkpoints lie, how often one is written, which one is the newest; not what they hold."""

from __future__ import annotations

import os
import re
import warnings
from numbers import Integral
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from torch import Tensor

from skvae._files.model_file import SCRATCH, read_file, write_file
from skvae._validation import Interval

_NAME = "epoch-{:05d}.skvae"
_PATTERN = re.compile(r"epoch-(\d{5,})\.skvae")


class Checkpoint(BaseEstimator):
    """Periodic checkpoints of a fit, to go on from after an interruption.

    A checkpoint holds everything that training needs: weights, the optimiser's state, the place in
    the learning-rate cycle, the random generators, early stopping, and the history. A fit that goes
    on from it ends with the same weights, to the bit, as one that was never interrupted. A
    checkpoint is written whole or not at all, and :func:`skvae.load` reads that of a transformer as
    the model it was at that epoch.

    Parameters
    ----------
    path : str or path-like
        The folder, made when it is missing. One folder serves one fit.
    every : int, default=1
        Epochs between two checkpoints. The last epoch always gets one.
    keep : int or None, default=1
        How many to keep, the newest ones; None keeps all.
    resume : bool, default=False
        Whether `fit` goes on from the newest sound checkpoint in the folder. It must have been
        written with the same parameters and the same rows; `max_epochs` alone may differ, and the
        rest of the learning-rate cycle then follows the new number. With nothing in the folder the
        fit starts anew. If False, the checkpoints of a fit before are replaced.

    See Also
    --------
    VAETransformer : Takes this as its parameter `checkpoint`.

    Notes
    -----
    Of `callbacks`, a :class:`skorch.callbacks.LRScheduler` goes on where it was; all others start
    as they do in a new fit.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from skvae import Checkpoint, VAETransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     vae = VAETransformer(2, max_epochs=4, random_state=0, checkpoint=folder).fit(X)
    ...     vae.set_params(max_epochs=6, checkpoint=Checkpoint(folder, resume=True))
    ...     vae.fit(X).n_iter_
    VAETransformer(checkpoint=Checkpoint(path=...
    6
    """

    _parameter_constraints: dict = {
        "path": [str, os.PathLike],
        "every": [Interval(Integral, 1, None, closed="left")],
        "keep": [Interval(Integral, 1, None, closed="left"), None],
        "resume": ["boolean"],
    }

    def __init__(self, path, *, every=1, keep=1, resume=False):
        self.path = path
        self.every = every
        self.keep = keep
        self.resume = resume


class CheckpointFolder:
    """The files of one fit."""

    def __init__(self, spec: Checkpoint):
        spec._validate_params()
        self.path = Path(spec.path).expanduser()
        self.every = spec.every
        self.keep = spec.keep
        self._written: list[Path] = []  # by this fit, in this process or in the one it resumes
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise type(exc)(
                f"The folder of checkpoint={str(spec.path)!r} cannot be made: {exc}"
            ) from exc

    def files(self) -> list[Path]:
        """Paths of the checkpoints, oldest epoch first."""
        found = {
            path: int(match[1])
            for path in self.path.iterdir()
            if (match := _PATTERN.fullmatch(path.name))
        }
        return sorted(found, key=lambda path: found[path])

    def newest(self) -> tuple[Path, dict[str, Any], dict[str, Tensor]] | None:
        """Path and content of the newest sound checkpoint, if there is any."""
        for path in reversed(self.files()):
            try:
                content = read_file(path)
            except ValueError as exc:
                warnings.warn(f"Passed over a checkpoint: {exc}", UserWarning, stacklevel=2)
            else:
                self._written = self.files()
                return path, *content
        return None

    def write(self, epoch: int, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint, then delete those that are not to be kept.

        A disk that is full or gone costs a warning and not the training.
        """
        path = self.path / _NAME.format(epoch)
        try:
            write_file(path, header, tensors)
            self._written.append(path)
            self._delete_others()
        except OSError as exc:
            warnings.warn(
                f"The checkpoint of epoch {epoch} could not be written ({exc}); training goes on, "
                "and earlier checkpoints are as they were.",
                UserWarning,
                stacklevel=2,
            )

    def _delete_others(self) -> None:
        """Keep the newest of this fit, and those of the part of it that was interrupted."""
        mine = [path for path in self.files() if path in self._written]
        kept = mine if self.keep is None else mine[-self.keep :]
        torn = self.path.glob(SCRATCH.format(name="epoch-*", token="*"))  # a kill left them
        for path in {*self.files(), *torn} - set(kept):
            path.unlink()
