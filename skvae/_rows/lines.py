"""Many small plain values in few bytes, one line of JSON for each, which are parsed one by one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

_NEWLINE = 10
_BLOCK = 2**16
_LONGEST = 2**20  # bytes of a line, which takes many times as much memory while it is parsed


class Lines:
    """Values that JSON can hold, as text; iterating parses one at a time.

    Parameters
    ----------
    text : ndarray of uint8
        A line of ASCII for each value.

    Raises
    ------
    ValueError
        If it is not that, or a line is too long.
    """

    def __init__(self, text: np.ndarray):
        if text.dtype != np.uint8 or text.ndim != 1 or (text.size and text[-1] != _NEWLINE):
            raise ValueError("it holds texts that are not lines")
        self.text = text

    @classmethod
    def of(cls, values: Iterable[Any]) -> Lines:
        """Return values as lines."""
        lines = (json.dumps(value, allow_nan=False) for value in values)
        return cls(np.frombuffer("".join(f"{line}\n" for line in lines).encode(), dtype=np.uint8))

    def __len__(self) -> int:
        return sum(int(np.count_nonzero(block == _NEWLINE)) for _, block in self._blocks())

    def __iter__(self) -> Iterator[Any]:
        start = 0
        for place, block in self._blocks():
            for end in (place + np.flatnonzero(block == _NEWLINE)).tolist():
                yield _parsed(self.text[start:end])
                start = end + 1

    def _blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        for place in range(0, len(self.text), _BLOCK):
            yield place, self.text[place : place + _BLOCK]


def _parsed(line: np.ndarray) -> Any:
    if len(line) > _LONGEST:
        raise ValueError(f"it holds a text of {len(line)} bytes; at most {_LONGEST} are allowed")
    return json.loads(line.tobytes().decode("ascii"))
