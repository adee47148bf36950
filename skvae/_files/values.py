"""Python values to JSON and back, exactly: tuples stay tuples, configured objects are rebuilt.

Every JSON object that `encode` returns has one key, a tag that states the type of its content.
Decoding builds only the classes that the caller passes, and optimisers of torch. Values that are
nested too deeply or too large are refused in both directions: what is written can be read.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from skvae._files.fields import array, brief, number, one_of, require, whole
from skvae._rows.lines import Lines

_MOST_LEVELS = 64  # of nested values; a configured object takes three or four
_LARGEST_WHOLE = 2**128  # a float holds it
_MOST_LINES, _BYTES_PER_LINE = 2**18, 48  # further lines need as many bytes of tensors each
_SPARE_OBJECTS = 64  # configured objects beyond one for each tensor
# torch would import a module by the name of any other kind of device
_DEVICE = re.compile(r"auto|cpu|mps|(cuda|xpu)(:\d{1,3})?")
_KEYS = (str, int, float, tuple)
_FLOATS = {repr(value): value for value in (math.nan, math.inf, -math.inf)}


class _Nested:
    """Counts the levels of nested values."""

    _level = 0

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._level += 1
        try:
            if self._level > _MOST_LEVELS:
                raise ValueError(f"it holds values nested in more than {_MOST_LEVELS} levels")
            yield
        finally:
            self._level -= 1


class Encoder(_Nested):
    """Turns values into nodes for :func:`json.dumps`, and collects the tensors and arrays in them.

    Parameters
    ----------
    classes : iterable of type
        Classes known to every reader. Configured objects of other classes are marked as custom.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The tensors and arrays found so far, by their path.
    custom : set of type
        The classes found so far that a reader has to trust.
    """

    def __init__(self, classes: Iterable[type]):
        self.names = {cls: cls.__name__ for cls in classes}
        self.tensors: dict[str, Tensor] = {}
        self.custom: set[type] = set()

    def encode(self, value: Any, where: str) -> Any:
        """Return the node of a value.

        Parameters
        ----------
        value : object
            A number, text, container, tensor, array or configured object.
        where : str
            Path of the value, which names its tensors and appears in errors.

        Raises
        ------
        ValueError
            If the value cannot be written without pickle, or is nested too deeply or too large.
        """
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, np.bool_ | np.integer | np.floating):
            return self.encode(value.item(), where)
        if isinstance(value, int):
            return _checked_whole(int(value), where)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
        with self._deeper():
            return self._encode_object(value, where)

    def _encode_object(self, value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self.encode(item, f"{where}.{i}") for i, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"tuple": self.encode(list(value), where)}
        if isinstance(value, dict):
            return {"dict": [self._pair(key, item, where) for key, item in value.items()]}
        if isinstance(value, slice):
            return {"slice": self.encode([value.start, value.stop, value.step], where)}
        if isinstance(value, Tensor):
            return {"tensor": self._keep(value, where)}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            return {"array": self._keep(torch.from_numpy(value.copy()), where)}
        if isinstance(value, Lines):
            return {"lines": self._keep(torch.from_numpy(value.text.copy()), where)}
        if isinstance(value, torch.device):
            return {"device": checked_device(str(value), where)}
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer):
            known = _is_torch_optimizer(value)
            return {"optimizer": value.__name__} if known else self._custom(value)
        if isinstance(value, np.random.RandomState):
            return {"random_state": self.encode(value.get_state(), where)}
        if isinstance(value, BaseEstimator):
            return self._spec(value, where)
        raise ValueError(
            f"{where} is {value!r}, which cannot be written into a file without pickle. Use an "
            "object of a subclass of sklearn.base.BaseEstimator, or set "
            f"{where.rpartition('.')[2]} to None before saving."
        )

    def _pair(self, key: Any, item: Any, where: str) -> list[Any]:
        return [self.encode(key, where), self.encode(item, f"{where}.{key}")]

    def _spec(self, value: Any, where: str) -> dict[str, Any]:
        params = self.encode(value.get_params(deep=False), where)
        name = self.names.get(type(value))
        if name is None:
            return self._custom(type(value), params)
        return {"spec": [name, params]}

    def _custom(self, cls: type, *params: Any) -> dict[str, Any]:
        self.custom.add(cls)
        return {"custom": [cls.__qualname__, *params]}

    def _keep(self, tensor: Tensor, where: str) -> str:
        self.tensors[where] = tensor
        return where


class Decoder(_Nested):
    """Turns nodes of :class:`Encoder` back into values.

    Parameters
    ----------
    classes : iterable of type
        Classes of the configured objects that may be built.
    trusted : iterable of type
        The reader's own classes.
    tensors : dict of str to Tensor
        The encoder's tensors, each of which may be used once.
    builds : bool, default=True
        Whether configured objects are built. If False, each is a :class:`Call`, whatever its class.

    Attributes
    ----------
    unused : set of str
        Names of the tensors that no node has named so far.
    """

    def __init__(
        self,
        classes: Iterable[type],
        trusted: Iterable[type] = (),
        tensors: dict[str, Tensor] | None = None,
        *,
        builds: bool = True,
    ):
        self.classes = {cls.__name__: cls for cls in classes}
        self.trusted = {cls.__qualname__: cls for cls in trusted}
        self.tensors: dict[str, Tensor] = tensors or {}
        self.builds = builds
        self._n_bytes = sum(tensor.nbytes for tensor in self.tensors.values())
        self._n_objects = self._n_lines = 0
        self._in_object = False  # where numbers reach arithmetic that has 64 bits
        self.unused = set(self.tensors)

    def decode_entries(self, nodes: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a dictionary, which is emptied: values take as much memory again."""
        return {name: self.decode(nodes.pop(name)) for name in list(nodes)}

    def decode(self, node: Any) -> Any:
        """Return the value of a node.

        Raises
        ------
        ValueError
            If a custom class is not trusted, or the node is malformed.
        """
        if node is None or isinstance(node, bool | str | float):
            return node
        if isinstance(node, int):
            return _checked_whole(node, "number", 2**63 if self._in_object else _LARGEST_WHOLE)
        with self._deeper():
            if isinstance(node, list):
                return [self.decode(item) for item in node]
            return self._decode_tagged(node)

    def _decode_tagged(self, node: dict[str, Any]) -> Any:
        tag, content = next(iter(node.items())) if len(node) == 1 else ("", None)
        if tag not in self._READERS:
            raise ValueError(f"it holds a value of the unknown type {tag[:40]!r}")
        try:
            return self._READERS[tag](self, content)
        except (TypeError, LookupError, AttributeError) as exc:
            raise ValueError(f"it holds a malformed {tag!r} ({brief(exc)})") from exc

    def _dict(self, content: Any) -> dict[Any, Any]:
        decoded = {self.decode(key): self.decode(item) for key, item in content}
        require(len(decoded) == len(content), content, "dict", "a dictionary of different keys")
        plain = all(key is None or isinstance(key, _KEYS) for key in decoded)
        require(plain, content, "dict", "a dictionary of plain keys")
        return decoded

    def _tensor(self, name: Any) -> Tensor:
        """Return a tensor; two places that share one would change together in training."""
        self.unused.remove(name)
        return self.tensors[name]

    def _lines(self, name: Any) -> Lines:
        lines = Lines(self._tensor(name).numpy())
        self._n_lines += len(lines)
        most = _MOST_LINES + self._n_bytes // _BYTES_PER_LINE
        if self._n_lines > most:
            raise ValueError(f"it holds {self._n_lines} names and levels, but at most {most} fit")
        return lines

    def _spec(self, content: Any) -> Any:
        name, params = content
        self._count_object()
        cls, values = self.classes[name], self._parameters(params)
        return cls(**values) if self.builds else Call(name, values, cls)

    def _custom(self, content: Any) -> Any:
        name, *params = content
        self._count_object()
        if not self.builds:
            return Call(name, self.decode(params[0]) if params else {})
        cls = self.trusted.get(name)
        if cls is None:
            raise ValueError(
                f"it was saved with the class {brief(name)}, which is not part of skvae. If you "
                f"trust the file, pass your class: skvae.load(path, trusted=[{str(name)[:80]}])"
            )
        return cls(**self.decode(params[0])) if params else cls

    def _parameters(self, node: Any) -> Any:
        outside, self._in_object = self._in_object, True
        try:
            return self.decode(node)
        finally:
            self._in_object = outside

    def _count_object(self) -> None:
        self._n_objects += 1
        if self._n_objects > len(self.tensors) + _SPARE_OBJECTS:
            raise ValueError(f"it holds more objects than its {len(self.tensors)} tensors need")

    def _random_state(self, content: Any) -> np.random.RandomState:
        parts = self.decode(content)
        _check_random_state(parts)
        state = np.random.RandomState()
        state.set_state(parts)
        return state

    def _optimizer(self, content: Any) -> type[torch.optim.Optimizer]:
        cls: type[torch.optim.Optimizer] = getattr(torch.optim, content)
        if not _is_torch_optimizer(cls):
            raise KeyError(content)
        return cls

    _READERS: ClassVar[dict[str, Callable[[Decoder, Any], Any]]] = {
        "tuple": lambda self, content: tuple(self.decode(content)),
        "slice": lambda self, content: slice(*self.decode(content)),
        "dict": _dict,
        "float": lambda self, content: _FLOATS[content],
        "tensor": _tensor,
        "array": lambda self, content: self._tensor(content).numpy(),
        "lines": _lines,
        "device": lambda self, content: torch.device(checked_device(content, "device")),
        "optimizer": _optimizer,
        "random_state": _random_state,
        "spec": _spec,
        "custom": _custom,
    }


