"""A decoder as a short list of operations on flat arrays, which a few lines of JavaScript run."""

# Over 500 lines: one recorder and the table of its translations, most of them a few lines each.

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_MOST_EXACT = 1024  # numbers; larger arrays of weights are stored in half precision
_LARGEST_HALF = 6e4
_CONDITIONAL = (
    "The decoder cannot be shown in a browser: which operations it has depends on the values of "
    "the latent vector. Replace conditions on tensors by torch.where."
)
_INPUT = 0  # the number of the latent vector among the values


def decoder_program(function: Callable[[Tensor], Tensor], module: nn.Module, z: Tensor) -> dict:
    """Record what a function of one latent vector computes.

    Every operation has a number, which is its position, and names the numbers of its inputs.
    Operations that only rearrange elements are not recorded, but followed: what uses their result
    says which elements it takes. So nothing is computed that the result does not need.

    Parameters
    ----------
    function : callable
        Maps z to a tensor of any shape. Its operations must not depend on the values of z.
    module : torch.nn.Module
        The module whose parts are named in errors.
    z : Tensor of shape (1, n_components)
        Any latent vector.

    Returns
    -------
    program : dict
        `ops`, a list of dicts; `constants`, a list of dicts of arrays as text; and `output`, the
        number of the flat result. JSON can hold it.

    Raises
    ------
    ValueError
        If an operation cannot be translated, with the module that it belongs to.
    """
    programs = [_recorded(function, module, start) for start in (z, z + 1)]
    if programs[0] != programs[1]:
        raise ValueError(_CONDITIONAL)
    return programs[0]


def _recorded(function: Callable[[Tensor], Tensor], module: nn.Module, z: Tensor) -> dict:
    recorder = _Recorder(z)
    with torch.no_grad(), _names_of_parts(module, recorder), recorder:
        result = function(z)
    return recorder.program(result)


class _Traced(NamedTuple):
    """A tensor as elements of recorded values."""

    sources: tuple[int, ...]  # numbers of flat values, thought of as side by side
    index: Tensor  # position of every element among them, int64


