"""What likelihoods of real values share: features in scales of their own, and bounded noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skvae._scaling import Scaling
from skvae.likelihoods._constants import DensityWithConstants

NOISE_SPEED = 10.0  # steps of a log variance per step of a weight: it has decades to go
_LARGEST_LOG_VARIANCE = 20.0


class ScaledDensity(DensityWithConstants):
    """Base of the densities that see every feature less its centre, in units of its scale.

    The constants of a subclass hold `loc`, `scale`, `limit`, `least_variance` and `unknown`.
    """

    loc: Tensor
    scale: Tensor
    noise_floor: Tensor
    largest_input: Tensor
    unknown: Tensor

    def __init__(self, statistics: Scaling):
        super().__init__()
        self.scaling = statistics.kind
        self.register_buffer("loc", torch.from_numpy(statistics.loc))
        self.register_buffer("scale", torch.from_numpy(statistics.scale))
        self.register_buffer("noise_floor", torch.from_numpy(statistics.noise_floor))
        self.register_buffer("largest_input", torch.from_numpy(statistics.largest_input))
        self.register_buffer("unknown", torch.from_numpy(statistics.unknown))

    def standardize(self, x: Tensor) -> Tensor:
        limit = self.constants(x).limit
        return self._scaled(x).clamp(-limit, limit)

    def _scaled(self, x: Tensor) -> Tensor:
        constants = self.constants(x)
        return (x - constants.loc) / constants.scale

    def _in_units(self, scaled: Tensor) -> Tensor:
        # in float64, for columns whose offset dwarfs their spread
        return scaled.double() * self.scale + self.loc

    def _unknown_columns(self) -> Tensor | None:
        """Return which columns have taught no scale, None where all have."""
        all_known = not torch.compiler.is_compiling() and not self.unknown.any()
        return None if all_known else self.unknown


def bounded_variance(log_variance: Tensor, constants: Any) -> Tensor:
    """Return a variance above its floor, in units of the scale; 1 where the scale is unknown."""
    variance = log_variance.clamp(max=_LARGEST_LOG_VARIANCE).exp() + constants.least_variance
    return variance if constants.unknown is None else torch.where(constants.unknown, 1.0, variance)
