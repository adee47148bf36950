"""What the tests of the tables of quality share: the scripts as modules, and small images."""

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
    monkeypatch.syspath_prepend(QUALITY)  # where they find what they share

    def script(name):
        spec = spec_from_file_location(f"benchmarks_quality_{name}", QUALITY / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return script


@pytest.fixture
def rows_of(monkeypatch, tmp_path):
    """Return a function that runs a script with options and gives the rows that it wrote."""

    def rows_of(module, *options):
        file = tmp_path / "table.json"
        line = ["script", *map(str, options), "--json", str(file)]
        monkeypatch.setattr(sys, "argv", line)
        module.main()
        return json.loads(file.read_text())["rows"]

    return rows_of


@pytest.fixture(scope="session")
def images(digits):
    """The small digits on squares of 28 x 28 pixels, in [0, 1]: 300 to train on, 100 to judge."""
    grown = digits.images.repeat(3, axis=1).repeat(3, axis=2) / 16
    X = np.pad(grown, [(0, 0), (2, 2), (2, 2)]).reshape(-1, 784).astype(np.float32)
    return {
        "train": Bunch(data=X[:300], target=digits.target[:300]),
        "test": Bunch(data=X[300:400], target=digits.target[300:400]),
    }


@pytest.fixture
def fetch_images(images):
    """Stands in for `fetch_mnist`."""
    return lambda subset="train": images[subset]
