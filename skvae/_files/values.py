"""Python values to JSON and back, exactly: tuples stay tuples, configured objects are rebuilt.

Every JSON object that `encode` returns has one key, a tag that states the type of its content.
Decoding builds only the classes that the caller passes, and optimisers of torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor


class Encoder:
    """Turns values into nodes for :func:`json.dumps`, and collects the tensors and arrays in them.

    Parameters
    ----------
    classes : iterable of type
        Classes known to every reader. Configured objects of other classes are marked as custom.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The tensors and arrays found so far, by their path.
    """

    def __init__(self, classes: Iterable[type]):
        self.names = {cls: cls.__name__ for cls in classes}
        self.tensors: dict[str, Tensor] = {}

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
            If the value cannot be written without pickle.
        """
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, np.bool_ | np.integer | np.floating):
            return self.encode(value.item(), where)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"float": repr(float(value))}
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
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer):
            known = _is_torch_optimizer(value)
            return {"optimizer": value.__name__} if known else {"custom": [value.__qualname__]}
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
            return {"custom": [type(value).__qualname__, params]}
        return {"spec": [name, params]}

    def _keep(self, tensor: Tensor, where: str) -> str:
        self.tensors[where] = tensor
        return where


class Decoder:
    """Turns nodes of :class:`Encoder` back into values.

    Parameters
    ----------
    classes : iterable of type
        Classes of the configured objects that may be built.
    trusted : iterable of type
        The reader's own classes.
    tensors : dict of str to Tensor
        The encoder's tensors.
    """

    def __init__(
        self,
        classes: Iterable[type],
        trusted: Iterable[type] = (),
        tensors: dict[str, Tensor] | None = None,
    ):
        self.classes = {cls.__name__: cls for cls in classes}
        self.trusted = {cls.__qualname__: cls for cls in trusted}
        self.tensors: dict[str, Tensor] = tensors or {}

    def decode(self, node: Any) -> Any:
        """Return the value of a node.

        Raises
        ------
        ValueError
            If a custom class is not trusted, or the node is malformed.
        """
        if node is None or isinstance(node, bool | str | int | float):
            return node
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        tag, content = next(iter(node.items()), ("", None))
        if tag not in self._READERS:
            raise ValueError(f"it holds a value of the unknown type {tag[:40]!r}")
        try:
            return self._READERS[tag](self, content)
        except (TypeError, LookupError, AttributeError) as exc:
            raise ValueError(f"it holds a malformed {tag!r} ({exc!r})") from exc

    def _dict(self, content: Any) -> dict[Any, Any]:
        return {self.decode(key): self.decode(item) for key, item in content}

    def _spec(self, content: Any) -> Any:
        name, params = content
        return self.classes[name](**self.decode(params))

    def _custom(self, content: Any) -> Any:
        name, *params = content
        cls = self.trusted.get(name)
        if cls is None:
            raise ValueError(
                f"it was saved with the class {name!r}, which is not part of skvae. If you trust "
                f"the file, pass your class: skvae.load(path, trusted=[{name}])"
            )
        return cls(**self.decode(params[0])) if params else cls

    def _random_state(self, content: Any) -> np.random.RandomState:
        state = np.random.RandomState()
        state.set_state(self.decode(content))
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
        "float": lambda self, content: float(content),
        "tensor": lambda self, content: self.tensors[content],
        "array": lambda self, content: self.tensors[content].numpy(),
        "device": lambda self, content: torch.device(content),
        "optimizer": _optimizer,
        "random_state": _random_state,
        "spec": _spec,
        "custom": _custom,
    }


def _is_torch_optimizer(cls: Any) -> bool:
    if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
        return False
    return getattr(torch.optim, cls.__name__, None) is cls
