"""The density behind :class:`~skvae.likelihoods.Mixed`, and the rows that it accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._validation import check_support


class MixedDensity(nn.Module):
    """The densities of groups of columns, independent of one another.

    The outputs come plane after plane, the first ones of all columns before the second ones, so
    that a network for images decodes every pixel in its place.

    Parameters
    ----------
    parts : list of torch.nn.Module
        What the specs built.
    groups : list of (spec, list of int)
        Each part's spec with the positions of its columns.
    """

    side_by_side: Tensor
    in_place: Tensor
    of_parts: Tensor

    def __init__(self, parts: list[Any], groups: list[tuple[Any, list[int]]]):
        super().__init__()
        columns = [positions for _, positions in groups]
        self.parts = nn.ModuleList(parts)
        self.support = _Supports(parts, groups)
        self._n_columns = [len(positions) for positions in columns]
        self._n_outputs = [part.n_outputs for part in parts]
        self.n_outputs = sum(self._n_outputs)
        # from the spec, hence in no file: the columns of all parts, where each is among them, and
        # where the outputs of all parts are among the planes
        side_by_side = torch.tensor(list(chain(*columns)), device="cpu")
        self.register_buffer("side_by_side", side_by_side, persistent=False)
        self.register_buffer("in_place", side_by_side.argsort(), persistent=False)
        of_parts = _plane_by_plane(columns, self._n_outputs)
        self.register_buffer("of_parts", of_parts, persistent=False)

    def standardize(self, x: Tensor) -> Tensor:
        return self._join([part.standardize(own) for part, own in self._rows(x)])

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        pairs = zip(self._outputs(outputs), self._rows(x), strict=True)
        return torch.stack([part.log_prob(own, rows) for (part, own), (_, rows) in pairs]).sum(0)

    def mean(self, outputs: Tensor) -> Tensor:
        return self._join([part.mean(own) for part, own in self._outputs(outputs)])

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._join([part.sample(own, generator) for part, own in self._outputs(outputs)])

    def _outputs(self, outputs: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """Yield the parts with the decoder's outputs for each."""
        outputs = outputs.index_select(-1, self.of_parts)
        return zip(self.parts, outputs.split(self._n_outputs, -1), strict=True)

    def _rows(self, x: Tensor) -> Iterator[tuple[Any, Tensor]]:
        """Yield the parts with the columns of each."""
        columns = x.index_select(-1, self.side_by_side)
        return zip(self.parts, columns.split(self._n_columns, -1), strict=True)

    def _join(self, blocks: list[Tensor]) -> Tensor:
        """Put the columns of all parts back in place."""
        return torch.cat(blocks, -1).index_select(-1, self.in_place)


class MixedDensityWithRedraws(MixedDensity):
    """The same where a part draws its columns anew whenever training sees a row."""

    def redraw(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._join(
            [
                part.redraw(own, generator) if hasattr(part, "redraw") else own
                for part, own in self._rows(x)
            ]
        )


def _plane_by_plane(columns: list[list[int]], n_outputs: list[int]) -> Tensor:
    """Return where the outputs of all parts, one part after another, lie in the planes."""
    places = [
        (i // len(own), own[i % len(own)])
        for own, n in zip(columns, n_outputs, strict=True)
        for i in range(n)
    ]
    planes, of_column = np.array(places).T
    return torch.tensor(np.lexsort((of_column, planes)).argsort(), device="cpu")


class _Supports:
    """The `support` of all columns, each by its own likelihood."""

    def __init__(self, parts: list[Any], groups: list[tuple[Any, list[int]]]):
        self.supports = [getattr(part, "support", None) for part in parts]
        self.groups = groups

    def check(self, X: np.ndarray, likelihood: object) -> None:
        """Refuse rows with a column that its likelihood does not take.

        Raises
        ------
        ValueError
            Naming the column, its likelihood, and the remedy.
        """
        for support, (spec, columns) in zip(self.supports, self.groups, strict=True):
            per_column(partial(check_support, support=support, likelihood=spec), X, columns)


def per_column(call: Callable[[np.ndarray], Any], X: np.ndarray, columns: list[int]) -> Any:
    """Return what a call makes of some columns; if it refuses them, say which one is at fault.

    Raises
    ------
    ValueError
        What the call raises for the first column that it refuses by itself.
    """
    try:
        return call(X[:, columns])
    except ValueError as exc:
        for column in columns:
            try:
                call(X[:, [column]])
            except ValueError as fault:
                raise ValueError(f"Column {column} of X, by itself: {fault}") from exc
        raise
