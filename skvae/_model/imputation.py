"""Missing values by a trained module: expectations and draws, given the observed ones."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from skvae._model.inference import fill_gaps, map_rows, require_finite
from skvae._model.module import VAEModule
from skvae._random import fixed_normal_draws, make_generator


def expected(modules: Sequence[VAEModule], X: np.ndarray, n_samples: int) -> np.ndarray:
    """Return rows with E[x|observed values] in place of missing values.

    The expectation is estimated by `n_samples` draws from q(z|x), the same normal draws for all
    rows, with self-normalised importance weights (Mattei & Frellsen, 2019, equation 12), and
    averaged over the modules.
    """

    def step(module: VAEModule, x: Tensor) -> Tensor:
        outputs, weights = _weighted_outputs(modules, x, n_samples)
        if module.likelihood.spec.real_valued:  # the models may differ in their scales
            return _means(modules, outputs, weights).mean(0)
        return module.likelihood.mean_of_draws(outputs, weights)

    return fill_gaps(X, lambda rows: map_rows(step, modules[0], rows, n_samples))


def drawn(
    modules: Sequence[VAEModule],
    X: np.ndarray,
    n_draws: int,
    n_samples: int,
    seed: int,
    widths: np.ndarray | None = None,
) -> np.ndarray:
    """Return copies of rows with draws from p(missing|observed values) in place of missing values.

    These are drawn by sampling-importance resampling from `n_samples` draws from q(z|x) of each
    module (Mattei & Frellsen, 2019, section 3.4). The draws of a row depend on the seed, on its
    values, and on how many equal rows come before it. Deviations of draws from their mean under
    the module that they come from are multiplied by `widths`, (n_features,).

    Returns
    -------
    X_drawn : ndarray of shape (n_draws, n_samples, n_features)
    """

    def completed(rows: np.ndarray) -> np.ndarray:
        seeds = iter(_seeds_of_rows(rows, seed))

        def step(module: VAEModule, x: Tensor) -> Tensor:
            outputs, weights = _weighted_outputs(modules, x, n_samples)
            drawn = [
                _draws_of_row(modules, *pair, n_draws, next(seeds))
                for pair in zip(outputs, weights, strict=True)
            ]
            draws, owners = (torch.stack(parts) for parts in zip(*drawn, strict=True))
            if widths is None:
                return draws
            means = _means(modules, outputs, weights)[owners, torch.arange(len(x))[:, None]]
            return means + torch.from_numpy(widths).to(means) * (draws - means)

        return map_rows(step, modules[0], rows, n_samples).swapaxes(0, 1)

    return np.broadcast_to(fill_gaps(X, completed), (n_draws, *X.shape))


def _weighted_outputs(
    modules: Sequence[VAEModule], x: Tensor, n_samples: int
) -> tuple[Tensor, Tensor]:
    """Return the decoders' outputs for draws from q(z|x), and their importance weights.

    The draws are grouped by module, whose weights sum to the same.
    """
    outputs, weights = [], []
    for module in modules:
        module = module.in_precision(np.dtype(str(x.dtype).removeprefix("torch.")))
        mean, log_var = module.encode(x)
        noise = torch.from_numpy(fixed_normal_draws(n_samples, mean.shape[1]).copy()).to(mean)
        z = mean[:, None] + (0.5 * log_var).exp()[:, None] * noise
        outputs.append(require_finite(module.decode(z)))
        log_weights = module.log_weights(x, mean, log_var, z, outputs[-1])
        weights.append(require_finite(log_weights.softmax(1)) / len(modules))
    return torch.cat(outputs, 1), torch.cat(weights, 1)


def _means(modules: Sequence[VAEModule], outputs: Tensor, weights: Tensor) -> Tensor:
    """Return the expectation of missing values by each module, (n_modules, n_rows, n_features)."""
    of_modules = zip(
        modules, outputs.chunk(len(modules), 1), weights.chunk(len(modules), 1), strict=True
    )
    means = [
        module.likelihood.mean_of_draws(outputs, weights * len(modules))
        for module, outputs, weights in of_modules
    ]
    return torch.stack(means)


def _draws_of_row(
    modules: Sequence[VAEModule], outputs: Tensor, weights: Tensor, n_draws: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Resample latent draws by their weights, and draw from p(x|z) of their module for each.

    Returns
    -------
    draws : Tensor of shape (n_draws, n_features)
    owners : Tensor of int of shape (n_draws,)
        Positions of their modules.
    """
    generator = make_generator(seed, outputs.device)
    chosen = weights.multinomial(n_draws, replacement=True, generator=generator)
    owners = chosen // (len(weights) // len(modules))
    draws = outputs.new_empty(n_draws, modules[0].parts.n_features)
    for owner in owners.unique().tolist():
        own = owners == owner
        drawn = modules[owner].likelihood.sample_missing(outputs[chosen[own]], generator)
        draws[own] = drawn.to(draws)
    return draws, owners


def _seeds_of_rows(X: np.ndarray, seed: int) -> list[int]:
    """Return a seed for each row by its values, with another one for every repetition of a row."""
    repetitions: dict[bytes, int] = {}
    seeds = []
    for row in np.where(np.isnan(X), np.nan, X) + 0.0:  # one NaN, and no negative zero
        values = row.tobytes()
        repetitions[values] = count = repetitions.get(values, 0) + 1
        digest = blake2b(values, digest_size=7, key=f"{seed},{count}".encode()).digest()
        seeds.append(int.from_bytes(digest, "little"))
    return seeds