class Call:
    """Stands for a configured object that is not built, and is shown as the call that builds it.

    Parameters
    ----------
    name : str
        Name of the class.
    params : dict
        Its parameters.
    cls : type or None, default=None
        The class, to leave out the parameters that have their defaults; None if it is not known.
    """

    def __init__(self, name: str, params: dict[str, Any], cls: type | None = None):
        self.name, self.params, self.cls = str(name), dict(params), cls

    def changed(self) -> dict[str, str]:
        """Return the representations of the parameters that differ from their defaults."""
        defaults = inspect.signature(self.cls).parameters if self.cls else {}
        texts = {name: repr(value) for name, value in self.params.items()}
        return {
            name: text
            for name, text in texts.items()
            if name not in defaults or text != repr(defaults[name].default)
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={text}" for name, text in self.changed().items())
        return f"{self.name}({shown})"


def checked_device(device: Any, where: str) -> str:
    """Return the name of a device, if it is of a known kind.

    Raises
    ------
    ValueError
        If it is not.
    """
    is_known = isinstance(device, str) and _DEVICE.fullmatch(device) is not None
    require(is_known, device, where, "'auto', 'cpu', 'cuda', 'mps' or 'xpu'")
    return device


def _checked_whole(value: int, where: str, most: int = _LARGEST_WHOLE) -> int:
    require(abs(value) < most, value, where, f"an integer below 2**{most.bit_length() - 1}")
    return value


def _check_random_state(parts: Any) -> None:
    """Refuse the state of a generator that NumPy would take, and then read beyond its end."""
    kind, keys, place, has_gauss, gauss = parts
    one_of("MT19937")(kind, "random_state")
    array("uint32", 1)(keys, "random_state")
    require(len(keys) == 624, len(keys), "random_state", "a state of 624 integers")
    whole(0, 624)(place, "random_state")
    whole(0, 1)(has_gauss, "random_state")
    number(-100, 100)(gauss, "random_state")


def _is_torch_optimizer(cls: Any) -> bool:
    if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
        return False
    return getattr(torch.optim, cls.__name__, None) is cls
