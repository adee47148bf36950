"""Latent vectors as whole numbers on a grid, and their codes under posterior and prior."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from skvae.compression._bit_stack import BitStack, Cdf, of_shares

_STEPS_PER_STD = 4  # of the narrowest posterior; the cells then cost next to nothing
_REACH = 8  # standard deviations, beyond which all mass counts as that of the outermost cells
_LARGEST_EXPONENT = 40


class LatentGrid(NamedTuple):
    """Cells of one width for all latent dimensions; the outermost ones have no end.

    Parameters
    ----------
    log_steps : int
        Binary logarithm of the number of cells per unit.
    log_reach : int
        Binary logarithm of the largest value.
    """

    log_steps: int
    log_reach: int

    @classmethod
    def of_posteriors(cls, posteriors: list[Posterior]) -> LatentGrid:
        """Return the coarsest grid that is fine enough for all posteriors and reaches them."""
        narrowest = min(float(own.std.min()) for own in posteriors)
        farthest = max(float((np.abs(own.mean) + _REACH * own.std).max()) for own in posteriors)
        log_steps = int(np.ceil(np.log2(_STEPS_PER_STD / narrowest)))
        log_reach = int(np.ceil(np.log2(max(farthest, _REACH))))
        return cls(max(log_steps, 2), log_reach).checked()

    def checked(self) -> LatentGrid:
        """Return the grid.

        Raises
        ------
        ValueError
            If it has more cells than numbers can count.
        """
        if not (self.log_steps >= 0 and self.log_reach >= 0):
            raise ValueError("the cells of its latent vectors have no width")
        if self.log_steps + self.log_reach > _LARGEST_EXPONENT:
            raise ValueError(
                f"Latent vectors reach 2**{self.log_reach} and need 2**{self.log_steps} steps per "
                "unit, too many to be coded. The rows lie too far from the training rows."
            )
        return self

    @property
    def high(self) -> int:
        """Number of the last cell; the first one has the number ``-high - 1``."""
        return 2 ** (self.log_steps + self.log_reach) - 1

    def values(self, cells: np.ndarray) -> np.ndarray:
        """Return the middles of cells."""
        return (cells + 0.5) * 2.0**-self.log_steps

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Return the cells that hold values."""
        return np.floor(values * 2.0**self.log_steps).astype(np.int64).clip(~self.high, self.high)

    def cdf(self, mean: np.ndarray, std: np.ndarray) -> Cdf:
        """Return the distribution function of the cells of normal variables."""
        return lambda cells: ndtr(((cells + 1) * 2.0**-self.log_steps - mean) / std)

    def push_normal(
        self, stack: BitStack, cells: np.ndarray, mean: np.ndarray, std: np.ndarray
    ) -> None:
        """Push cells of normal variables."""
        stack.push(cells, ~self.high, self.high, self.cdf(mean, std))

    def pop_normal(self, stack: BitStack, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Pop cells of normal variables."""
        return stack.pop(mean.shape, ~self.high, self.high, self.cdf(mean, std))


class Posterior(NamedTuple):
    """Means and standard deviations of q(z|x), each (n_rows, n_components)."""

    mean: np.ndarray
    std: np.ndarray


class PriorCode:
    """The code of cells under a mixture of normal distributions.

    With the number k of a component, z is coded by ``p(k) p(z|k) / p(k|z)``, which is p(z): the
    component is popped from the stack, given z, before z and the component are pushed.

    Parameters
    ----------
    log_weights : ndarray of shape (k,)
    means : ndarray of shape (k, n_components)
    spread : ndarray of shape (k, n_components, n_components)
        Lower triangular factors L of the covariances, L L^T.
    """

    def __init__(self, log_weights: np.ndarray, means: np.ndarray, spread: np.ndarray):
        self.log_weights, self.means, self.spread = log_weights, means, spread
        self.own = np.diagonal(spread, axis1=1, axis2=2)  # (k, n_components)
        self.is_diagonal = not np.tril(spread, -1).any()
        self.shares = of_shares(_softmax(log_weights))
        self.every = np.arange(len(means))

    def push(self, stack: BitStack, grid: LatentGrid, cells: np.ndarray, bits_back: bool) -> None:
        """Push the cells of latent vectors, (n_rows, n_components).

        Without `bits_back` the component is the most probable one, for a stack without bits.
        """
        z = grid.values(cells)
        log_joint, last = self._log_joint(z), len(self.every) - 1
        if bits_back:
            chosen = stack.pop((len(z),), 0, last, of_shares(_softmax(log_joint)))
        else:
            chosen = log_joint.argmax(axis=1)
        means = list(self._means(chosen, lambda place, mean: z[:, place]))
        for place, mean in reversed(list(enumerate(means))):
            grid.push_normal(stack, cells[:, place], mean, self.own[chosen, place])
        stack.push(chosen, 0, last, self.shares)

    def pop(self, stack: BitStack, grid: LatentGrid, n_rows: int, bits_back: bool) -> np.ndarray:
        """Pop what `push` has pushed, and push what it has popped."""
        last = len(self.every) - 1
        chosen = stack.pop((n_rows,), 0, last, self.shares)
        cells = np.empty((n_rows, self.means.shape[1]), dtype=np.int64)

        def pop_place(place: int, mean: np.ndarray) -> np.ndarray:
            cells[:, place] = grid.pop_normal(stack, mean, self.own[chosen, place])
            return grid.values(cells[:, place])

        for _ in self._means(chosen, pop_place):
            pass
        if bits_back:
            log_joint = self._log_joint(grid.values(cells))
            stack.push(chosen, 0, last, of_shares(_softmax(log_joint)))
        return cells

    def _log_joint(self, z: np.ndarray) -> np.ndarray:
        """Return log p(z, k) but for a constant, (n_rows, k), without products of matrices."""
        log_joint = np.tile(self.log_weights - np.log(self.own).sum(axis=1), (len(z), 1))
        for place, mean in enumerate(self._means(self.every, lambda place, mean: z[:, [place]])):
            log_joint -= 0.5 * np.square((z[:, [place]] - mean) / self.own[:, place])
        return log_joint

    def _means(self, chosen: np.ndarray, value: Callable[..., np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the mean of every latent dimension given those before it and the component.

        ``value(place, mean)`` returns the value of a dimension.
        """
        deviations: list[np.ndarray] = []  # independent, with unit variance
        for place in range(self.means.shape[1]):
            mean = self.means[chosen, place]
            if not self.is_diagonal:
                slopes = self.spread[chosen, place]
                mean = mean + sum(slopes[:, k] * known for k, known in enumerate(deviations))
            own = value(place, mean)
            deviations.append((own - mean) / self.own[chosen, place])
            yield mean


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)
