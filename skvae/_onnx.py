"""A trained module as an ONNX graph: encoder, decoder or score, in the units of X."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from skvae._inference import score_rows
from skvae._model_file import write_bytes
from skvae._module import VAEModule

PARTS = ("encoder", "decoder", "score")


class _Encoder(nn.Module):
    def __init__(self, module: VAEModule):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return self.module.encode(x)[0]


class _Decoder(_Encoder):
    def forward(self, z: Tensor) -> Tensor:
        return self.module.likelihood.mean(self.module.decode(z)).to(z.dtype)


class _Score(_Encoder):
    def __init__(self, module: VAEModule, kind: str, n_samples: int):
        super().__init__(module)
        self.kind, self.n_samples = kind, n_samples

    def forward(self, x: Tensor) -> Tensor:
        return score_rows(self.module, x, self.kind, self.n_samples)


def export(module: VAEModule, path, part: str, kind: str, n_samples: int) -> None:
    """Write one part of a module as an ONNX file, checked by ONNX's own rules.

    Raises
    ------
    ImportError
        If the packages of the extra "onnx" are not installed.
    """
    onnx = _import_onnx()
    graph, width, names = {
        "encoder": (_Encoder(module), module.parts.n_features, ("X", "Z")),
        "decoder": (_Decoder(module), module.parts.n_components, ("Z", "X")),
        "score": (_Score(module, kind, n_samples), module.parts.n_features, ("X", "score")),
    }[part]
    rows = torch.zeros(2, width, device=next(module.parameters()).device)
    with _quiet(), torch.inference_mode(False), torch.no_grad():
        program = torch.onnx.export(
            graph.eval(),
            (rows,),
            dynamo=True,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_shapes=({0: torch.export.Dim("n_samples")},),
            verbose=False,
        )
    onnx.checker.check_model(program.model_proto)
    write_bytes(path, program.model_proto.SerializeToString())


def _import_onnx():
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch writes the graph with it
    except ImportError as exc:
        raise ImportError(
            f"export_onnx needs the package {exc.name!r}. Install the extra: pip install "
            "'skvae[onnx]'."
        ) from exc
    return onnx


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's exporter from reporting on itself."""
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
