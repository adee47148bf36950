"""The flow prior: a normal distribution transformed by coupling layers."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from skvae._parts import Prior, PriorModule
from skvae._validation import Interval
from skvae.priors._standard_normal import normal_draws, normal_log_prob

_LARGEST_LOG_SCALE = 2.0  # of one layer, so that neither the flow nor its inverse diverges
_MOST_LAYERS = 100  # a limit to what a file can make `load` build


class FlowPrior(Prior):
    """A normal distribution transformed by affine coupling layers (RealNVP) [1]_ [2]_.

    Parameters
    ----------
    n_layers : int, default=6
        Number of coupling layers. They transform the even and the odd components in turn, given
        the others, so that at least two are needed to transform all.
    hidden_units : int, default=64
        Number of units in each of the two hidden layers of the network inside a coupling layer.

    See Also
    --------
    skvae.priors.MixturePrior : A learned prior with fewer weights.

    Notes
    -----
    A layer keeps half of the components, by the mask b, and transforms the others ([1]_, equation
    9): ``f(z) = b z + (1 - b) (z exp(s(b z)) + t(b z))``, whose log determinant is the sum of
    ``(1 - b) s``. Together the layers map a latent vector to a standard normal one:
    ``log p(z) = log N(f(z); 0, I) + log |det df/dz|``. Samples are drawn by the inverses of the
    layers. The log scales are bounded by ``s = 2 tanh(. / 2)``, and every layer starts as the
    identity. With a single component the map is affine. The KL divergence has no closed form and is
    estimated at the draws.

    References
    ----------
    .. [1] Dinh et al. (2017), "Density estimation using Real NVP", equations 7 to 9.
    .. [2] Huang et al. (2017), "Learnable Explicit Density for Continuous Latent Space and
       Variational Inference" (such a flow as the prior).

    Examples
    --------
    >>> import torch
    >>> from skvae.priors import FlowPrior
    >>> prior = FlowPrior(n_layers=4, hidden_units=32).build(n_components=2)
    >>> prior.log_prob(torch.zeros(1, 2)).item()  # untrained: -log(2 pi)
    -1.837...
    """

    _parameter_constraints: dict = {
        "n_layers": [Interval(Integral, 1, _MOST_LAYERS, closed="both")],
        "hidden_units": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, n_layers=6, hidden_units=64):
        self.n_layers = n_layers
        self.hidden_units = hidden_units

    def build(
        self, n_components: int, examples: Callable[[int], Tensor] | None = None
    ) -> PriorModule:
        """Build the distribution; initial weights are drawn from torch's default generator.

        Parameters
        ----------
        n_components : int
            Number of latent dimensions.
        examples : callable or None, default=None
            Not used.

        Returns
        -------
        prior : PriorModule

        Raises
        ------
        InvalidParameterError
            If a parameter of this object is out of range.
        """
        self.validate()
        return _Flow(n_components, self.n_layers, self.hidden_units)


class _Flow(PriorModule):
    couplings: Any  # a ModuleList of _Coupling, for which torch has no type

    def __init__(self, n_components: int, n_layers: int, hidden_units: int):
        super().__init__(n_components)
        self.couplings = nn.ModuleList(
            _Coupling(n_components, hidden_units, parity=layer % 2) for layer in range(n_layers)
        )

    def log_prob(self, z: Tensor) -> Tensor:
        log_det = z.new_zeros(z.shape[:-1])
        for coupling in self.couplings:
            z, log_scale = coupling(z)
            log_det = log_det + log_scale.sum(-1)
        return normal_log_prob(z) + log_det  # (...,)

    def sample(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        z = normal_draws(n_samples, self.n_components, generator, like=next(self.parameters()))
        for coupling in reversed(self.couplings):
            z = coupling.inverse(z)
        return z


class _Coupling(nn.Module):
    """Transforms the components of one parity, given those of the other."""

    moved: Tensor

    def __init__(self, n_components: int, hidden_units: int, parity: int):
        super().__init__()
        # not saved with the weights, hence not on "meta" when a model is built there to be loaded
        moved = torch.arange(n_components, device="cpu") % 2 == parity
        self.register_buffer("moved", moved.to(torch.get_default_dtype()), persistent=False)
        self.conditioner = nn.Sequential(
            _initialized(nn.Linear(n_components, hidden_units)),
            nn.SiLU(),
            _initialized(nn.Linear(hidden_units, hidden_units)),
            nn.SiLU(),
            _zeroed(nn.Linear(hidden_units, 2 * n_components)),
        )

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the transformed components and the log scales, both (..., n_components)."""
        log_scale, shift = self._motion(z)
        return z * log_scale.exp() + shift, log_scale

    def inverse(self, z: Tensor) -> Tensor:
        log_scale, shift = self._motion(z)  # depends on the components kept alone
        return (z - shift) * (-log_scale).exp()

    def _motion(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return log scales and shifts, which are zero for the components kept."""
        log_scale, shift = self.conditioner(z * (1 - self.moved)).chunk(2, -1)
        log_scale = _LARGEST_LOG_SCALE * torch.tanh(log_scale / _LARGEST_LOG_SCALE)
        return self.moved * log_scale, self.moved * shift


def _initialized(layer: nn.Linear) -> nn.Linear:
    """Initialise a hidden layer (He et al., 2015, equation 10); torch's own weights are smaller."""
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _zeroed(layer: nn.Linear) -> nn.Linear:
    for weights in layer.parameters():
        nn.init.zeros_(weights)
    return layer
