"""The card of a model file: what it holds, as plain values, without building the model."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skvae._files.schema import check_header, check_parameters, check_state, is_measured
from skvae._files.values import Call, Decoder
from skvae._rows.table import TableSchema
from skvae._specs import SPEC_CLASSES
from skvae.scores._contributions import cells_as_text

_MOST_TEXT = 1000  # characters of a parameter
# Tensors of scores and priors that hold training rows, or are made of them.
_OF_ROWS = ("rows", "embedding", "pseudo_inputs")


def card(
    path: str | os.PathLike[str],
    header: dict[str, Any],
    tensors: dict[str, Tensor],
    estimators: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what was read from a file as plain values.

    Raises
    ------
    ValueError
        If a field is not what a file can hold.
    """
    check_header(header)
    decoder = Decoder(SPEC_CLASSES, (), tensors, builds=False)
    params = decoder.decode(header["parameters"])
    check_parameters(params, estimators[header["estimator"]]._get_param_names())
    state = decoder.decode_entries(header["state"])
    check_state(header["estimator"], header["kind"], state)
    schema = None if state["table"] is None else TableSchema.from_packed(state["table"])
    names = None if state["feature_names"] is None else list(state["feature_names"])
    call = Call(header["estimator"], params, estimators[header["estimator"]])
    return {
        "model": str(path),
        "kind": header["kind"],
        "estimator": header["estimator"],
        "parameters": {name: _cut(text) for name, text in call.changed().items()},
        "n_features": state["parts"]["n_features"],
        "feature_names": names,
        "columns": None if schema is None else _columns(schema),
        "n_components": state["parts"]["n_components"],
        "n_weights": _n_weights(state["weights"]),
        "training_rows": _kept_rows(state),
        **_of_history(state["history"]),
        "precision": state["precision"],
        **_of_file(path),
        "format": header["format"],
        "versions": header["versions"],
        "sha256": header["sha256"],
        **_of_estimator(state, names),
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def _n_weights(weights: dict[str, Tensor]) -> int:
    """Return how many weights are trained; statistics of the rows are in double precision."""
    return sum(tensor.numel() for tensor in weights.values() if tensor.dtype == torch.float32)


def _kept_rows(state: dict[str, Any]) -> int:
    """Return how many training rows, or vectors made of them, the file holds."""
    tensors = {**state["weights"], **state.get("score_tensors", {})}
    return sum(
        len(tensor)
        for name, tensor in tensors.items()
        if name.rpartition(".")[2] in _OF_ROWS and tensor.ndim
    )


def _of_history(history: dict[str, Any]) -> dict[str, Any]:
    measured = {name: column for name, column in history.items() if is_measured(name)}
    last = {name: float(column[-1]) for name, column in measured.items()}
    losses = {name: value for name, value in last.items() if not math.isnan(value)}
    return {
        "n_epochs": len(history["epoch"]),
        "n_steps": int(history["train_batch_count"].sum()),
        "seconds": float(history["dur"].sum()),
        "losses": losses,
    }


def _of_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    status = Path(path).stat()
    written = datetime.fromtimestamp(status.st_mtime).astimezone()
    return {"bytes": status.st_size, "written": written.isoformat("T", "seconds")}


def _of_estimator(state: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
    """Return the threshold of a detector, or the models and gaps of an imputer."""
    found: dict[str, Any] = {}
    if "offset" in state:
        found["threshold"] = state["offset"]
    if "others" in state:
        names = names or [f"x{i}" for i in range(len(state["had_gaps"]))]
        gaps = [name for name, had in zip(names, state["had_gaps"], strict=True) if had]
        found |= {"n_models": 1 + len(state["others"]), "gaps": gaps}
    return found


def _columns(schema: TableSchema) -> list[dict[str, str]]:
    """Return name, kind, type and values of the columns of the training data."""
    ends = {place: [str(bound) for bound in pair] for place, pair in schema.bounds().items()}
    if find_spec(schema.library) is not None:  # else as they are encoded
        for places, bounds in schema.decoded_bounds():
            texts = cells_as_text(bounds).reshape(-1, 2).tolist()
            ends.update(zip(places, texts, strict=True))
    return [
        {
            "name": str(column.name),
            "kind": column.kind,
            "type": column.dtype,
            "values": _values(column, *ends.get(place, [None, None])),
        }
        for place, column in enumerate(schema.columns)
    ]


def _values(column: Any, low: str | None, high: str | None) -> str:
    if column.kind == "level":
        return listed([str(level) for level in (*column.levels, *column.others)])
    return f"{low}" if column.kind == "constant" else f"{low} to {high}"


def listed(names: list[str], n_shown: int = 6) -> str:
    """Return the first of some names."""
    more = ", …" if len(names) > n_shown else ""
    return f"{', '.join(names[:n_shown])}{more}"
