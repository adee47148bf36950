"""The folder of a fit's checkpoints: finding the newest, deleting the old; not their content."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor

from skvae._files.model_file import read_file, write_file

_NAME = "epoch-{:05d}.skvae"
_PATTERN = re.compile(r"epoch-(\d{5,})\.skvae")


def epoch_of(path: Path) -> int:
    """Return the epoch in the name of a checkpoint."""
    return int(path.name[len("epoch-") : -len(".skvae")])


class CheckpointFolder:
    """The checkpoints of one fit, in one folder.

    Parameters
    ----------
    path : str or path-like
        The folder, created if it does not exist.
    keep : int or None
        Number of checkpoints to keep, the newest ones; None keeps all.

    Raises
    ------
    OSError
        If the folder cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str], keep: int | None):
        self.path = Path(path).expanduser()
        self.keep = keep
        self._written: list[Path] = []  # by this fit or by the interrupted one that it resumes
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise type(exc)(
                f"The folder {str(path)!r} for checkpoints cannot be created: {exc}"
            ) from exc

    def files(self) -> list[Path]:
        """Return the paths of the checkpoints, oldest epoch first."""
        found = {
            path: epoch_of(path)
            for path in self.path.iterdir()
            if _PATTERN.fullmatch(path.name) and path.is_file()
        }
        return sorted(found, key=lambda path: found[path])

    def newest(self) -> tuple[Path, dict[str, Any], dict[str, Tensor]] | None:
        """Return path, header and tensors of the newest sound checkpoint, or None without one."""
        for path in reversed(self.files()):
            try:
                content = read_file(path)
            except ValueError as exc:
                warnings.warn(f"Skipped a checkpoint: {exc}", UserWarning, stacklevel=2)
            else:
                self._written = self.files()
                return path, *content
        return None

    def write(self, epoch: int, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint, then delete the files that are no longer needed.

        If that fails, for instance because the disk is full, a warning is given and training
        continues.
        """
        path = self.path / _NAME.format(epoch)
        try:
            write_file(path, header, tensors)
            self._written.append(path)
            self._delete_others()
        except OSError as exc:
            warnings.warn(
                f"The checkpoint of epoch {epoch} could not be written ({exc}). Training "
                "continues, and earlier checkpoints are unchanged.",
                UserWarning,
                stacklevel=2,
            )

    def _delete_others(self) -> None:
        """Delete all but the newest checkpoints of this fit, including its interrupted part."""
        mine = [path for path in self.files() if path in self._written]
        kept = mine if self.keep is None else mine[-self.keep :]
        for path in set(self.files()) - set(kept):
            path.unlink()
