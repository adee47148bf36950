"""Lossless compression of rows by a fitted estimator: bits-back coding."""

from skvae.compression._codec import compress, decompress

__all__ = ["compress", "decompress"]
