"""Fitted estimators for the displays, and figures closed after each test."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.datasets import load_iris

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.networks import MLP

TINY = {
    "n_components": 3,
    "network": MLP(hidden_layer_sizes=(8,)),
    "max_epochs": 2,
    "random_state": 0,
}


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def iris():
    return load_iris(as_frame=True)


@pytest.fixture(scope="session")
def images(digits):
    return digits.data[:200]


@pytest.fixture(scope="session")
def detector_of_images(images):
    return VAEAnomalyDetector(**TINY).fit(images)


@pytest.fixture(scope="session")
def detector_of_table(iris):
    return VAEAnomalyDetector(**TINY, anomaly_score="log_likelihood").fit(iris.data)


@pytest.fixture(scope="session", params=["transformer", "detector"])
def of_images(request, images):
    """Return a transformer, then a detector, fitted to images."""
    if request.param == "detector":
        return request.getfixturevalue("detector_of_images")
    return VAETransformer(**TINY).fit(images)


@pytest.fixture(scope="session", params=["transformer", "detector"])
def of_table(request, iris):
    """Return a transformer, then a detector, fitted to a table whose features have names."""
    if request.param == "detector":
        return request.getfixturevalue("detector_of_table")
    return VAETransformer(**TINY).fit(iris.data)


@pytest.fixture(scope="session")
def customers():
    """Return a table of text, categories, booleans, dates, durations and numbers."""
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    rng, n_rows = np.random.default_rng(0), 60
    return pd.DataFrame(
        {
            "plan": rng.choice(["basic", "family", "premium"], n_rows, p=[0.5, 0.3, 0.2]),
            "size": pd.Categorical(rng.choice(["S", "L"], n_rows), categories=["S", "M", "L"]),
            "uses_app": rng.random(n_rows) < 0.4,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 900, n_rows), "D"),
            "wait": pd.to_timedelta(rng.integers(0, 48, n_rows), "h"),
            "age": rng.integers(18, 80, n_rows),
            "bill": rng.gamma(2, 20, n_rows).round(2),
        },
        index=[f"c{number}" for number in range(100, 100 + n_rows)],
    )


@pytest.fixture(scope="session")
def of_customers(customers):
    """Return a detector fitted to the table of customers."""
    return VAEAnomalyDetector(**TINY, prior="normal", anomaly_score="elbo").fit(customers)


@pytest.fixture(scope="session")
def decoder():
    """Return a function that decodes with the module itself, which both estimators have."""

    def decode(estimator, Z):
        import torch

        module = estimator.module_
        with torch.inference_mode():
            return module.likelihood.mean(module.decode(torch.from_numpy(Z).float())).numpy()

    return decode