class _Recorder(TorchDispatchMode):
    """Runs operations of torch and records those that depend on the latent vector."""

    def __init__(self, z: Tensor):
        super().__init__()
        self.ops: list[dict] = [{"op": "input", "n": z.numel()}]
        self.arrays: list[np.ndarray] = []
        self.place: list[str] = []  # the modules that run now
        self._failures: dict[int, str] = {}
        self._kept: list[Tensor] = []  # alive, so that no other tensor gets their identity
        self._traced: dict[int, _Traced] = {}
        self._known: dict[tuple, int] = {}
        self._keep(z, _Traced((_INPUT,), torch.arange(z.numel()).view(z.shape)))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = func.name().removeprefix("aten::").partition(".")[0]
        if self._inputs((args, kwargs)) and name not in _OF_SHAPES:
            if name in _TO_PYTHON:
                raise ValueError(_CONDITIONAL)
            traced = self._translated(func, name, args, kwargs, result)
            outputs = result if isinstance(result, tuple | list) else [result]
            for tensor, own in zip(outputs, traced, strict=False):
                self._keep(tensor, own)
        return result

    def program(self, result: Tensor) -> dict:
        """Return the operations that a result needs, renumbered."""
        if id(result) not in self._traced:
            raise ValueError("The decoder does not depend on the latent vector.")
        output = self._flat(self._traced[id(result)])
        needed, waiting = {_INPUT}, [output]
        while waiting:
            number = waiting.pop()
            if number in self._failures:
                raise ValueError(self._failures[number])
            if number not in needed:
                needed.add(number)
                waiting += self.ops[number].get("in", [])
        order = sorted(needed)
        new = {number: position for position, number in enumerate(order)}
        constants: list[dict] = []
        ops = [self._settled(self.ops[number], new, constants) for number in order]
        return {"ops": ops, "constants": constants, "output": new[output]}

    def _settled(self, op: dict, new: dict[int, int], constants: list[dict]) -> dict:
        """Return an operation with new numbers, and its arrays as numbers of constants."""
        op = dict(op)
        if "in" in op:
            op["in"] = [new[number] for number in op["in"]]
        for key in ("w", "b", "index", "mask", "value", "table"):
            if isinstance(op.get(key), _Array):
                constants.append(_as_text(self.arrays[op[key].number], half=key == "w"))
                op[key] = len(constants) - 1
        return op

    def _translated(self, func, name: str, args, kwargs, result) -> list[_Traced]:
        try:
            if any(
                n in self._failures for each in self._inputs((args, kwargs)) for n in each.sources
            ):
                raise _Untranslatable  # already reported by the operation that it uses
            if name in _ARRANGING:
                return self._arranged(func, name, args, kwargs)
            if name.endswith("_") and not self._owns(args[0]):
                raise _Untranslatable
            translate = _TRANSLATIONS.get(name.removesuffix("_"))
            if translate is None:
                raise _Untranslatable
            return [translate(self, result, *args, **kwargs)]
        except (_Untranslatable, TypeError):
            return self._failed(name, args, kwargs, result)

    def _failed(self, name: str, args, kwargs, result) -> list[_Traced]:
        """Return placeholders, which raise an error only if the final result needs them."""
        earlier = [
            self._failures[n]
            for each in self._inputs((args, kwargs))
            for n in each.sources
            if n in self._failures
        ]
        where = f"module {self.place[-1]}" if self.place else "the likelihood"
        message = (
            f"The decoder cannot be shown in a browser: {where} uses the operation {name!r}, which "
            "has no translation. Replace it by linear layers, convolutions, normalisation, "
            "activations and arithmetic."
        )
        placeholders = []
        for tensor in result if isinstance(result, tuple | list) else [result]:
            self.ops.append({"op": "failed", "n": 1})
            self._failures[len(self.ops) - 1] = earlier[0] if earlier else message
            shape = tensor.shape if isinstance(tensor, Tensor) else ()
            index = torch.zeros(shape, dtype=torch.int64)
            placeholders.append(_Traced((len(self.ops) - 1,), index))
        return placeholders

    def _keep(self, tensor: Any, traced: _Traced) -> None:
        if isinstance(tensor, Tensor):
            self._kept.append(tensor)
            self._traced[id(tensor)] = traced

    def _owns(self, tensor: Tensor) -> bool:
        """Return whether no other tensor shows the memory of a recorded one."""
        storage = tensor.untyped_storage()._cdata
        same = [each for each in self._kept if each.untyped_storage()._cdata == storage]
        return id(tensor) in self._traced and all(each is tensor for each in same)

    def _inputs(self, values: Any) -> list[_Traced]:
        """Return the recorded tensors among arguments."""
        if isinstance(values, Tensor):
            return [self._traced[id(values)]] if id(values) in self._traced else []
        if isinstance(values, dict):
            values = values.values()
        if isinstance(values, list | tuple) or type(values).__name__ == "dict_values":
            return [each for value in values for each in self._inputs(value)]
        return []

    def _arranged(self, func, name: str, args, kwargs) -> list[_Traced]:
        """Apply an operation that moves elements to their positions."""
        sources = list(
            dict.fromkeys(n for each in self._inputs((args, kwargs)) for n in each.sources)
        )
        if name in ("cat", "stack"):
            args = ([self.constant(each) for each in args[0]], *args[1:])
            sources = list(dict.fromkeys(n for each in args[0] for n in each.sources))
        lengths = [self.ops[number]["n"] for number in sources]
        starts = dict(zip(sources, np.cumsum([0, *lengths]), strict=False))

        def positions(value: Any) -> Any:
            if isinstance(value, Tensor):
                value = self._traced.get(id(value), value)
            if isinstance(value, _Traced):
                own = np.cumsum([0, *(self.ops[number]["n"] for number in value.sources)])
                shifts = torch.tensor(
                    [starts[n] - s for n, s in zip(value.sources, own, strict=False)]
                )
                which = torch.bucketize(value.index.contiguous(), torch.tensor(own[1:]), right=True)
                return value.index + shifts[which]
            return [positions(each) for each in value] if isinstance(value, list) else value

        kwargs = {key: value for key, value in kwargs.items() if key in ("dim", "memory_format")}
        if name in ("_to_copy", "to", "clone", "alias", "detach", "contiguous", "lift_fresh"):
            moved = positions(args[0])
        elif name in ("view", "_unsafe_view", "_reshape_alias"):  # memory may lie differently here
            moved = positions(args[0]).reshape(args[1])
        else:
            moved = func(*[positions(value) for value in args], **kwargs)
        return [
            _Traced(tuple(sources), each)
            for each in (moved if isinstance(moved, tuple | list) else [moved])
        ]

    # what translations use

    def constant(self, value: Any) -> _Traced:
        """Return a tensor as recorded elements, also if it does not depend on z."""
        if isinstance(value, Tensor) and id(value) in self._traced:
            return self._traced[id(value)]
        value = torch.as_tensor(value)
        op = {"op": "constant", "n": value.numel(), "value": self.array(value)}
        self.ops.append(op)
        index = torch.arange(value.numel()).view(value.shape)
        return _Traced((len(self.ops) - 1,), index)

    def array(self, value: Tensor | np.ndarray) -> _Array:
        """Keep an array for the program."""
        self.arrays.append(np.ascontiguousarray(value))
        return _Array(len(self.arrays) - 1)

    def flat(self, value: Any, shape: tuple[int, ...] | None = None) -> int:
        """Return the number of a flat value that holds the elements of a tensor, broadcast."""
        traced = self.constant(value)
        index = traced.index if shape is None else traced.index.expand(shape)
        return self._flat(_Traced(traced.sources, index))

    def add(self, result: Tensor, op: str, inputs: list[int], **settings: Any) -> _Traced:
        """Record an operation and return its result."""
        entry = {"op": op, "n": result.numel(), "in": inputs, **settings}
        if result.dtype == torch.float64:
            entry["f64"] = True
        self.ops.append(entry)
        index = torch.arange(result.numel()).view(result.shape)
        return _Traced((len(self.ops) - 1,), index)

    def _flat(self, traced: _Traced) -> int:
        index = traced.index.reshape(-1).numpy()
        lengths = [self.ops[number]["n"] for number in traced.sources]
        if len(lengths) == 1 and np.array_equal(index, np.arange(lengths[0])):
            return traced.sources[0]
        key = (traced.sources, index.tobytes())
        if key not in self._known:
            used, index = _only_used(traced.sources, lengths, index)
            entry = {"op": "take", "n": len(index), "in": used, **self._pattern(index)}
            if any(self._is_double(number) for number in used):
                entry["f64"] = True
            self.ops.append(entry)
            self._known[key] = len(self.ops) - 1
        return self._known[key]

    def _is_double(self, number: int) -> bool:
        op = self.ops[number]
        is_double = op["op"] == "constant" and self.arrays[op["value"].number].dtype == np.float64
        return is_double or op.get("f64", False)

    def _pattern(self, index: np.ndarray) -> dict:
        """Return the digits of a mixed radix from which an index array follows, or the array.

        Each digit is a number of steps and their size, the fastest first, as in a tensor whose
        dimensions are permuted or repeated.
        """
        digits, rest = [], index
        while len(rest) > 1:
            step = rest[1] - rest[0]
            breaks = np.flatnonzero(np.diff(rest) != step)
            count = int(breaks[0]) + 1 if len(breaks) else len(rest)
            if len(rest) % count:
                return {"index": self.array(index.astype(np.int32))}
            blocks = rest.reshape(-1, count)
            if (blocks != blocks[:, :1] + step * np.arange(count)).any():
                return {"index": self.array(index.astype(np.int32))}
            digits.append([count, int(step)])
            rest = blocks[:, 0]
        return {"start": int(rest[0]), "digits": digits}


