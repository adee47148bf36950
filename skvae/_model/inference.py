"""Evaluation of a trained module over many rows: in chunks, in the precision of the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from skvae._model.module import VAEModule
from skvae._parts import Score
from skvae._random import fixed_normal_draws
from skvae._rows.arrays import has_gaps
from skvae._rows.source import Source, starts_of_blocks

# Size of a chunk: small enough for the cache, large enough for the cores. From 2,048 rows on,
# convolutions take twice the time per row (benchmarks/inference.py). Small networks, by contrast,
# spend half of the time between their products, so that more draws of narrow rows pass at once.
_CHUNK_ROWS = 2**9
_MOST_PASSES = 2**12
_PASSING_VALUES = 2**17
_CHUNK_VALUES = 2**20
_CHUNK_OUTPUTS = 2**22  # 16 MB in single precision, for a likelihood with many outputs per feature
FEWEST_DRAWS = 16
_BLOCK_DRAWS = 2**13  # from the prior, for draws that meet a condition
_MOST_BLOCKS = 16
_ENOUGH_CONDITIONAL = 500  # effective draws
_FEWEST_CONDITIONAL = 20
_LARGEST_SCORE = 1e300  # so that differences of two scores are finite

Values = TypeVar("Values", Tensor, np.ndarray)


def encode(module: VAEModule, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of q(z|x), in the dtype of X."""

    def step(module: VAEModule, x: Tensor) -> Tensor:
        mean, log_var = module.encode(x)
        return torch.stack([mean, (0.5 * log_var).exp()], dim=-1)

    moments = map_rows(step, module, X, n_draws=0)  # (n_samples, n_components, 2)
    return np.ascontiguousarray(moments[..., 0]), np.ascontiguousarray(moments[..., 1])


def encode_mean(module: VAEModule, X: np.ndarray, out: Any = None) -> np.ndarray:
    """Return the mean of q(z|x), in the dtype of X."""
    return map_rows(lambda module, x: module.encode(x)[0], module, X, n_draws=0, out=out)


def decode(module: VAEModule, Z: np.ndarray, out: Any = None) -> np.ndarray:
    """Return E[p(x|z)] in the units of X, in the dtype of Z."""
    return map_rows(lambda module, z: module.likelihood.mean(module.decode(z)), module, Z, out=out)


def classify(module: VAEModule, X: np.ndarray) -> np.ndarray:
    """Return log q(y|x) of all classes, (n_samples, n_classes), in the dtype of X."""
    return map_rows(lambda module, x: module.classify(x), module, X, n_draws=0)


def sample_prior(
    module: VAEModule, n_samples: int, generator: torch.Generator, label: int | None = None
) -> np.ndarray:
    """Draw z from the prior, or from that of a class, (n_samples, n_components)."""
    with torch.inference_mode():
        return module.sample_prior(n_samples, generator, label).cpu().numpy()


