"""Variational autoencoders as scikit-learn estimators."""

from skvae._anomaly import VAEAnomalyDetector
from skvae._checkpoint import Checkpoint
from skvae._transformer import VAETransformer
from skvae.persistence import load, save

__all__ = ["Checkpoint", "VAEAnomalyDetector", "VAETransformer", "__version__", "load", "save"]

__version__ = "0.1.0"
