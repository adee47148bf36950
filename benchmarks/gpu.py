"""Seconds per epoch of MNIST on a GPU, beside bare torch loops, and the utilisation of the GPU.

    python benchmarks/gpu.py [--networks mlp conv] [--rows 60000] [--epochs 5] [--repeats 3]
        [--batch-size 128] [--json FILE]

Each fit is a whole fit that starts from rows in host memory. The bare loops copy the rows to the
GPU once and use fused AdamW; one of them replays each step as a CUDA graph. "busy" is the time
during which a kernel or a copy runs, in a profiled fit of the first 6,400 rows, divided by the time
of the same fit without the profiler. Without a GPU the script prints one line and exits.
"""

from __future__ import annotations

from functools import partial

import torch
from _bare import LEARNING_RATE, NETWORKS, BareVAE, train
from _harness import Spread, arguments, environment, ratios, report, seconds, take_turns
from _images import images
from torch.profiler import ProfilerActivity, profile

from skvae import VAETransformer

N_COMPONENTS = 16
DEVICE = "cuda"
BASE = "bare loop"
PROFILED_ROWS = 6400  # reading the events of a longer fit takes minutes


def main():
    settings = arguments(
        __doc__, networks=["mlp", "conv"], rows=60_000, epochs=5, batch_size=128, data="mnist"
    )
    if not torch.cuda.is_available():
        print("No GPU: torch finds no CUDA device on this machine, so nothing is measured.")
        return
    X = images(settings.rows, settings.data)
    table = []
    for network in settings.networks:
        fits = _contestants(network, X, settings)
        for fit in fits.values():
            fit()  # untimed: loads libraries, chooses kernels
        times = take_turns(
            {name: partial(seconds, fit) for name, fit in fits.items()}, settings.repeats
        )
        short_fits = _contestants(network, X[:PROFILED_ROWS], settings)
        for name, short_fit in short_fits.items():
            table.append(
                {
                    "network": network,
                    "contestant": name,
                    "seconds per epoch": Spread.of(times[name]).median / settings.epochs,
                    "ratio": ratios(times[name], times[BASE]),
                    "busy": busy_seconds(short_fit) / seconds(short_fit),
                }
            )
    found = environment() | {"processor": torch.cuda.get_device_name()}
    report(f"{settings.epochs} epochs of {len(X):,} images on a GPU", table, settings, found)


def _contestants(network, X, settings):
    fits = {}
    for loop_name, loop in ((BASE, train), (f"{BASE}, CUDA graph", train_by_graph)):
        for suffix, bfloat16 in (("", False), (", bfloat16", True)):
            fits[loop_name + suffix] = partial(_fit_bare, loop, bfloat16, network, X, settings)
    for precision in ("float32", "auto"):
        fits[f"skvae, {precision}"] = partial(_fit, precision, network, X, settings)
    return {name: partial(_synchronized, fit) for name, fit in fits.items()}


def _fit(precision, network, X, settings):
    VAETransformer(
        N_COMPONENTS,
        network=network,
        likelihood="bernoulli",
        max_epochs=settings.epochs,
        batch_size=settings.batch_size,
        precision=precision,
        device=DEVICE,
        random_state=0,
    ).fit(X)


def _fit_bare(loop, bfloat16, network, X, settings):
    parts = NETWORKS[network](X.shape[1], N_COMPONENTS)
    model = BareVAE(*parts, bfloat16=bfloat16).to(DEVICE)
    loop(model, torch.from_numpy(X).to(DEVICE), settings.epochs, settings.batch_size)


def _synchronized(fit):
    fit()
    torch.cuda.synchronize()


def train_by_graph(model, x, n_epochs, batch_size):
    """Train by replaying one captured step; a smaller last batch takes an ordinary step."""
    options = {"lr": LEARNING_RATE, "fused": True, "capturable": True}
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    place = x[:batch_size].clone()  # the graph always reads its batch from this memory

    def step(batch):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()

    graph = _captured(partial(step, place))
    for _ in range(n_epochs):
        permuted = x[torch.randperm(len(x), device=x.device)]
        for batch in permuted.split(batch_size):
            if len(batch) == batch_size:
                place.copy_(batch)
                graph.replay()
            else:
                step(batch)


def _captured(step):
    """Return the step as a graph, after the warm-up on another stream that torch requires."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def busy_seconds(fit):
    """Return the time during which at least one kernel or copy runs, in a profiled fit."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        fit()
    return covered(
        (event.time_range.start / 1e6, event.time_range.end / 1e6)
        for event in profiler.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )


def covered(spans):
    """Return the length of the union of spans (start, end)."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


if __name__ == "__main__":
    main()