def sample_conditional(
    module: VAEModule,
    row: np.ndarray,
    columns: list[int],
    n_samples: int,
    generator: torch.Generator,
    label: int | None = None,
) -> np.ndarray:
    """Draw z given the values of some columns, by sampling-importance resampling (Rubin, 1987).

    Latent vectors are drawn from the prior until their effective sample size, with the likelihood
    of the given values as weights, is `n_samples` or 500, whichever is smaller. The number of draws
    is bounded.

    Parameters
    ----------
    module : VAEModule
    row : ndarray of shape (1, n_features)
        Holds the given values; the others are not used.
    columns : list of int
        Positions of the given values.
    n_samples : int
    generator : torch.Generator
    label : int or None, default=None
        Class of the rows.

    Returns
    -------
    Z : ndarray of shape (n_samples, n_components)

    Raises
    ------
    ValueError
        If the effective sample size stays below `n_samples` and 20, with its value.
    """
    blocks: list[np.ndarray] = []
    log_weights, size = np.empty(0), 0.0
    fewest = min(n_samples, _FEWEST_CONDITIONAL)
    x = torch.from_numpy(row).to(next(module.parameters()).device)

    def log_likelihood(module: VAEModule, z: Tensor) -> Tensor:
        log_prob = module.likelihood.log_prob(module.decode(z), x.to(z.dtype).expand(len(z), -1))
        return log_prob[:, columns].sum(1)

    while size < min(n_samples, _ENOUGH_CONDITIONAL) and len(blocks) < _MOST_BLOCKS:
        Z = sample_prior(module, _BLOCK_DRAWS, generator, label)  # weights need no double precision
        blocks.append(Z)
        new = map_rows(log_likelihood, module, Z).astype(np.float64)
        log_weights = np.append(log_weights, new)
        weights = np.exp(log_weights - log_weights.max())
        size = weights.sum() ** 2 / np.square(weights).sum()
    if size < fewest:
        raise ValueError(
            f"The condition is too rare under the model: {len(log_weights)} draws have an "
            f"effective sample size of {size:.1f}, but at least {fewest} are required. Give "
            "fewer or more frequent values, or draw fewer rows."
        )
    weights = torch.from_numpy(weights).to(generator.device)
    drawn = weights.multinomial(n_samples, replacement=True, generator=generator)
    return np.concatenate(blocks)[drawn.cpu().numpy()].astype(row.dtype)


