"""Parts of a trained module as ONNX graphs, in the units of X."""

from __future__ import annotations

import functools
import logging
import math
import operator
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skvae._detector import IMPOSSIBLE
from skvae._disk.replacing import replacing, require_folder
from skvae._model.inference import complete_rows, saturated
from skvae._model.module import VAEModule
from skvae._parts import Score
from skvae._validation import import_extra

PARTS = ("encoder", "decoder", "score", "classifier")


class _Encoder(nn.Module):
    def __init__(self, module: VAEModule):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module.encode(x)[0]


class _Decoder(_Encoder):
    def forward(self, z: Tensor) -> Tensor:
        return self.module.likelihood.mean(self.module.decode(z)).to(z.dtype)


class _Classifier(_Encoder):
    def forward(self, x: Tensor) -> Tensor:
        return self.module.classify(x).exp()


class _Score(_Encoder):
    def __init__(self, module: VAEModule, score: Score, tensors: dict[str, Tensor], n_samples: int):
        super().__init__(module)
        self.score, self.n_samples = score, n_samples
        device = next(module.parameters()).device
        self.names = list(tensors)  # they may hold dots, which names of buffers may not
        for index, tensor in enumerate(tensors.values()):
            self.register_buffer(f"known_{index}", tensor.to(device), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        known = dict(zip(self.names, self.buffers(recurse=False), strict=True))
        rows = x if self.score.accepts_gaps else complete_rows(self.module, x)
        scores = self.score(self.module, rows, known, self.n_samples)
        scores = saturated(scores, x.dtype).to(x.dtype)
        support: Any = self.module.likelihood.support  # takes tensors here
        if support is None:
            return scores
        n_outside = (~support.accepts(x) & ~x.isnan()).sum(1)
        return torch.where(n_outside > 0, IMPOSSIBLE * n_outside, scores)


def export(
    module: VAEModule,
    path: str | os.PathLike[str],
    part: str,
    score: Score,
    tensors: dict[str, Tensor],
    n_samples: int,
) -> None:
    """Write one part of a module as an ONNX file, after checking it with ONNX's own checker.

    Parameters
    ----------
    module : VAEModule
        The trained module.
    path : str or path-like
        The file.
    part : str
        One of `PARTS`.
    score : Score
        The score that the part "score" computes; ignored for the others, as are the next two.
    tensors : dict of str to Tensor
        What the score learned from the training rows.
    n_samples : int
        Number of draws per row in the score.

    Raises
    ------
    ImportError
        If the packages of the extra "onnx" are not installed.
    OSError
        If the folder does not exist.
    ValueError
        If the score has operations that a graph cannot hold.
    """
    onnx = _import_onnx()
    require_folder(path)  # before the work
    if part == "score":
        graph = _Score(module, score, tensors, n_samples)
        try:
            model = _graph(graph, module.parts.n_features, ("X", "score"))
        except Exception as exc:  # whatever torch raises for an operation that it cannot trace
            raise ValueError(
                f"part='score' cannot be exported for anomaly_score={score!r}: it has operations "
                "that an ONNX graph cannot hold. Export the parts 'encoder' and 'decoder', or fit "
                "with another score."
            ) from exc
    else:
        module_of, width, names = {
            "encoder": (_Encoder, module.parts.n_features, ("X", "Z")),
            "decoder": (_Decoder, module.parts.n_components, ("Z", "X")),
            "classifier": (_Classifier, module.parts.n_features, ("X", "probabilities")),
        }[part]
        model = _graph(module_of(module), width, names)
    onnx.checker.check_model(model)
    with replacing(path) as scratch:
        scratch.write_bytes(model.SerializeToString())


def _graph(part: nn.Module, width: int, names: tuple[str, str]) -> Any:
    """Return the ONNX model of a part that takes rows of a width, any number of them."""
    rows = torch.zeros(2, width, device=next(part.parameters()).device)
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        rows_vary = ({0: torch.export.Dim("n_samples")},)
        traced = torch.export.export(part.eval(), (rows,), dynamic_shapes=rows_vary, strict=False)
        program = torch.onnx.export(
            traced.run_decompositions(_DECOMPOSITIONS),
            dynamo=True,
            input_names=names[:1],
            output_names=names[1:],
            verbose=False,
        )
    return program.model_proto  # type: ignore[union-attr] # not None with dynamo=True


def _import_onnx() -> Any:
    import_extra("onnxscript", "export_onnx", "onnx")  # torch uses it to write the graph
    return import_extra("onnx", "export_onnx", "onnx")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress reports and warnings of torch's exporter."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_SHIFT = 10  # above it, Stirling's series is exact but for the last digits of float64
# B_2k / (2k (2k - 1)) for k = 1, 2, ..., with the Bernoulli numbers B
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)


def _log_gamma(x: Tensor) -> Tensor:
    """Return log gamma(x) for 0 < x < 1e30 by Stirling's series; ONNX lacks the operator.

    The recurrence gamma(x + 1) = x gamma(x) moves the argument to where the series is exact.
    """
    shifted = x.double() + _SHIFT
    inverse = 1 / shifted
    series = torch.full_like(inverse, _STIRLING[-1])
    for coefficient in _STIRLING[-2::-1]:  # Horner's scheme
        series = series * inverse.square() + coefficient
    main = (shifted - 0.5) * shifted.log() - shifted + 0.5 * math.log(2 * math.pi)
    factors = functools.reduce(operator.mul, [x.double() + k for k in range(_SHIFT)])
    return (main + series * inverse - factors.log()).to(x.dtype)


def _softplus(x: Tensor, beta: float = 1, threshold: float = 20) -> Any:
    """Return log(1 + exp(beta x)) / beta, which onnxruntime computes in single precision only."""
    if x.dtype != torch.float64:
        return NotImplemented
    scaled = beta * x
    return (scaled.clamp(min=0) + (-scaled.abs()).exp().log1p()) / beta


def _searchsorted(levels: Tensor, values: Tensor, *, right: bool = False, **_: Any) -> Tensor:
    """Return how many of the levels, in ascending order, are below each value."""
    levels, values = levels[..., None, :], values[..., None]
    return (levels <= values if right else levels < values).sum(-1)


# Replacements for operators that ONNX or onnxruntime lacks.
_DECOMPOSITIONS = {
    torch.ops.aten.lgamma.default: _log_gamma,
    torch.ops.aten.searchsorted.Tensor: _searchsorted,
    torch.ops.aten.softplus.default: _softplus,
}
