"""Data sets to try variational autoencoders on, and the IDX format of image files."""

from skvae.datasets._audit import ImageAudit, audit_images
from skvae.datasets._customers import make_customers
from skvae.datasets._emnist import fetch_emnist
from skvae.datasets._idx import read_idx, write_idx
from skvae.datasets._mnist import fetch_mnist

__all__ = [
    "ImageAudit",
    "audit_images",
    "fetch_emnist",
    "fetch_mnist",
    "make_customers",
    "read_idx",
    "write_idx",
]
