"""Time of a whole fit without each of the optimisations, relative to the time with all of them.

    OMP_NUM_THREADS=1 python benchmarks/ablation.py [--workloads ...] [--features ...] [--repeats 5]

Each feature is replaced by the plain code that it stands for, while the others remain. Within a
round, every fit without a feature has a fit with all features right beside it, and the ratio is
taken between these two. "cpu" is the ratio of processor time, "wall" that of elapsed time; a ratio
above 1 is the gain of the feature. The first fit is measured in fresh processes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from _harness import Spread, arguments, ratios, report, take_turns
from _images import images
from _processes import fresh_process
from sklearn.datasets import load_wine

from skvae import VAETransformer, _net, _working_copy
from skvae.likelihoods import _constants
from skvae.networks import MLP

Patches = list[Any]


def _autocast_alone() -> Patches:
    return [
        patch.object(_net, "WorkingCopy", lambda module, _: _working_copy.WorkingCopy(module, None))
    ]


def _plain_convolutions() -> Patches:
    return [patch.object(_working_copy, "in_products", lambda layer: layer)]


def _plain_optimizer() -> Patches:
    """Use torch's own AdamW by skorch's own step."""
    return [patch.object(_net, "light", lambda optimizer: optimizer)]


def _all_events() -> Patches:
    return [patch.object(_net.VAENet, "_events_unheard", lambda self: set())]


def _constants_every_time() -> Patches:
    derive = lambda self, like: self._derive(like.dtype)  # noqa: E731
    return [patch.object(_constants.DensityWithConstants, "constants", derive)]


def _items() -> Patches:
    """Read the losses of every batch into lists of numbers."""
    return [patch.object(_net.VAENet, "run_single_epoch", _run_single_epoch)]


def _run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
    if iterator is None:
        return
    self._set_training(training)
    self.working_copy_.module.train(training)
    self.working_copy_.refresh()
    self.batches_done_, self.batches_per_epoch_ = 0, len(iterator)
    self.validation_generator_ = _net.make_generator(0, self.device)
    sizes, values = [], []
    for batch in iterator:
        if "on_batch_end" not in self.unheard_:
            self.history.new_batch()
        self.notify("on_batch_begin", batch=batch, training=training)
        record = step_fn(batch, **fit_params)
        values.append([part.item() for part in record.values()])
        sizes.append(len(batch[0]))
        self.batches_done_ += 1
        self.notify("on_batch_end", batch=batch, training=training, y_pred=None, **record)
    self._record_epoch(prefix, list(record), torch.tensor(values), sizes)


def _batch_history() -> Patches:
    """Record every batch in skorch's history, as its own nets do."""

    def run(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        self._set_training(training)
        self.working_copy_.module.train(training)
        self.working_copy_.refresh()
        self.batches_done_, self.batches_per_epoch_ = 0, len(iterator)
        self.validation_generator_ = _net.make_generator(0, self.device)
        for batch in iterator:
            self.history.new_batch()
            self.notify("on_batch_begin", batch=batch, training=training)
            record = step_fn(batch, **fit_params)
            for name, part in record.items():
                self.history.record_batch(f"{prefix}_{name}", part.item())
            self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
            self.batches_done_ += 1
            self.notify("on_batch_end", batch=batch, training=training, y_pred=None, **record)
        sizes = self.history[-1, "batches", :, f"{prefix}_batch_size"]
        values = [self.history[-1, "batches", :, f"{prefix}_{name}"] for name in record]
        self._record_epoch(prefix, list(record), torch.tensor(values).t(), sizes)

    return [patch.object(_net.VAENet, "run_single_epoch", run)]


def _no_clipping() -> Patches:
    return [patch.object(_net, "clip_gradients", lambda parameters: None)]


def _torch_clipping() -> Patches:
    clip = lambda parameters: torch.nn.utils.clip_grad_norm_(parameters, 1e8)  # noqa: E731
    return [patch.object(_net, "clip_gradients", clip)]


def _bare_clipping() -> Patches:
    """Leave out the shortcut that does not multiply on a processor."""

    @torch.no_grad()
    def clip(parameters, largest=1e8):
        gradients = [weights.grad for weights in parameters if weights.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, (largest / norm).clamp(max=1.0))

    return [patch.object(_net, "clip_gradients", clip)]


def _both(*plain: Callable[[], Patches]) -> Patches:
    return [each for one in plain for each in one()]


BFLOAT16 = {
    "working copy and products": _autocast_alone,
    "convolutions as products": _plain_convolutions,
}
FEATURES = {
    "light optimizers": _plain_optimizer,
    "unheard events": _all_events,
    "cached constants": _constants_every_time,
    "losses in one block": _items,
    "losses, skorch history": _batch_history,
    "the four above together": partial(
        _both, _plain_optimizer, _all_events, _constants_every_time, _batch_history
    ),
    "clipping": _no_clipping,
    "clipping by torch": _torch_clipping,
    "clipping without shortcut": _bare_clipping,
}


def _images_fit(network, n_rows, max_epochs, precision) -> Callable[[], Any]:
    model = VAETransformer(
        16,
        network=network,
        likelihood="bernoulli",
        batch_size=128,
        max_epochs=max_epochs,
        precision=precision,
        random_state=0,
    )
    return partial(model.fit, images(n_rows, "mnist"))


def _table_fit(hidden_layer_sizes) -> Callable[[], Any]:
    X = load_wine().data.astype("float32")
    network = MLP(hidden_layer_sizes)
    return partial(VAETransformer(8, network=network, max_epochs=84, random_state=0).fit, X)


WORKLOADS = {
    "wine (512, 256)": partial(_table_fit, (512, 256)),
    "wine (64, 32)": partial(_table_fit, (64, 32)),
    "mlp auto": partial(_images_fit, "mlp", 10_000, 2, "auto"),
    "mlp float32": partial(_images_fit, "mlp", 10_000, 2, "float32"),
    "conv auto": partial(_images_fit, "conv", 2_000, 2, "auto"),
    "conv float32": partial(_images_fit, "conv", 2_000, 2, "float32"),
}
FIRST_FIT = """
import json, sys, time
from unittest.mock import patch
from sklearn.datasets import load_wine
from skvae import VAETransformer, _net
from skvae.networks import MLP
if sys.argv[1] == "plain":
    _net.light = lambda optimizer: optimizer
X = load_wine().data.astype("float32")
network = MLP(tuple(map(int, sys.argv[2:])))
start = time.process_time(), time.perf_counter()
VAETransformer(8, network=network, random_state=0).fit(X)
print(json.dumps([time.process_time() - start[0], time.perf_counter() - start[1]]))
"""


def main() -> None:
    settings = arguments(
        __doc__,
        repeats=5,
        workloads=list(WORKLOADS),
        features=["all"],
        first_fit=0,
        log="ablation.jsonl",
    )
    fits = {name: WORKLOADS[name]() for name in settings.workloads}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for fit in fits.values():
        _time(fit, _plain_optimizer())  # imports the compiler, which the first fit alone pays for
    for round_ in range(settings.repeats):
        for name, fit in fits.items():
            start = time.perf_counter()
            for feature, pair in _round(fit, _features(name, settings.features), round_):
                found.setdefault((feature, name), []).append(pair)
                with open(settings.log, "a") as log:
                    log.write(json.dumps([name, feature, *pair]) + "\n")
            print(round_, name, f"{time.perf_counter() - start:.0f} s", flush=True)
    rows = [
        {
            "feature": feature,
            "workload": name,
            "cpu": Spread.of([cpu for cpu, *_ in pairs]),
            "wall": Spread.of([wall for _, wall, *_ in pairs]),
            "seconds": Spread.of([seconds for *_, seconds in pairs]).median,
        }
        for (feature, name), pairs in found.items()
    ]
    if settings.first_fit:
        rows += [_first_fit(sizes, settings.repeats) for sizes in ((512, 256), (64, 32))]
    report("Time without a feature / time with all", rows, settings)


def _first_fit(sizes, repeats) -> dict[str, Any]:
    contestants = {
        name: partial(fresh_process, FIRST_FIT, name, *sizes) for name in ("plain", "light")
    }
    runs = take_turns(contestants, repeats)
    (plain_cpu, plain_wall), (cpu, wall) = (
        list(zip(*runs[name], strict=True)) for name in contestants
    )
    return {
        "feature": "light optimizers",
        "workload": f"wine {sizes}, first fit of a process",
        "cpu": ratios(plain_cpu, cpu),
        "wall": ratios(plain_wall, wall),
        "seconds": Spread.of(cpu).median,
    }


def _features(workload: str, chosen: list[str]) -> dict[str, Callable[[], Patches]]:
    features: dict[str, Callable[[], Patches]] = {}
    if workload.endswith("auto"):
        features |= BFLOAT16
        if workload.startswith("mlp"):
            del features["convolutions as products"]
    features |= FEATURES
    return {k: v for k, v in features.items() if chosen == ["all"] or k in chosen}


def _round(fit, features, round_) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Yield the ratios of each feature, every second fit with all features in between."""
    names = list(features)[:: 1 if round_ % 2 == 0 else -1]
    for k in range(0, len(names), 2):
        first, others = names[k], names[k + 1 : k + 2]
        without = _time(fit, features[first]())
        base = _time(fit, [])
        yield first, _ratio(without, base)
        for second in others:
            yield second, _ratio(_time(fit, features[second]()), base)


def _time(fit, patches) -> tuple[float, float]:
    with _all(patches):
        start = time.process_time(), time.perf_counter()
        fit()
        return time.process_time() - start[0], time.perf_counter() - start[1]


def _ratio(without, base) -> tuple[float, float, float]:
    return without[0] / base[0], without[1] / base[1], base[0]


@contextmanager
def _all(patches) -> Iterator[None]:
    with ExitStack() as stack:
        for one in patches:
            stack.enter_context(one)
        yield


if __name__ == "__main__":
    main()
