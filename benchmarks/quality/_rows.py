"""MNIST rows for training, development and testing, shared by the tables of quality."""

from __future__ import annotations

from skvae.datasets import fetch_mnist


def test():
    """Return the training images and the test images, which are not used for any choice."""
    train, held_out = fetch_mnist(), fetch_mnist(subset="test")
    return train.data, train.target, held_out.data, held_out.target


def development():
    """Return the first 50,000 training images and, for development, the 10,000 others."""
    X, y = fetch_mnist(return_X_y=True)
    return X[:50_000], y[:50_000], X[50_000:], y[50_000:]
