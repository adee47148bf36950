"""Variational autoencoders as scikit-learn estimators.

Names are imported when they are first used: the command line answers without waiting for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skvae._classifier import VAEClassifier
    from skvae._detector import VAEAnomalyDetector
    from skvae._imputer import VAEImputer
    from skvae._transformer import VAETransformer
    from skvae.compression import compress, decompress
    from skvae.persistence import Autosave, describe, export_onnx, load, save

__all__ = [
    "Autosave",
    "VAEAnomalyDetector",
    "VAEClassifier",
    "VAEImputer",
    "VAETransformer",
    "__version__",
    "compress",
    "decompress",
    "describe",
    "export_onnx",
    "load",
    "save",
]

__version__ = "0.1.0"

_HOMES = {
    "Autosave": "skvae.persistence",
    "VAEAnomalyDetector": "skvae._detector",
    "VAEClassifier": "skvae._classifier",
    "VAEImputer": "skvae._imputer",
    "VAETransformer": "skvae._transformer",
    "compress": "skvae.compression",
    "decompress": "skvae.compression",
    "describe": "skvae.persistence",
    "export_onnx": "skvae.persistence",
    "load": "skvae.persistence",
    "save": "skvae.persistence",
}
_SUBPACKAGES = {
    "compression",
    "datasets",
    "likelihoods",
    "metrics",
    "networks",
    "objectives",
    "plotting",
    "priors",
    "scores",
}


def __getattr__(name):
    if name in _SUBPACKAGES:
        return import_module(f"skvae.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'skvae' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__():
    return sorted({*globals(), *_HOMES, *_SUBPACKAGES})
