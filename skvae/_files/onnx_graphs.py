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

from skvae._disk.replacing import replacing, require_folder
from skvae._model.inference import score_rows
from skvae._model.module import VAEModule

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
    def __init__(self, module: VAEModule, kind: str, n_samples: int):
        super().__init__(module)
        self.kind, self.n_samples = kind, n_samples

    def forward(self, x: Tensor) -> Tensor:
        return score_rows(self.module, x, self.kind, self.n_samples)


def export(
    module: VAEModule, path: str | os.PathLike[str], part: str, kind: str, n_samples: int
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
    kind : str
        Quantity that the part "score" computes; ignored for the others.
    n_samples : int
        Number of draws per row in the score.

    Raises
    ------
    ImportError
        If the packages of the extra "onnx" are not installed.
    OSError
        If the folder does not exist.
    """
    onnx = _import_onnx()
    require_folder(path)  # before the work
    graph, width, names = {
        "encoder": (_Encoder(module), module.parts.n_features, ("X", "Z")),
        "decoder": (_Decoder(module), module.parts.n_components, ("Z", "X")),
        "score": (_Score(module, kind, n_samples), module.parts.n_features, ("X", "score")),
        "classifier": (_Classifier(module), module.parts.n_features, ("X", "probabilities")),
    }[part]
    rows = torch.zeros(2, width, device=next(module.parameters()).device)
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        rows_vary = ({0: torch.export.Dim("n_samples")},)
        traced = torch.export.export(graph.eval(), (rows,), dynamic_shapes=rows_vary, strict=False)
        program = torch.onnx.export(
            traced.run_decompositions(_DECOMPOSITIONS),
            dynamo=True,
            input_names=names[:1],
            output_names=names[1:],
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr] # not None with dynamo=True
    onnx.checker.check_model(model)
    with replacing(path) as scratch:
        scratch.write_bytes(model.SerializeToString())


def _import_onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch uses it to write the graph
    except ImportError as exc:
        raise ImportError(
            f"export_onnx needs the package {exc.name!r}. Install the extra: pip install "
            "'skvae[onnx]'."
        ) from exc
    return onnx


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


# Replacements for operators that ONNX or onnxruntime lacks.
_DECOMPOSITIONS = {
    torch.ops.aten.lgamma.default: _log_gamma,
    torch.ops.aten.softplus.default: _softplus,
}
