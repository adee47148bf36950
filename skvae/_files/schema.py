"""The fields that a model file or a checkpoint may have: type, range and relations of each.

What is not declared here is refused. The columns of a table are declared in `_rows/states.py`, and
the parameters of the parts by the parts themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from skvae._files.fields import (
    Check,
    anything,
    array,
    either,
    flag,
    instance,
    lines_of,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    record,
    require,
    tensor,
    text,
    whole,
)
from skvae._files.values import Call, checked_device
from skvae._parts import Likelihood, Network, Prior, Score

_MOST_FEATURES = 2**31
_MOST_EPOCHS = 2**31
_LARGEST_SCORE = 1e300
_LARGEST_WIDTH = 10.0

_HEADER: dict[str, Check] = {
    "format": whole(1, 2**31),
    "versions": mapping(text(100)),
    "sha256": text(64),
    "kind": one_of("model"),
    "estimator": text(100),
    "parameters": anything,  # these three are decoded and checked below
    "state": anything,
}
_HEADERS = {
    "model": record(_HEADER),
    "checkpoint": record({**_HEADER, "kind": one_of("checkpoint"), "run": anything}),
}


def is_measured(name: str) -> bool:
    """Return whether a column of a history holds a loss or another part of the objective."""
    return name.startswith(("train_", "valid_")) and not name.endswith(("_count", "_best"))


def _part(cls: type) -> Check:
    """Return the check of a part, which may stand there as a call."""
    return either(instance(Call), instance(cls))


def _device(value: Any, where: str) -> None:
    checked_device(str(value) if isinstance(value, torch.device) else value, where)


# What the constraints of the estimators leave open: objects, and costs of every later call.
_PARAMETERS: dict[str, Check] = {
    "device": _device,
    "callbacks": one_of(None),
    "n_importance_samples": whole(1, 2**16),
    "n_estimators": whole(1, 10_000),
    "random_state": optional(either(instance(np.random.RandomState), whole(0, 2**32 - 1))),
    "verbose": either(flag, whole(0, 2**31)),
}


def _numbers(value: Any, where: str) -> None:
    kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
    is_known = kind in ("float64", "int64", "bool") and value.ndim == 1
    require(is_known, kind, where, "an array of numbers of one dimension")


def _history(value: Any, where: str) -> None:
    """Check a history by columns: arrays of numbers, and lists of others."""
    mapping(either(list_of(anything), _numbers))(value, where)
    for name in ("epoch", "train_batch_count"):
        counts = value.get(name)
        array("int64", 1)(counts, f"{where}.{name}")
        few = bool((counts >= 1).all()) and int(counts.max()) <= 2**53 // len(counts)
        require(few, "counts", f"{where}.{name}", "counts of epochs and steps")
    for name in ("dur", "train_loss"):
        array("float64", 1)(value.get(name), f"{where}.{name}")
    seconds = value["dur"]
    require(bool((abs(seconds) < 1e10).all()), "dur", where, "durations in seconds")
    n_epochs = len(value["epoch"])
    require("batches" not in value, "batches", where, "a history of epochs")
    for name, column in value.items():
        require(len(column) == n_epochs, len(column), f"{where}.{name}", f"{n_epochs} values")
        if is_measured(name):
            array("float64", 1, finite=False)(column, f"{where}.{name}")
            require(not np.isinf(column).any(), name, where, "no infinite value")
    in_order = np.array_equal(value["epoch"], np.arange(1, n_epochs + 1))
    require(in_order, "epoch", where, "every epoch once")


_MODEL: dict[str, Check] = {
    "parts": record(
        {
            "network": _part(Network),
            "likelihood": _part(Likelihood),
            "prior": _part(Prior),
            "n_features": whole(1, _MOST_FEATURES),
            "n_components": whole(1, _MOST_FEATURES),
            "has_gaps": flag,
            "n_classes": whole(0, _MOST_FEATURES),
        }
    ),
    "weights": mapping(tensor()),
    "history": _history,
    "precision": one_of("float32", "bfloat16"),
    "dtype": one_of("float32", "float64"),
    "feature_names": optional(lines_of(text(10_000))),
    "table": optional(instance(dict)),
    "gap_patterns": optional(array("bool", 2)),
}


def _widths(value: Any, where: str) -> None:
    array("float64", 1)(value, where)
    sound = bool(((value >= 1) & (value <= _LARGEST_WIDTH)).all())
    require(sound, "a factor", where, f"factors in [1, {_LARGEST_WIDTH:g}]")


_text_classes = record({"labels": lines_of(text(10_000)), "dtype": text(20)})


def _classes(value: Any, where: str) -> None:
    is_array = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf"
    require(is_array, type(value).__name__, where, "an array of numbers, or texts")


_STATES = {
    "VAETransformer": record(_MODEL),
    "VAEAnomalyDetector": record(
        {
            **_MODEL,
            "score": _part(Score),
            "score_tensors": mapping(tensor()),
            "calibration_scores": optional(array("float64", 1)),
            "offset": number(-_LARGEST_SCORE, _LARGEST_SCORE),
            "usual_contributions": optional(array("float64", 1)),
        }
    ),
    "VAEClassifier": record({**_MODEL, "classes": either(_text_classes, _classes)}),
    "VAEImputer": record(
        {
            **_MODEL,
            "had_gaps": array("bool", 1),
            "had_values": array("bool", 1),
            "widths": _widths,
            "others": list_of(record(_MODEL)),
        }
    ),
}
_BYTES = tensor(torch.uint8)
_RUN = record(
    {
        "identity": record(
            {
                "parameters": mapping(text(2**30)),
                "rows": text(64),
                "shape": list_of(whole(1, 2**63), n_items=2, kind=tuple),
            }
        ),
        "seed": whole(0, 2**31 - 1),
        "epochs_before": whole(0, _MOST_EPOCHS),
        "optimizer": instance(dict),  # these two are compared with those of the fit
        "schedules": list_of(instance(dict)),
        "random_state": record(
            {
                "device": one_of("cpu", "cuda", "mps", "xpu"),
                "rows": _BYTES,
                "noise": _BYTES,
                "torch": _BYTES,
                "cuda": optional(_BYTES),
            }
        ),
        "early_stopping": list_of(
            record(
                {
                    "misses_": whole(0, _MOST_EPOCHS),
                    "dynamic_threshold_": number(-np.inf, np.inf),
                    "best_epoch_": whole(0, _MOST_EPOCHS),
                    "best_model_weights_": optional(mapping(tensor())),
                }
            )
        ),
    }
)


def check_header(header: Any) -> None:
    """Refuse a header with other fields than those of its kind.

    Raises
    ------
    ValueError
        Naming the field.
    """
    kind = str(header.get("kind")) if isinstance(header, dict) else ""
    require(kind in _HEADERS, kind, "kind", f"one of {tuple(_HEADERS)}")
    _HEADERS[kind](header, "header")
    estimator = header["estimator"]
    require(estimator in _STATES, estimator, "estimator", f"one of {tuple(_STATES)}")


def check_parameters(params: Any, known: list[str]) -> None:
    """Refuse parameters that the estimator lacks, or whose cost a later call would have to bear.

    Raises
    ------
    ValueError
        Naming the parameter.
    """
    require(isinstance(params, dict), params, "parameters", "a dictionary")
    for name, value in params.items():
        require(name in known, name, "parameters", f"one of {', '.join(known)}")
        is_long = isinstance(value, int) and abs(value) >= 2**63
        require(not is_long, value, f"parameters.{name}", "an integer below 2**63")
        _PARAMETERS.get(name, anything)(value, f"parameters.{name}")


def check_state(estimator: str, kind: str, state: Any) -> None:
    """Refuse the state of a model that lacks a field, has another one, or a value out of range.

    Raises
    ------
    ValueError
        Naming the field.
    """
    (record(_MODEL) if kind == "checkpoint" else _STATES[estimator])(state, "state")


def check_run(run: Any) -> None:
    """Refuse the run of a checkpoint likewise.

    Raises
    ------
    ValueError
        Naming the field.
    """
    _RUN(run, "run")
