"""Fixtures for the tables of quality: the scripts as modules, and small images."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils import Bunch

QUALITY = Path(__file__).parents[3] / "benchmarks" / "quality"


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script of the folder by its name."""
    monkeypatch.syspath_prepend(QUALITY)  # as Python does for a script

    def script(name):
        spec = spec_from_file_location(f"benchmarks_quality_{name}", QUALITY / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return script


@pytest.fixture
def rows_of(monkeypatch, tmp_path):
    """Return a function that runs a script with options and returns the rows of its JSON."""

    def rows_of(module, *options):
        file = tmp_path / "table.json"
        line = ["script", *map(str, options), "--json", str(file)]
        monkeypatch.setattr(sys, "argv", line)
        module.main()
        return json.loads(file.read_text())["rows"]

    return rows_of


@pytest.fixture(scope="session")
def images(digits):
    """The digits enlarged to 28 x 28 pixels in [0, 1]: 300 for training, 100 for tests."""
    grown = digits.images.repeat(3, axis=1).repeat(3, axis=2) / 16
    X = np.pad(grown, [(0, 0), (2, 2), (2, 2)]).reshape(-1, 784).astype(np.float32)
    return {
        "train": Bunch(data=X[:300], target=digits.target[:300]),
        "test": Bunch(data=X[300:400], target=digits.target[300:400]),
    }


@pytest.fixture
def fetch_images(images):
    """Return a replacement of `fetch_mnist`."""
    return lambda subset="train": images[subset]
