"""Fixtures shared by several folders of tests."""

import os
from pathlib import Path

import matplotlib
import pytest
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

matplotlib.use("Agg")  # no test opens a window


@pytest.fixture(scope="session")
def digits():
    """scikit-learn's embedded digits: 1,797 rows of 64 features, 0 to 16."""
    return load_digits()


@pytest.fixture(scope="session")
def mnist():
    """All of MNIST in [0, 1], as `mnist.train` and `mnist.test`; never downloaded."""
    from skvae.datasets import fetch_mnist

    folder = os.environ.get("SKVAE_DATA")
    if not folder or not (Path(folder).expanduser() / "mnist").is_dir():
        pytest.skip("the environment variable SKVAE_DATA names no folder that holds mnist/")
    parts = {
        part: fetch_mnist(subset=part, download_if_missing=False) for part in ("train", "test")
    }
    return Bunch(**parts)
