"""A distribution over cells of the line, for each column its own: points and intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._parts import Likelihood, LikelihoodModule
from skvae._scaling import LARGEST_INPUT, column_moments, ordinary_ends
from skvae._validation import InvalidParameterError
from skvae.likelihoods._support import ObservedLevels

_BEYOND = 1e300  # stands for a cell that a column lacks; finite, as weights in a file are
_LOG_OF_NOTHING = -1e30


@dataclass(frozen=True)
class Cells:
    """Cells of one column, in ascending order.

    Parameters
    ----------
    low, high : ndarray of shape (n_cells,)
        Bounds; equal if the cell is a point, which has a mass instead of a density.
    counts : ndarray of shape (n_cells,)
        Number of training rows in each.
    grid : float, default=0.0
        Number of values per unit on the grid of the column, such as 100 for two decimals; 0 if it
        has none.
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    grid: float = 0.0


def points(column: np.ndarray) -> Cells:
    """Return a cell for each value that occurs."""
    values, counts = np.unique(column, return_counts=True)
    values = values.astype(np.float64)
    return Cells(values, values, counts)


class CellsModule(LikelihoodModule):
    """Independent columns, each with any distribution over its cells and a little mass elsewhere.

    The outputs are the logits of all cells, column after column, relative to their log frequencies.

    Parameters
    ----------
    spec : Likelihood
        The spec that would build cells of the same numbers.
    X : ndarray of shape (n_samples, n_features)
        Training rows.
    cells : list of Cells
    sizes : list of int
        Number of cells of each column, which lacks some if `cells` has fewer for it.
    nominal : bool
        Whether values are names, which have neither order nor distance.
    dense : bool
        Whether values between and beyond the cells have a density, of which the form is a Cauchy
        distribution, or else a mass.
    """

    low: Tensor  # (n_features, n_most), float64
    high: Tensor
    grid: Tensor  # (n_features,)
    start: Tensor  # log frequencies, (n_outputs,)
    start_of_others: Tensor
    loc: Tensor  # (n_features,)
    scale: Tensor
    spread: Tensor  # of the indicators of a column together
    column_of_cell: Tensor
    slots: Tensor  # of every cell among the outputs, (n_features, n_most)

    def __init__(
        self,
        spec: Likelihood,
        X: np.ndarray,
        cells: list[Cells],
        sizes: list[int],
        *,
        nominal: bool,
        dense: bool,
    ):
        super().__init__(spec, sum(sizes))
        self.nominal = nominal
        self.dense = dense
        self.sizes = sizes
        self.n_inputs = sum(sizes) + (0 if nominal else len(sizes))
        self.n_measured = sum(sizes) if nominal else len(sizes)
        self.has_atoms = True
        self.heavy_tailed = dense  # to a bin, no value is far
        self.support = None if dense else ObservedLevels(self._levels)
        mean, std = column_moments(X, ordinary_ends(X))
        self.register_buffer("low", _padded([own.low for own in cells], max(sizes)))
        self.register_buffer("high", _padded([own.high for own in cells], max(sizes)))
        grid, others = [own.grid for own in cells], -math.log(len(X) + 1)
        self.register_buffer("grid", torch.tensor(grid, dtype=torch.float64))
        self.register_buffer("start", _log_frequencies(cells, sizes, len(X)))
        self.register_buffer("start_of_others", torch.tensor(others, dtype=torch.float64))
        self.register_buffer("loc", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(np.where(std > 0, std, 1.0)))
        self.register_buffer("spread", _spreads(cells, len(X)))
        # index tensors follow from the spec, and are not saved
        places = torch.arange(max(sizes), device="cpu")
        n_cells = torch.tensor(sizes, device="cpu")
        own_sizes = n_cells[:, None]
        slots = (n_cells.cumsum(0)[:, None] - own_sizes) + places.clamp(max=own_sizes - 1)
        column_of_cell = torch.arange(len(sizes), device="cpu").repeat_interleave(n_cells)
        self.register_buffer("column_of_cell", column_of_cell, persistent=False)
        self.register_buffer("slots", slots, persistent=False)

    @property
    def is_lacking(self) -> Tensor:
        """Which cells a column does not have, (n_features, n_most)."""
        return 1e9 * self.low == math.inf  # an ONNX graph rounds _BEYOND itself to infinity

    def standardize(self, x: Tensor) -> Tensor:
        """Return indicators of the cells and, unless values are names, the standardised values."""
        indicators = self._indicators(x)
        if self.nominal:
            return indicators
        return torch.cat([indicators, self._standardized(x)], dim=-1)

    def blank(self, inputs: Tensor, observed: Tensor) -> Tensor:
        of_cells = observed.index_select(-1, self.column_of_cell)
        of_inputs = of_cells if self.nominal else torch.cat([of_cells, observed], -1)
        return torch.where(of_inputs, inputs, 0.0)

    def log_prob(self, outputs: Tensor, x: Tensor) -> Tensor:
        log_shares, log_others = self._log_shares(outputs)
        place, inside = self._located(x)
        shape = torch.broadcast_shapes(log_shares.shape[:-1], x.shape)
        log_shares = log_shares.expand(*shape, -1)
        own = log_shares.gather(-1, place.expand(shape)[..., None]).squeeze(-1)
        nothing = torch.full_like(own, _LOG_OF_NOTHING)
        own = torch.where(inside, own - self._log_width(place).to(own.dtype), nothing)
        if self.dense:
            return torch.logaddexp(own, log_others + self._log_cauchy(x).to(own.dtype))
        return torch.where(inside, own, log_others.expand(shape))

    def cdf(self, outputs: Tensor) -> Callable[[Tensor], Tensor]:
        log_shares, log_others = self._log_shares(outputs)
        shares, others = log_shares.exp(), log_others.exp()
        before = shares.cumsum(-1) - shares
        middle, half = self._range()

        def below(x: Tensor) -> Tensor:
            place = torch.searchsorted(self.low, x.T.contiguous(), right=True).T - 1
            own = place.clamp(min=0)
            low, high = self._at(self.low, own), self._at(self.high, own)
            is_point = low == high
            part = (x - low) / torch.where(is_point, 1.0, high - low)
            part = torch.where(is_point, 1.0, part.clamp(0, 1))
            inside = self._chosen(before, own) + part * self._chosen(shares, own)
            # codes that did not occur have a mass, which is spread like the density of numbers
            elsewhere = 0.5 + torch.atan((x - middle) / half) / math.pi
            return torch.where(place < 0, 0.0, inside) + others * elsewhere

        return below

    def mean(self, outputs: Tensor) -> Tensor:
        return self._mean(self._log_shares(outputs)[0].softmax(-1))  # without the others

    def mean_of_draws(self, outputs: Tensor, weights: Tensor) -> Tensor:
        shares = self._log_shares(outputs)[0].softmax(-1)
        return self._mean((weights.to(shares)[..., None, None] * shares).sum(1))

    def _mean(self, shares: Tensor) -> Tensor:
        """Return the most probable names, or the expectations of numbers."""
        if self.nominal:
            return self._at(self.low, shares.argmax(-1))
        # from the centre, as single precision does not tell time stamps apart
        middle = 0.5 * (self.low + self.high) - self.loc[:, None]
        return self.loc + (shares * middle.masked_fill(self.is_lacking, 0.0)).sum(-1)

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        shares = self._log_shares(outputs)[0].softmax(-1)
        draws = shares.flatten(0, -2).multinomial(1, generator=generator)
        place = draws.view(shares.shape[:-1])
        low, high = self._at(self.low, place), self._at(self.high, place)
        share = torch.empty_like(low).uniform_(generator=generator)
        values = low + (high - low) * share
        on_grid = torch.round(values * self.grid) / self.grid + 0.0  # no negative zero
        return torch.where((self.grid > 0) & (low < high), on_grid, values)

    def measured(self, x: Tensor) -> Tensor:
        """Return standardised values or, for names, indicators of unit variance per column."""
        if not self.nominal:
            return self._standardized(x)
        return self._indicators(x) / self.spread[self.column_of_cell].to(x.dtype)

    def residuals(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return the deviation from the mean or, for names, the square root of the surprise."""
        if self.nominal:
            return (-self.log_prob(outputs, x)).clamp(min=0).sqrt()
        return self._standardized(x) - self._standardized(self.mean(outputs))

    def _standardized(self, x: Tensor) -> Tensor:
        standardized = (x - self.loc) / self.scale
        return standardized.clamp(-LARGEST_INPUT, LARGEST_INPUT).to(x.dtype)

    def _log_shares(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return log probabilities of the cells, (..., n_features, n_most), and of all else."""
        logits = (outputs + self.start.to(outputs.dtype))[..., self.slots]
        logits = logits.masked_fill(self.is_lacking, _LOG_OF_NOTHING)
        others = self.start_of_others.to(logits.dtype)
        total = torch.logaddexp(logits.logsumexp(-1), others)
        return logits - total[..., None], others - total

    def _located(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cell of every value, or that below, and whether it lies within."""
        values = x.movedim(-1, 0).flatten(1).contiguous()  # (n_features, n_values)
        low, high = self.low.to(x.dtype), self.high.to(x.dtype)  # rounded as the values are
        found = torch.searchsorted(low, values, right=True) - 1
        before = (found - 1).clamp(min=0)  # a point, if rounding moved the next cell to it
        is_point = (low.gather(1, before) == values) & (high.gather(1, before) == values)
        place = torch.where(is_point, before, found.clamp(min=0))
        inside = (found >= 0) & (values <= high.gather(1, place))
        shape = (x.shape[-1], *x.shape[:-1])
        return place.view(shape).movedim(0, -1), inside.view(shape).movedim(0, -1)

    def _indicators(self, x: Tensor) -> Tensor:
        place, inside = self._located(x)
        slot = self._at(self.slots, place)
        indicators = x.new_zeros(*x.shape[:-1], self.n_outputs)
        return indicators.scatter_add_(-1, slot, inside.to(x.dtype))

    def _log_width(self, place: Tensor) -> Tensor:
        """Return the logarithm of the width of the cells, zero for points."""
        width = self._at(self.high - self.low, place)
        return torch.where(width > 0, width, 1.0).log()

    def _log_cauchy(self, x: Tensor) -> Tensor:
        """Return the log density of values that no cell holds."""
        middle, half = self._range()
        deviation = (x - middle) / half
        return (
            -(math.pi * half).log() - 2 * torch.hypot(deviation, torch.ones_like(deviation)).log()
        )

    def _range(self) -> tuple[Tensor, Tensor]:
        """Return the middle and half of the width of what the cells of every column cover."""
        last = (~self.is_lacking).sum(1, keepdim=True) - 1
        bottom, top = self.low[:, 0], self.high.gather(1, last)[:, 0]
        return (top + bottom) / 2, torch.where(top > bottom, (top - bottom) / 2, 1.0)

    def _chosen(self, values: Tensor, place: Tensor) -> Tensor:
        """Return the entries of (n_samples, n_features, n_most) at a place for every value."""
        return values.gather(-1, place[..., None]).squeeze(-1)

    def _at(self, table: Tensor, place: Tensor) -> Tensor:
        """Return the entries of a table, (n_features, n_most), at a place for every column."""
        rows = torch.arange(len(table), device=table.device)
        return table[rows, place]

    def _levels(self) -> Tensor:
        largest = self.low.masked_fill(self.is_lacking, -math.inf).amax(1, keepdim=True)
        return torch.where(self.is_lacking, largest, self.low).T  # (n_most, n_features)


def _padded(columns: list[np.ndarray], n_most: int) -> Tensor:
    table = np.full((len(columns), n_most), _BEYOND)
    for row, column in zip(table, columns, strict=True):
        row[: len(column)] = column[:n_most]
    return torch.from_numpy(table)


def _spreads(cells: list[Cells], n_rows: int) -> Tensor:
    """Return the root of the summed variances of the indicators of every column."""
    shares = [own.counts / n_rows for own in cells]
    variances = np.array([(share * (1 - share)).sum() for share in shares])
    return torch.from_numpy(np.sqrt(np.where(variances > 0, variances, 1.0)))


def _log_frequencies(cells: list[Cells], sizes: list[int], n_rows: int) -> Tensor:
    """Return the log frequencies of all cells, among the rows and an additional one."""
    start = [np.zeros(size) for size in sizes]
    for own, column in zip(start, cells, strict=True):
        own[: len(column.counts)] = np.log(column.counts / (n_rows + 1))[: len(own)]
    return torch.from_numpy(np.concatenate(start))


def check_sizes(name: str, sizes: Any, most: int) -> None:
    """Refuse a parameter that is neither a number nor a list of numbers of cells.

    Raises
    ------
    InvalidParameterError
        Naming the parameter.
    """
    if isinstance(sizes, str | Integral):
        return
    if not all(isinstance(size, Integral) and 1 <= int(size) <= most for size in sizes):
        raise InvalidParameterError(
            f"The {name} must be 'auto', an integer, or a list of integers from 1 to {most}, got "
            f"{sizes!r}."
        )


def least_cells(sizes: Any, n_features: int) -> int:
    """Return how many values a module of cells of these numbers holds at least."""
    n_most = 1 if isinstance(sizes, str | Integral) else max(map(int, sizes), default=1)
    return 2 * n_most * n_features  # bounds of cells, for every column as many as for the largest


def sizes_of_columns(name: str, sizes: Sequence[int], n_features: int) -> list[int]:
    """Return the numbers of cells in a list, one per column.

    Raises
    ------
    ValueError
        If there are more or fewer than columns.
    """
    if len(sizes) != n_features:
        raise ValueError(
            f"The {name} has {len(sizes)} numbers, but X has {n_features} columns. Pass one number "
            "per column, or 'auto'."
        )
    return [int(size) for size in sizes]