class _Array(NamedTuple):
    number: int


class _Untranslatable(Exception):
    pass


def _only_used(sources, lengths, index) -> tuple[list[int], np.ndarray]:
    """Return the sources that an index array uses, and the array for these alone."""
    starts = np.cumsum([0, *lengths])
    which = np.searchsorted(starts, index, side="right") - 1
    used = np.unique(which)
    new_starts = np.cumsum([0, *(lengths[place] for place in used)])
    shift = np.zeros(len(lengths), dtype=np.int64)
    shift[used] = new_starts[:-1] - starts[used]
    return [sources[place] for place in used], index + shift[which]


@contextmanager
def _names_of_parts(module: nn.Module, recorder: _Recorder):
    """Let the recorder know which part of a module runs."""
    handles = []
    for name, part in module.named_modules():
        label = f"{name or 'decoder'!r} ({type(part).__name__})"
        handles.append(
            part.register_forward_pre_hook(lambda *_, label=label: recorder.place.append(label))
        )
        handles.append(part.register_forward_hook(lambda *_: _pop(recorder.place)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _pop(place: list[str]) -> None:
    place.pop()


def _as_text(values: np.ndarray, half: bool) -> dict:
    """Return an array as base64 with its type: f2, f4, f8, i4 or u1."""
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    elif values.dtype.kind in "iu":
        values = values.astype(np.int32)
    elif half and values.size >= _MOST_EXACT and np.abs(values).max() < _LARGEST_HALF:
        values = values.astype(np.float16)
    elif values.dtype != np.float64:
        values = values.astype(np.float32)
    values = values.astype(values.dtype.newbyteorder("<"))
    text = base64.b64encode(values.tobytes()).decode("ascii")
    return {"type": values.dtype.str[1:], "data": text}


# Operations that move elements and compute nothing.
_ARRANGING = {
    *("view", "_unsafe_view", "reshape", "_reshape_alias", "permute", "t", "transpose", "flip"),
    *("unsqueeze", "squeeze", "expand", "slice", "select", "split", "split_with_sizes", "unbind"),
    *("index_select", "cat", "stack", "clone", "alias", "detach", "contiguous", "_to_copy", "to"),
    *("repeat", "roll", "lift_fresh", "diagonal", "unfold", "chunk", "flatten", "narrow"),
}
# Operations whose results depend on the shape of their inputs alone, and those that end in Python.
_OF_SHAPES = {
    *("full_like", "zeros_like", "ones_like", "empty_like", "new_full", "new_zeros", "new_ones"),
    *("new_empty", "sym_size", "sym_numel"),
}
_TO_PYTHON = {"_local_scalar_dense", "is_nonzero", "equal"}


def _unary(name: str):
    def translate(recorder, result, x, *args, **kwargs):
        if args or kwargs:
            raise _Untranslatable
        return recorder.add(result, name, [recorder.flat(x)])

    return translate


def _binary(name: str, swapped: bool = False):
    def translate(recorder, result, x, y, *, alpha=1, rounding_mode=None):
        if rounding_mode is not None:
            raise _Untranslatable
        inputs = [recorder.flat(each, result.shape) for each in (x, y)]
        settings = {} if alpha == 1 else {"alpha": alpha}
        return recorder.add(result, name, inputs[::-1] if swapped else inputs, **settings)

    return translate


def _power(recorder, result, x, exponent):
    if isinstance(x, Tensor) and isinstance(exponent, int | float):
        return recorder.add(result, "power", [recorder.flat(x)], exponent=exponent)
    raise _Untranslatable


def _clamp(recorder, result, x, min=None, max=None):  # the names of torch
    traced = recorder.constant(x)
    for name, bound in (("maximum", min), ("minimum", max)):
        if bound is not None and (isinstance(bound, Tensor) or math.isfinite(bound)):
            bound = torch.as_tensor(bound, dtype=result.dtype)
            traced = _binary(name)(recorder, result, _temporary(recorder, result, traced), bound)
    return traced


def _elu(recorder, result, x, alpha=1, scale=1, input_scale=1):
    settings = {"alpha": alpha, "scale": scale, "input": input_scale}
    return recorder.add(result, "elu", [recorder.flat(x)], **settings)


def _gelu(recorder, result, x, approximate="none"):
    return recorder.add(result, "gelu", [recorder.flat(x)], tanh=approximate == "tanh")


def _leaky(recorder, result, x, slope=0.01):
    return recorder.add(result, "leaky", [recorder.flat(x)], slope=slope)


def _softplus(recorder, result, x, beta=1, threshold=20):
    return recorder.add(result, "softplus", [recorder.flat(x)], beta=beta)


def _addmm(recorder, result, bias, x, weight, *, beta=1, alpha=1):
    if beta != 1 or alpha != 1:
        raise _Untranslatable
    product = _mm(recorder, result, x, weight)
    return _binary("add")(recorder, result, _temporary(recorder, result, product), bias)


def _addcmul(recorder, result, x, first, second, *, value=1):
    product = _binary("multiply")(recorder, result, first, second)
    return _binary("add")(recorder, result, x, _temporary(recorder, result, product), alpha=value)


def _temporary(recorder, like: Tensor, traced: _Traced) -> Tensor:
    """Return a tensor that stands for a recorded value."""
    tensor = torch.empty(0).new_empty(like.shape, dtype=like.dtype, device="meta")
    recorder._keep(tensor, traced)
    return tensor


def _mm(recorder, result, x, weight):
    if recorder._inputs(weight) or weight.ndim != 2 or x.ndim != 2:
        raise _Untranslatable
    rows, width = x.shape
    return recorder.add(
        result, "linear", [recorder.flat(x)], rows=rows, m=width, w=recorder.array(weight.T)
    )


def _linear(recorder, result, x, weight, bias=None):
    if recorder._inputs((weight, bias)):
        raise _Untranslatable
    rows = x.numel() // x.shape[-1]
    settings = {"rows": rows, "m": x.shape[-1], "w": recorder.array(weight)}
    if bias is not None:
        settings["b"] = recorder.array(bias)
    return recorder.add(result, "linear", [recorder.flat(x)], **settings)


def _convolution(
    recorder, result, x, w, b, stride, padding, dilation, transposed, output_padding, groups
):
    if recorder._inputs((w, b)) or groups != 1 or x.ndim != 4 or x.shape[0] != 1:
        raise _Untranslatable
    settings = {
        "from": list(x.shape[1:]),
        "to": list(result.shape[1:]),
        "kernel": list(w.shape[2:]),
        "stride": list(stride),
        "padding": list(padding),
        "dilation": list(dilation),
        "w": recorder.array(w),
    }
    if b is not None:
        settings["b"] = recorder.array(b)
    name = "deconvolve" if transposed else "convolve"
    return recorder.add(result, name, [recorder.flat(x)], **settings)


def _upsample(recorder, result, x, *_):
    if x.ndim != 4 or x.shape[0] != 1:
        raise _Untranslatable
    sizes = {"from": list(x.shape[1:]), "to": list(result.shape[1:])}
    return recorder.add(result, "enlarge", [recorder.flat(x)], **sizes)


def _group_norm(recorder, result, x, weight, bias, n, channels, area, groups, eps):
    size = channels * area // groups
    normal = recorder.add(result[0], "normalize", [recorder.flat(x)], size=size, eps=eps)
    shape = (1, channels, *[1] * (x.ndim - 2))
    return _affine(recorder, result[0], normal, weight, bias, shape)


def _layer_norm(recorder, result, x, normalized_shape, weight, bias, eps):
    size = math.prod(normalized_shape)
    normal = recorder.add(result[0], "normalize", [recorder.flat(x)], size=size, eps=eps)
    return _affine(recorder, result[0], normal, weight, bias, tuple(normalized_shape))


def _batch_norm(recorder, result, x, weight, bias, mean, variance, *others):
    *training, _, eps = others[:3] if len(others) > 2 else (False, *others)
    if any(training) or mean is None:
        raise _Untranslatable
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = -mean * scale + (0 if bias is None else bias)
    shape = (1, -1, *[1] * (x.ndim - 2))
    return _affine(recorder, result[0], recorder.constant(x), scale, shift, shape)


def _affine(recorder, result, traced, weight, bias, shape) -> _Traced:
    for name, values in (("multiply", weight), ("add", bias)):
        if values is not None:
            tensor = _temporary(recorder, result, traced)
            traced = _binary(name)(recorder, result, tensor, values.reshape(shape))
    return traced


def _where(recorder, result, mask, x, y):
    if recorder._inputs(mask):
        inputs = [recorder.flat(each, result.shape) for each in (mask, x, y)]
        return recorder.add(result, "choose", inputs)
    inputs = [recorder.flat(each, result.shape) for each in (x, y)]
    return recorder.add(result, "where", inputs, mask=recorder.array(mask.expand(result.shape)))


def _masked_fill(recorder, result, x, mask, value):
    filler = torch.as_tensor(value, dtype=x.dtype)
    return _where(recorder, result, mask, filler, x)


def _index(recorder, result, x, indices):
    if not recorder._inputs(indices):  # known places in a recorded tensor
        traced = recorder.constant(x)
        return _Traced(traced.sources, torch.ops.aten.index.Tensor(traced.index, indices))
    return _lookup(recorder, result, x, indices)


def _gather(recorder, result, x, dim, index, **_):
    if recorder._inputs(index):
        raise _Untranslatable
    traced = recorder.constant(x)
    return _Traced(traced.sources, traced.index.gather(dim, index))


def _lookup(recorder, result, table, indices):
    """Translate ``table[known, recorded]``."""
    recorded = [position for position, each in enumerate(indices) if recorder._inputs(each)]
    if recorder._inputs(table) or len(recorded) != 1:
        raise _Untranslatable
    [position] = recorded
    places = torch.arange(table.numel()).view(table.shape)
    first = list(indices)
    first[position] = torch.zeros_like(indices[position])
    base = torch.ops.aten.index.Tensor(places, first).expand(result.shape)
    return recorder.add(
        result,
        "lookup",
        [recorder.flat(indices[position], result.shape)],
        table=recorder.array(table),
        index=recorder.array(base.reshape(-1)),
        stride=places.stride(position),
    )


def _along(name: str):
    """Translate an operation along one dimension that keeps the shape."""

    def translate(recorder, result, x, dim, *_):
        last_out = recorder.add(
            result.movedim(dim, -1),
            name,
            [recorder.flat(_moved(recorder, x, [dim]))],
            size=x.shape[dim],
        )
        return _Traced(last_out.sources, last_out.index.movedim(-1, dim))

    return translate


def _reduced(name: str):
    def translate(recorder, result, x, dim=None, keepdim=False, **_):
        dims = list(range(x.ndim)) if dim is None or dim == [] else dim
        dims = [dims] if isinstance(dims, int) else list(dims)
        size = math.prod(x.shape[each] for each in dims)
        return recorder.add(result, name, [recorder.flat(_moved(recorder, x, dims))], size=size)

    return translate


def _moved(recorder, x: Tensor, dims: list[int]) -> Tensor:
    """Return a tensor with some dimensions last, in order."""
    traced = recorder.constant(x)
    dims = [each % x.ndim for each in dims]
    order = [each for each in range(x.ndim) if each not in dims] + dims
    moved = traced.index.permute(order)
    return _temporary(recorder, x.permute(order), _Traced(traced.sources, moved))


_TRANSLATIONS: dict[str, Callable[..., _Traced]] = {
    **{
        name: _unary(name)
        for name in (
            *("relu", "tanh", "sigmoid", "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "neg"),
            *("abs", "reciprocal", "silu", "sin", "cos", "round", "floor", "erf", "mish"),
            *("logical_not", "bitwise_not", "isnan", "isinf", "sign"),
        )
    },
    "add": _binary("add"),
    "sub": _binary("subtract"),
    "rsub": _binary("subtract", swapped=True),
    "mul": _binary("multiply"),
    "div": _binary("divide"),
    "maximum": _binary("maximum"),
    "minimum": _binary("minimum"),
    "logaddexp": _binary("logaddexp"),
    "lt": _binary("less"),
    "gt": _binary("less", swapped=True),
    "ge": _binary("at_least"),
    "le": _binary("at_least", swapped=True),
    "eq": _binary("equal"),
    "ne": _binary("unequal"),
    "logical_and": _binary("multiply"),
    "bitwise_and": _binary("multiply"),
    "logical_or": _binary("maximum"),
    "bitwise_or": _binary("maximum"),
    "pow": _power,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda recorder, result, x, high: _clamp(recorder, result, x, None, high),
    "hardtanh": lambda recorder, result, x, low=-1, high=1: _clamp(recorder, result, x, low, high),
    "elu": _elu,
    "gelu": _gelu,
    "leaky_relu": _leaky,
    "softplus": _softplus,
    "addcmul": _addcmul,
    "addmm": _addmm,
    "mm": _mm,
    "linear": _linear,
    "convolution": _convolution,
    "upsample_nearest2d": _upsample,
    "native_group_norm": _group_norm,
    "native_layer_norm": _layer_norm,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "where": _where,
    "masked_fill": _masked_fill,
    "index": _index,
    "gather": _gather,
    "_softmax": _along("softmax"),
    "_log_softmax": _along("logsoftmax"),
    "logsumexp": _reduced("logsumexp"),
    "sum": _reduced("sum"),
    "mean": _reduced("mean"),
    "amax": _reduced("largest"),
    "argmax": _reduced("argmax"),
}
