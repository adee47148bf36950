"""Fitted estimators for the displays, and figures closed after every test."""

import matplotlib.pyplot as plt
import pytest
from sklearn.datasets import load_iris

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

TINY = {"n_components": 3, "network": MLP((16,)), "max_epochs": 2, "random_state": 0}
ESTIMATORS = [VAETransformer, VAEAnomalyDetector]


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def iris():
    return load_iris(as_frame=True)


@pytest.fixture(scope="session", params=ESTIMATORS, ids=lambda cls: cls.__name__)
def of_images(request, digits):
    """Fit a transformer, then a detector, to images."""
    return request.param(**TINY).fit(digits.data)


@pytest.fixture(scope="session", params=ESTIMATORS, ids=lambda cls: cls.__name__)
def of_table(request, iris):
    """Fit a transformer, then a detector, to a table whose features have names."""
    return request.param(**TINY).fit(iris.data)


@pytest.fixture(scope="session")
def decoder():
    """Decode by the module itself, which both estimators have."""

    def decode(estimator, Z):
        import torch

        module = estimator.module_
        with torch.inference_mode():
            return module.likelihood.mean(module.decode(torch.from_numpy(Z).float())).numpy()

    return decode
