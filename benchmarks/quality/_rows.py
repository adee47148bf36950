"""The rows of MNIST that tables of quality share: to train on, to choose by, and to judge by."""

from __future__ import annotations

from skvae.datasets import fetch_mnist


def test():
    """The training images, and the test images, which choose nothing."""
    train, judged = fetch_mnist(), fetch_mnist(subset="test")
    return train.data, train.target, judged.data, judged.target


def development():
    """The first 50,000 training images, and the 10,000 others to choose by."""
    X, y = fetch_mnist(return_X_y=True)
    return X[:50_000], y[:50_000], X[50_000:], y[50_000:]