def draw_rows(module: VAEModule, Z: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Draw from p(x|z) for every z, in the dtype of Z."""

    def step(module: VAEModule, z: Tensor) -> Tensor:
        return module.likelihood.sample(require_finite(module.decode(z)), generator)

    return map_rows(step, module, Z)


def draw_posterior(module: VAEModule, X: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Draw from q(z|x) once for every row, (n_samples, n_components), in the dtype of X."""

    def step(module: VAEModule, x: Tensor) -> Tensor:
        return module.draw_posterior(*module.encode(x), 1, generator)[:, 0]

    return map_rows(step, module, X, n_draws=0)


def score(module: VAEModule, X: np.ndarray, kind: str, n_samples: int) -> np.ndarray:
    """Return one of `SCORES` for every row, float64, in nats.

    A bound of fewer than 16 samples is the mean over several sets of them, 16 draws in all: one
    set that all rows share would shift all their scores by the luck of its few draws. The sets
    for 1, 2, 4, 8 and 16 samples are nested, so the bound never falls between them.
    """

    def step(module: VAEModule, x: Tensor) -> Tensor:
        return saturated(score_rows(module, x, kind, n_samples), x.dtype)

    n_draws = max(FEWEST_DRAWS, n_samples)
    return map_rows(step, module, X, n_draws).astype(np.float64)


def complete(module: VAEModule, X: np.ndarray) -> np.ndarray:
    """Return rows with E[p(x|z)] at the posterior mean in place of missing values.

    It is moved to the nearest value that the likelihood accepts. Rows without gaps stay as they
    are.
    """
    return fill_gaps(X, lambda rows: map_rows(complete_rows, module, rows))


def complete_rows(module: VAEModule, x: Tensor) -> Tensor:
    """Return the rows of one chunk as `complete` does, in an ONNX graph too."""
    if not torch.compiler.is_compiling() and not x.isnan().any():
        return x
    support: Any = module.likelihood.support  # takes tensors here
    expected = module(x).to(x.dtype)
    return torch.where(x.isnan(), expected if support is None else support.nearest(expected), x)


def fill_gaps(X: np.ndarray, fill: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return X with other values in place of missing ones; X itself if none is missing.

    `fill` takes the incomplete rows, (n_incomplete, n_features), and returns complete ones, of that
    shape or of several copies, (n_copies, n_incomplete, n_features).
    """
    missing = np.isnan(X)
    incomplete = missing.any(axis=1)
    if not incomplete.any():
        return X
    rows = X[incomplete]
    completed = np.where(missing[incomplete], fill(rows), rows)
    filled = np.broadcast_to(X, (*completed.shape[:-2], *X.shape)).copy()
    filled[..., incomplete, :] = completed
    return filled


def build_score(score: Score, module: VAEModule, X: Any, n_samples: int) -> dict[str, Tensor]:
    """Return what a score learns from the training rows, which it may need to be complete."""
    is_ready = score.accepts_gaps or not has_gaps(X)
    return score.build(module, X if is_ready else complete(module, X), n_samples)


def evaluate(
    score: Score, module: VAEModule, X: Any, known: dict[str, Tensor], n_samples: int
) -> np.ndarray:
    """Return what a score makes of every row, float64; `known` is what its `build` returned."""
    if isinstance(X, Source):
        parts = [evaluate(score, module, rows, known, n_samples) for rows in X.blocks()]
        return np.concatenate(parts)
    X = X if score.accepts_gaps else complete(module, X)
    device = next(module.parameters()).device
    known = {name: tensor.double().to(device) for name, tensor in known.items()}

    def step(module: VAEModule, x: Tensor) -> Tensor:
        return saturated(score(module, x, known, n_samples), x.dtype)

    return map_rows(step, module, X, score.n_draws(n_samples)).astype(np.float64)


def score_rows(module: VAEModule, x: Tensor, kind: str, n_samples: int) -> Tensor:
    """Return one of `SCORES` for the rows of one chunk, by the draws that all rows share."""
    mean, log_var = module.encode(x)
    n_sets = max(1, FEWEST_DRAWS // n_samples)
    fixed = fixed_normal_draws(n_sets * n_samples, module.parts.n_components)
    draws = torch.from_numpy(fixed.copy()).to(mean)
    return SCORES[kind](module, x, mean, log_var, draws, n_sets)


def log_likelihood(
    module: VAEModule, X: np.ndarray, n_samples: int, generator: torch.Generator
) -> np.ndarray:
    """Return the bound of every row by draws of its own, not the fixed ones, float64, in nats."""

    def step(module: VAEModule, x: Tensor) -> Tensor:
        mean, log_var = module.encode(x)
        shape = (len(x), n_samples, mean.shape[1])
        draws = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
        return _log_likelihood(module, x, mean, log_var, draws, n_sets=1)

    return map_rows(step, module, X, n_samples).astype(np.float64)


def _log_likelihood(
    module: VAEModule, x: Tensor, mean: Tensor, log_var: Tensor, draws: Tensor, n_sets: int
) -> Tensor:
    """Importance-weighted bound on log p(x) (Burda et al., 2016, equation 8)."""
    blocks = [
        module.log_weights(x, mean, log_var, z, module.decode(z))
        for z in _posterior_draws(module, x, mean, log_var, draws)
    ]
    sets = torch.cat(blocks, dim=1).unflatten(1, (n_sets, -1))  # (n_rows, n_sets, n_samples)
    return (torch.logsumexp(sets, dim=2) - math.log(sets.shape[2])).mean(1)


def _reconstruction(
    module: VAEModule, x: Tensor, mean: Tensor, log_var: Tensor, draws: Tensor, n_sets: int
) -> Tensor:
    """Return E_q[log p(x|z)]."""
    blocks = [
        module.log_conditional(x, z).sum(1)
        for z in _posterior_draws(module, x, mean, log_var, draws)
    ]
    return torch.stack(blocks, 1).sum(1) / len(draws)


def _kl(
    module: VAEModule, x: Tensor, mean: Tensor, log_var: Tensor, draws: Tensor, n_sets: int
) -> Tensor:
    """Return KL(q(z|x) || p(z)), averaged over the draws if there is no closed form."""
    blocks = [
        module.kl(mean[:, None], log_var[:, None], z).sum(-1).mean(1) * z.shape[1]
        for z in _posterior_draws(module, x, mean, log_var, draws)
    ]
    return torch.stack(blocks, 1).sum(1) / len(draws)


def _posterior_draws(
    module: VAEModule, x: Tensor, mean: Tensor, log_var: Tensor, draws: Tensor
) -> Iterator[Tensor]:
    """Yield z = mean + std * draw, (n_samples, n_block, n_components), in blocks of draws."""
    std = (0.5 * log_var).exp()
    if torch.compiler.is_compiling():  # an exported graph has no number of rows to divide by
        blocks: Sequence[Tensor] = (draws,)
    else:
        n_block = _chunk_size(x.numel(), len(x), len(x) * module.likelihood.n_outputs)
        blocks = draws.split(n_block, dim=-2)
    for block in blocks:
        yield mean[:, None] + std[:, None] * block


SCORES: dict[str, Callable[..., Tensor]] = {
    "log_likelihood": _log_likelihood,
    "elbo": lambda *args: _reconstruction(*args) - _kl(*args),
    "reconstruction": _reconstruction,
    "kl": lambda *args: -_kl(*args),
}


def _chunk_size(n_values: int, n_rows: int, n_outputs: int) -> int:
    """Return how many go at a time, by the values, network rows and outputs that each takes."""
    by_outputs = _CHUNK_OUTPUTS // max(1, n_outputs)
    width = max(n_values, n_outputs) // n_rows
    n_passes = min(_MOST_PASSES, max(_CHUNK_ROWS, _PASSING_VALUES // width))
    return max(1, min(_CHUNK_ROWS, n_passes // n_rows, _CHUNK_VALUES // n_values, by_outputs))


def map_rows(
    function: Callable[[VAEModule, Tensor], Tensor],
    module: VAEModule,
    X: np.ndarray | Source,
    n_draws: int = 1,
    out: Any = None,
) -> Any:
    """Apply ``function(module, x)`` chunk by chunk into one array with the dtype of X, or `out`.

    The function decodes `n_draws` latent vectors per row, 0 if it only encodes. The size of a chunk
    depends on that number and on the widths of rows and outputs alone, and no row sees its
    neighbours. Without a source or `out`, all rows are one block.
    """
    if out is None and not isinstance(X, Source):
        return _map_block(function, module, X, n_draws)
    starts = starts_of_blocks(len(X), X.shape[1] if out is None else max(X.shape[1], out.shape[1]))
    for start in starts:
        block = slice(start, start + starts.step)
        values = _map_block(function, module, X[block], n_draws)
        if out is None:
            out = np.empty((len(X), *values.shape[1:]), dtype=X.dtype)
        out[block] = values
    return out


def _map_block(
    function: Callable[[VAEModule, Tensor], Tensor],
    module: VAEModule,
    X: np.ndarray,
    n_draws: int,
) -> np.ndarray:
    module = module.in_precision(X.dtype)
    device = next(module.parameters()).device
    n_passes = max(1, n_draws)
    n_outputs = n_draws * module.likelihood.n_outputs
    n_rows = _chunk_size(n_passes * X.shape[1], n_passes, n_outputs)
    result = np.empty(0, dtype=X.dtype)
    with torch.inference_mode():
        for start in range(0, len(X), n_rows):
            rows = X[start : start + n_rows]
            rows = rows if rows.flags.writeable else rows.copy()  # torch warns of read-only memory
            values = function(module, torch.from_numpy(rows).to(device)).cpu().numpy()
            if start == 0:
                result = np.empty((len(X), *values.shape[1:]), dtype=X.dtype)
            result[start : start + n_rows] = values
    return require_finite(result)


def saturated(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Return scores within the range of a type, so that those of far rows are finite too."""
    largest = min(torch.finfo(dtype).max, _LARGEST_SCORE)
    return scores.clamp(-largest, largest)


def require_finite(values: Values) -> Values:
    """Return what a model computed, if it is finite.

    Raises
    ------
    ValueError
        If it is not.
    """
    is_finite = torch.isfinite if isinstance(values, Tensor) else np.isfinite
    if not is_finite(values).all():
        raise ValueError(
            "The model returns values that are not finite. Either its weights are too large, or "
            "X lies too far from the training rows."
        )
    return values
