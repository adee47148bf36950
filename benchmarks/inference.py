"""Rows per second of the methods of a fitted model, beside plain torch with the same weights.

    python benchmarks/inference.py [--networks mlp conv] [--rows 60000] [--repeats 3]
        [--chunks 64 128 ...] [--chunk-rows 16384] [--json FILE]

Plain torch runs in eval and inference mode, in the chunk size that is fastest on this machine; the
first table shows the times of all chunk sizes. The size of a chunk is the number of rows that pass
a network at once, so that a score with 16 draws takes 1/16 as many rows of X per chunk; the first
table times `--chunk-rows` such passes. `sample` is `sample(mean=True)`. Both sides return the same
values, which is asserted before anything is timed. Ratios are of throughputs: above 1, skvae is
faster.

With --json FILE the first table is written to FILE with "-chunks" before its extension.
"""

from __future__ import annotations

import argparse
import math
from functools import partial

import numpy as np
import torch
from _bare import LOG_2PI, NETWORKS
from _harness import Spread, arguments, ratios, report, seconds, take_turns
from _images import images
from torch.nn.functional import binary_cross_entropy_with_logits

from skvae import VAETransformer
from skvae._random import draw_seed, fixed_normal_draws, make_generator

N_COMPONENTS = 16
N_DRAWS = 16
N_ROWS_TO_FIT = 2000  # the weights do not matter here
N_ROWS_TO_COMPARE = 1000
METHODS = ("transform", "inverse_transform", "reconstruct", "sample", "score_samples")


class BareModel:
    """The methods of a fitted transformer as functions of one chunk, in plain torch."""

    def __init__(self, vae, network):
        module = vae.module_
        self.encoder, self.decoder = NETWORKS[network](vae.n_features_in_, N_COMPONENTS)
        _copy_weights(module.encoder, self.encoder)
        _copy_weights(module.decoder, self.decoder)
        self.loc, self.scale = module.likelihood.loc.float(), module.likelihood.scale.float()
        self.offset = module.likelihood.loc.clamp(1e-3, 1 - 1e-3).logit().float()
        # the fixed draws of skvae, without which the values would differ
        self.draws = torch.from_numpy(fixed_normal_draws(N_DRAWS, N_COMPONENTS).copy()).float()

    def transform(self, x):
        return self._moments(x)[0]

    def inverse_transform(self, z):
        return (self.decoder(z) + self.offset).sigmoid()

    def reconstruct(self, x):
        return self.inverse_transform(self.transform(x))

    def score_samples(self, x):
        mean, log_var = (moment[:, None] for moment in self._moments(x))
        z = mean + (0.5 * log_var).exp() * self.draws  # (n_samples, n_draws, n_components)
        logits = self.decoder(z.flatten(0, 1)).unflatten(0, z.shape[:2]) + self.offset
        x = x[:, None].expand_as(logits)
        log_conditional = -binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        log_prior = -0.5 * (z.square() + LOG_2PI).sum(-1)
        log_posterior = -0.5 * (self.draws.square() + log_var + LOG_2PI).sum(-1)
        log_weights = log_conditional + log_prior - log_posterior
        return torch.logsumexp(log_weights, 1) - math.log(N_DRAWS)

    def _moments(self, x):
        return self.encoder((x - self.loc) / self.scale).chunk(2, -1)


def _copy_weights(fitted, mine):
    with torch.no_grad():
        for theirs, weights in zip(fitted.parameters(), mine.parameters(), strict=True):
            weights.copy_(theirs)
    mine.eval()


def main():
    settings = arguments(
        __doc__,
        networks=["mlp", "conv"],
        rows=60_000,
        chunk_rows=16_384,
        chunks=[64, 128, 256, 512, 1024, 2048, 4096, 8192],
        data="mnist",
    )
    X = images(settings.rows, settings.data)
    settings.chunk_rows = min(settings.chunk_rows, len(X))
    chunk_table, table = [], []
    for network in settings.networks:
        params = {"network": network, "likelihood": "bernoulli", "max_epochs": 1}
        vae = VAETransformer(N_COMPONENTS, random_state=0, **params).fit(X[:N_ROWS_TO_FIT])
        bare = BareModel(vae, network)
        _assert_same_values(vae, bare, X[:N_ROWS_TO_COMPARE])
        chunk_times = _time_chunks(vae, bare, X, settings)
        chunk_table += [{"network": network, **row} for row in _chunk_rows(chunk_times)]
        best = {method: min(times, key=times.get) for method, times in chunk_times.items()}
        table += [{"network": network, **row} for row in _compare(vae, bare, X, best, settings)]
    title = f"Bare torch: ms for {settings.chunk_rows:,} passes, by chunk size"
    report(title, chunk_table, _with_stem(settings, "-chunks"))
    report(f"{settings.rows:,} rows per call, score with {N_DRAWS} draws", table, settings)


def _assert_same_values(vae, bare, X):
    inputs = _inputs(vae, X)
    for method in METHODS:
        found, expected = _call(vae, method, inputs[method]), _call_bare(bare, method, inputs, 256)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=method)


def _time_chunks(vae, bare, X, settings):
    """Return the median seconds of every method for every chunk size."""
    n_rows = {"score_samples": settings.chunk_rows // N_DRAWS}
    times = {}
    for method in METHODS:
        inputs = _inputs(vae, X[: n_rows.get(method, settings.chunk_rows)])
        jobs = {
            chunk: partial(seconds, partial(_call_bare, bare, method, inputs, chunk))
            for chunk in settings.chunks
        }
        found = take_turns(jobs, settings.repeats)
        times[method] = {chunk: Spread.of(found[chunk]).median for chunk in jobs}
    return times


def _chunk_rows(chunk_times):
    for method, times in chunk_times.items():
        yield {"method": method, **{str(chunk): 1e3 * time for chunk, time in times.items()}}


def _compare(vae, bare, X, chunks, settings):
    inputs = _inputs(vae, X)
    for method in METHODS:
        contestants = {
            "skvae": partial(seconds, partial(_call, vae, method, inputs[method])),
            "bare": partial(seconds, partial(_call_bare, bare, method, inputs, chunks[method])),
        }
        times = take_turns(contestants, settings.repeats)
        yield {
            "method": method,
            "rows/s": len(X) / Spread.of(times["skvae"]).median,
            "bare rows/s": len(X) / Spread.of(times["bare"]).median,
            "ratio": ratios(times["bare"], times["skvae"]),
            "bare chunk": chunks[method],
        }


def _inputs(vae, X):
    """Return the argument of each method: rows, latent rows, or a number of rows."""
    Z = vae.transform(X)
    return dict.fromkeys(METHODS, X) | {"inverse_transform": Z, "sample": len(X)}


def _call(vae, method, argument):
    options = {"random_state": 0, "mean": True} if method == "sample" else {}
    return getattr(vae, method)(argument, **options)


def _call_bare(bare, method, inputs, chunk):
    if method == "sample":
        generator = make_generator(draw_seed(0))
        x = torch.randn(inputs[method], N_COMPONENTS, generator=generator)
        method = "inverse_transform"
    else:
        x = torch.from_numpy(inputs[method])
    size = max(1, chunk // N_DRAWS) if method == "score_samples" else chunk
    with torch.inference_mode():
        return torch.cat([getattr(bare, method)(part) for part in x.split(size)]).numpy()


def _with_stem(settings, suffix):
    path = settings.json and settings.json.with_stem(settings.json.stem + suffix)
    return argparse.Namespace(**{**vars(settings), "json": path})


if __name__ == "__main__":
    main()
