"""The one torch module: encoder, decoder, likelihood and prior joined; no training, no NumPy."""

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from skvae._random import isolated_rng

_LOG_2PI = math.log(2 * math.pi)
_LOG_VAR_RANGE = (-20.0, 10.0)  # beyond it exp() leaves the range where KL and draws mean anything


class Parts(NamedTuple):
    """What a module was built from, with every "auto" settled by the training rows."""

    network: Any
    likelihood: Any
    prior: Any
    n_features: int
    n_components: int


class VAEModule(nn.Module):
    """A variational autoencoder over rows in the units of X.

    Parameters
    ----------
    encoder : torch.nn.Module
        Maps standardised rows to (n_samples, 2 * n_components): means, then log variances.
    decoder : torch.nn.Module
        Maps (..., n_components) to the likelihood's (..., n_outputs).
    likelihood, prior : torch.nn.Module
        What the specs built.
    parts : Parts
        The specs.

    Attributes
    ----------
    n_rows : int or None
        Training rows of the last fit, for objectives that estimate q(z) of them all from a batch.
    """

    n_rows: int | None = None

    def __init__(self, encoder: nn.Module, decoder: nn.Module, likelihood, prior, parts: Parts):
        super().__init__()
        self.parts = parts
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.prior = prior
        self._like: Tensor
        self.register_buffer("_like", torch.empty(0, device="cpu"), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of everything between input and output, which follows conversions."""
        return self._like.dtype

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of q(z|x), each (n_samples, n_components)."""
        return self._posterior(self.likelihood.standardize(x))

    def decode(self, z: Tensor) -> Tensor:
        """Return what parametrises p(x|z), (..., n_outputs)."""
        return self.decoder(z.to(self.dtype)).to(self.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct: the mean of p(x|z) at the posterior mean, in the units of X."""
        mean, _ = self.encode(x)
        return self.likelihood.mean(self.decode(mean))

    def log_posterior(self, mean: Tensor, log_var: Tensor, z: Tensor) -> Tensor:
        """Return log q(z|x) in nats, (...,)."""
        squares = (z - mean).square() / log_var.exp()
        return -0.5 * (squares + log_var + _LOG_2PI).sum(-1)

    def kl(self, mean: Tensor, log_var: Tensor, z: Tensor) -> Tensor:
        """Return KL(q(z|x) || p(z)) in nats, (n_samples,): closed where the prior has a formula.

        Else it is estimated at the draws `z`, of shape (n_samples, n_components).
        """
        if hasattr(self.prior, "kl"):
            return self.prior.kl(mean, log_var)
        return self.log_posterior(mean, log_var, z) - self.log_prior(z)

    def log_prior(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats, (...,)."""
        known = self._pseudo_posteriors()
        with _full_precision(z):
            return self.prior.log_prob(z, *known)

    def sample_prior(self, n_samples: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw from p(z), (n_samples, n_components)."""
        return self.prior.sample(n_samples, generator, *self._pseudo_posteriors())

    def with_fixed_weights(self) -> VAEModule:
        """Return the module as one job of reading it sees it: pseudo-inputs are encoded once.

        It shares its weights with this one, and must be dropped before one of them changes.
        """
        if not hasattr(self.prior, "pseudo_inputs"):
            return self

        @torch.inference_mode(False)  # a score may take slopes, which its tensors cannot enter
        @torch.no_grad()
        def encode_pseudo_inputs() -> tuple[Tensor, ...]:
            return self._pseudo_posteriors()

        reader = copy.copy(self)
        reader._pseudo_posteriors = functools.cache(encode_pseudo_inputs)  # type: ignore[method-assign]
        return reader

    def _posterior(self, standardized: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.encoder(standardized.to(self.dtype)).to(self.dtype)
        mean, log_var = outputs.chunk(2, -1)
        return mean, log_var.clamp(*_LOG_VAR_RANGE)

    def _pseudo_posteriors(self) -> tuple[Tensor, ...]:
        """Return means and log variances of q(z|u) for a prior with pseudo-inputs u, or nothing."""
        pseudo_inputs = getattr(self.prior, "pseudo_inputs", None)
        return () if pseudo_inputs is None else self._posterior(pseudo_inputs)


def build_module(network, likelihood, prior, X: np.ndarray, n_components: int) -> VAEModule:
    """Build fresh parts from the specs and join them.

    Raises
    ------
    ValueError
        If a part gives an output of the wrong shape.
    """
    density = likelihood.build(X)

    def examples(n_rows: int) -> Tensor:
        rows = X[torch.randint(len(X), (n_rows,)).numpy()]
        return density.standardize(torch.from_numpy(rows)).to(torch.get_default_dtype())

    # a likelihood that settles something by the rows says as which spec it would do so again
    spec = getattr(density, "spec", likelihood)
    parts = Parts(network, spec, prior, X.shape[1], n_components)
    module = _join(parts, density, examples)
    _check_shapes(module, network, torch.from_numpy(X[:2].copy()), n_components)
    return module


def build_skeleton(parts: Parts, device: str = "meta") -> VAEModule:
    """Build a module without its training rows, to be filled with weights and buffers.

    On the device "meta" it takes no memory, whatever sizes the specs ask for.
    """
    rows = np.zeros((2, parts.n_features), dtype=np.float32)
    rows[1] = 1.0  # zeros and ones lie in the range that any likelihood takes
    with isolated_rng(0), torch.device(device):
        density = parts.likelihood.build(rows)
        return _join(parts, density, lambda n_rows: torch.zeros(n_rows, parts.n_features))


def _join(parts: Parts, density: nn.Module, examples: Callable[[int], Tensor]) -> VAEModule:
    """Join fresh parts; `examples` draws standardised training rows, for a prior that asks."""
    network, prior, n_components = parts.network, parts.prior, parts.n_components
    starts_from_rows = getattr(prior, "starts_from_rows", False)
    return VAEModule(
        network.build_encoder(parts.n_features, 2 * n_components),
        _build_decoder(parts, density),
        density,
        prior.build(n_components, examples) if starts_from_rows else prior.build(n_components),
        parts,
    )


def _build_decoder(parts: Parts, density: Any) -> nn.Module:
    """Build a fresh decoder; a network that asks is told the width of the rows too."""
    build = parts.network.build_decoder
    asks = "n_features" in inspect.signature(build).parameters
    known = {"n_features": parts.n_features} if asks else {}
    return build(parts.n_components, density.n_outputs, **known)


def _full_precision(z: Tensor):
    """Return a context without autocast: a learned prior has densities that bfloat16 would blur."""
    kind = z.device.type
    if not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


@torch.no_grad()
def _check_shapes(module: VAEModule, network, x: Tensor, n_components: int) -> None:
    module.eval()
    inputs = module.likelihood.standardize(x).to(module.dtype)
    latents = torch.zeros(len(x), n_components, dtype=module.dtype)
    for name, part, example, width in (
        ("encoder", module.encoder, inputs, 2 * n_components),
        ("decoder", module.decoder, latents, module.likelihood.n_outputs),
    ):
        shape = tuple(part(example).shape)
        if shape != (len(x), width):
            raise ValueError(
                f"The {name} built by network={network!r} returned an array of shape {shape} for "
                f"an input of shape {tuple(example.shape)}; expected {(len(x), width)}. "
                f"build_{name} must honour the number of outputs that it is given."
            )
    module.train()
