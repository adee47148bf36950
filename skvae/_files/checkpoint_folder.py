"""The folder of a fit's checkpoints: which is the newest, which are kept; not what they hold."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor

from skvae._files.model_file import SCRATCH, read_file, write_file

_NAME = "epoch-{:05d}.skvae"
_PATTERN = re.compile(r"epoch-(\d{5,})\.skvae")


class CheckpointFolder:
    """The files of one fit, of which the newest `keep` are kept, or all if that is None."""

    def __init__(self, path: str | os.PathLike[str], keep: int | None):
        self.path = Path(path).expanduser()
        self.keep = keep
        self._written: list[Path] = []  # by this fit, in this process or in the one it resumes
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise type(exc)(
                f"The folder {str(path)!r} for checkpoints cannot be created: {exc}"
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
