"""Rows of numbers on a stack of bits, and back: bits-back coding with the parts of a model."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from skvae._model.inference import require_finite
from skvae.compression._bit_stack import BitStack, Cdf, of_shares
from skvae.compression._latent_code import LatentGrid, Posterior, PriorCode
from skvae.compression._value_grids import ValueGrid

_MOST_ROWS = 256  # that are decoded at a time
_BATCH_VALUES = 2**18
_ROWS_BEFORE = 8  # for each row of a batch; half as many cost 0.1 % more bits
_MOST_VALUES_PER_COLUMN = 2**12  # of a likelihood without a distribution function
_ROUNDING = 2.0**16  # of what networks return; the last digits may differ between machines
_ROUNDING_OF_LOG_VARIANCES = 2.0**8


class RowCode:
    """The code of rows by a model.

    Rows go batch by batch: the first batch alone pays for its latent vectors in full.

    Parameters
    ----------
    module : VAEModule
        Trained; it is not changed.
    """

    def __init__(self, module: Any):
        self.module = copy.deepcopy(module).cpu().double().eval()
        normals = self.module.prior.normals()
        if normals is None:
            raise ValueError(
                f"prior={module.parts.prior!r} is not a mixture of normal distributions, by which "
                "alone latent vectors can be coded. Fit with prior='normal', 'mixture', 'vamp' or "
                "'ex_post'."
            )
        self.prior = PriorCode(*(rounded(part).numpy() for part in normals))

    @property
    def probe(self) -> bytes:
        """What this machine computes for fixed inputs, which another one has to compute as well."""
        parts = self.module.parts
        z = np.linspace(-2, 2, 3 * parts.n_components).reshape(3, -1)
        own = self._posterior(np.indices((2, parts.n_features))[0].astype(np.float64))
        known = self.prior.means, ndtr(np.linspace(-4, 4, 99)), np.exp(np.linspace(-9, 9, 99))
        values = [self._outputs(z).numpy(), own.mean, own.std, *known]
        steps = [np.rint(part * _ROUNDING).astype("<i8").tobytes() for part in values]
        return hashlib.sha256(b"".join(steps)).digest()

    def push(self, stack: BitStack, numbers: np.ndarray, grid: ValueGrid, missing: np.ndarray):
        """Push rows of numbers on a grid, and return the grid of the latent vectors."""
        batches = _batches(*numbers.shape)
        posteriors = [
            self._posterior(_with_gaps(grid.values(numbers[rows]), missing[rows]))
            for rows in batches
        ]
        latents = LatentGrid.of_posteriors(posteriors)
        for place, (rows, own) in enumerate(zip(batches, posteriors, strict=True)):
            cells = latents.pop_normal(stack, *own) if place else latents.cells(own.mean)
            low, high = _bounds(grid, missing[rows])
            cdf = self._cdf(latents.values(cells), grid)
            stack.push(np.where(missing[rows], 0, numbers[rows]), low, high, cdf)
            self.prior.push(stack, latents, cells, bits_back=place > 0)
        return latents

    def pop(
        self, stack: BitStack, grid: ValueGrid, latents: LatentGrid, missing: np.ndarray
    ) -> np.ndarray:
        """Pop rows of numbers, of which some are missing."""
        numbers = np.zeros(missing.shape, dtype=np.int64)
        for place, rows in reversed(list(enumerate(_batches(*missing.shape)))):
            gaps = missing[rows]
            cells = self.prior.pop(stack, latents, len(gaps), bits_back=place > 0)
            low, high = _bounds(grid, gaps)
            numbers[rows] = stack.pop(gaps.shape, low, high, self._cdf(latents.values(cells), grid))
            if place:
                own = self._posterior(_with_gaps(grid.values(numbers[rows]), gaps))
                latents.push_normal(stack, cells, *own)
        return numbers

    def _posterior(self, X: np.ndarray) -> Posterior:
        mean, log_var = self.module.encode(torch.tensor(X))
        std = np.exp(0.5 * rounded(log_var, _ROUNDING_OF_LOG_VARIANCES).numpy())
        return Posterior(rounded(mean).numpy(), std)

    def _outputs(self, z: np.ndarray) -> Tensor:
        return rounded(self.module.decode(torch.tensor(z)))

    def _cdf(self, z: np.ndarray, grid: ValueGrid) -> Cdf:
        """Return the distribution function of the numbers of all columns."""
        outputs = self._outputs(z)
        cdf = self.module.likelihood.cdf(outputs)
        if cdf is None:
            return self._listed(outputs, grid)
        return lambda numbers: cdf(torch.tensor(grid.upper_ends(numbers))).numpy()

    def _listed(self, outputs: Tensor, grid: ValueGrid) -> Cdf:
        """Return the distribution function by the masses of all numbers of every column."""
        n_values = int((grid.high - grid.low).max()) + 1
        if not 0 < n_values <= _MOST_VALUES_PER_COLUMN:
            raise ValueError(
                f"{self.module.parts.likelihood!r} has no method 'cdf', and a column of X has more "
                f"than {_MOST_VALUES_PER_COLUMN} different steps between its smallest and its "
                "largest value. Choose another likelihood."
            )
        numbers = np.minimum(grid.low + np.arange(n_values)[:, None], grid.high)
        log_masses = torch.stack(
            [
                self.module.likelihood.log_prob(outputs, torch.tensor(grid.values(row))[None])
                for row in numbers
            ],
            dim=-1,
        )  # (n_rows, n_columns, n_values)
        beyond = torch.tensor(grid.low + np.arange(n_values)[:, None] > grid.high).T
        shares = of_shares(log_masses.masked_fill(beyond, -torch.inf).softmax(-1).numpy())
        return lambda numbers: shares((numbers - grid.low).clip(-1, n_values - 1))


@contextmanager
def same_arithmetic() -> Iterator[None]:
    """Compute with one thread, so that sums have the same order wherever they are computed."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(n_threads)


def rounded(values: Tensor, steps: float = _ROUNDING) -> Tensor:
    """Return values as multiples of ``1 / steps``, in double precision."""
    return torch.round(require_finite(values.double()) * steps) / steps


def _batches(n_rows: int, n_columns: int) -> list[slice]:
    """Return batches of rows. Each is at most an eighth of those before it together.

    These hold the bits that its latent vectors are popped from, which are several times as many as
    those of its rows if rows are binary.
    """
    most = max(1, min(_MOST_ROWS, _BATCH_VALUES // n_columns))
    batches, start = [], 0
    while start < n_rows:
        stop = min(start + min(max(start // _ROWS_BEFORE, 1), most), n_rows)
        batches.append(slice(start, stop))
        start = stop
    return batches


def _with_gaps(X: np.ndarray, missing: np.ndarray) -> np.ndarray:
    return np.where(missing, np.nan, X)


def _bounds(grid: ValueGrid, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of numbers; those of missing values leave nothing to code."""
    return np.where(missing, 0, grid.low), np.where(missing, 0, grid.high)
