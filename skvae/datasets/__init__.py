"""Data sets to try a variational autoencoder on, and the file format they come in."""

from skvae.datasets._idx import read_idx, write_idx
from skvae.datasets._mnist import fetch_mnist

__all__ = ["fetch_mnist", "read_idx", "write_idx"]
