"""Variational autoencoders as scikit-learn estimators."""

from skvae._anomaly import VAEAnomalyDetector
from skvae._transformer import VAETransformer

__all__ = ["VAEAnomalyDetector", "VAETransformer", "__version__"]

__version__ = "0.1.0"
