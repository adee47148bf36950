"""A trained net as a JSON node with tensors, and back; files and estimators are not known here."""

from __future__ import annotations

from typing import Any

import numpy as np
from skorch.history import History
from torch import Tensor

from skvae._files.values import Decoder, Encoder, under
from skvae._model.module import Parts, VAEModule, build_skeleton
from skvae._random import isolated_rng
from skvae._specs import SPEC_CLASSES, resolve_device
from skvae._training.net import VAENet, make_net

_WEIGHTS = "module."


def new_encoder() -> Encoder:
    """Return an encoder that knows the specs of the library."""
    return Encoder(SPEC_CLASSES)


def new_decoder(tensors: dict[str, Tensor], trusted=()) -> Decoder:
    """Return a decoder that knows the specs of the library and the classes trusted."""
    return Decoder(SPEC_CLASSES, trusted, tensors)


def encode_net(net: VAENet, encoder: Encoder) -> dict[str, Any]:
    """Return the nodes for a net: its origin and its history. Its weights are set aside."""
    for name, tensor in net.module_.state_dict().items():
        encoder.tensors[_WEIGHTS + name] = tensor
    return {
        "parts": encoder.encode(net.module_.parts._asdict(), "parts"),
        "recipe": encoder.encode(net.recipe(), "recipe"),
        "history": encoder.encode(_history_columns(net.history), "history"),
    }


def decode_net(nodes: dict[str, Any], decoder: Decoder, device: str) -> VAENet:
    """Rebuild a net on a device, or on the CPU where that device is not to be had.

    Raises
    ------
    ValueError
        If the nodes and the tensors do not fit together.
    """
    module = _decode_module(Parts(**decoder.decode(nodes["parts"])), decoder)
    recipe = decoder.decode(nodes["recipe"])
    with isolated_rng(recipe["seed"]):
        net = make_net(module, device=_device_here(device), **recipe)
    restore_history(net, decoder.decode(nodes["history"]))
    net.module_.eval()
    return net


def load_weights(module: VAEModule, tensors: dict[str, Tensor]) -> None:
    """Load what :func:`encode_net` set aside into a module of the same parts."""
    weights = under(_WEIGHTS, tensors)
    _check_weights(module.state_dict(), weights)
    module.load_state_dict(weights)


def restore_history(net: VAENet, columns: dict[str, Any]) -> None:
    """Give a net the history that :func:`encode_net` took down."""
    net.history_ = _history_rows(columns)


def _decode_module(parts: Parts, decoder: Decoder) -> VAEModule:
    weights = under(_WEIGHTS, decoder.tensors)
    n_values = sum(tensor.numel() for tensor in weights.values())
    if not all(1 <= size <= n_values for size in (parts.n_features, parts.n_components)):
        raise ValueError(
            f"it declares {parts.n_features} features and {parts.n_components} components, but "
            f"holds {n_values} weights"
        )
    # a user's own parts may compute with their weights when they are built
    skeleton = build_skeleton(parts, "cpu" if decoder.trusted else "meta")
    _check_weights(skeleton.state_dict(), weights)
    skeleton.load_state_dict(weights, assign=True)
    return skeleton


def _check_weights(expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    if expected.keys() != found.keys():
        names = sorted(expected.keys() ^ found.keys())
        raise ValueError(f"its parameters do not fit its weights, for instance {names[0]!r}")
    for name, tensor in found.items():
        like = expected[name]
        if tensor.shape != like.shape or tensor.dtype != like.dtype:
            raise ValueError(
                f"its weights {name!r} are {tensor.dtype} of shape {tuple(tensor.shape)}, where "
                f"its parameters ask for {like.dtype} of shape {tuple(like.shape)}"
            )
        if not tensor.isfinite().all():
            raise ValueError(f"its weights {name!r} are not finite")


def _device_here(device: str) -> str:
    try:
        return resolve_device(device)
    except ValueError:
        return "cpu"


def _history_columns(history: History) -> dict[str, Any]:
    """Return the history by columns: floats as one array, missing where NaN; others as lists."""
    columns: dict[str, Any] = {}
    names = dict.fromkeys(name for row in history for name in row if name != "batches")
    for name in names:
        values = [row.get(name) for row in history]
        if all(isinstance(value, float | None) for value in values):
            columns[name] = np.array([np.nan if v is None else v for v in values])
        else:
            columns[name] = values
    return columns


def _history_rows(columns: dict[str, Any]) -> History:
    history = History()
    for values in zip(*(column for column in columns.values()), strict=True):
        history.new_epoch()
        for name, value in zip(columns, values, strict=True):
            if isinstance(value, np.floating):
                value = None if np.isnan(value) else float(value)
            if value is not None:
                history.record(name, value)
    return history
