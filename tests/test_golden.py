"""Files written by earlier versions can be loaded. Never change a file in tests/golden; add one.

`python tests/test_golden.py` writes the files of the current format, if they do not exist yet.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

import skvae
from skvae import VAEAnomalyDetector, VAEClassifier, VAEImputer, VAETransformer
from skvae._files.model_file import FORMAT_VERSION
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO
from skvae.scores import NoveltyRarity

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(path.stem for path in GOLDEN.glob("*.json"))
PARAMETERS = {
    "transformer": {
        "network": MLP(hidden_layer_sizes=(4, 3), activation="tanh", dropout=0.1),
        "likelihood": Gaussian(noise="per_sample"),
        "objective": ELBO(beta=0.5, warmup=2),
        "early_stopping": True,
    },
    "detector": {
        "network": MLP(hidden_layer_sizes=[5]),
        "anomaly_score": NoveltyRarity(n_estimators=4),
        "contamination": 0.05,
    },
    "imputer": {
        "network": MLP(hidden_layer_sizes=(4, 4), residual=True),
        "n_estimators": 2,
        "add_indicator": True,
    },
    "classifier": {"network": MLP(hidden_layer_sizes=(4,)), "consistency": 0.5},
}
ESTIMATORS = {
    "transformer": VAETransformer,
    "detector": VAEAnomalyDetector,
    "imputer": VAEImputer,
    "classifier": VAEClassifier,
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_model_of_an_earlier_version_returns_the_same_values(file_format, name):
    expected = json.loads((GOLDEN / f"{file_format}.json").read_text(encoding="utf-8"))[name]
    model = skvae.load(GOLDEN / f"{file_format}-{name}.skvae")
    assert model.feature_names_in_[0] == "sepal length (cm)"
    for method, values in results(model).items():
        assert_allclose(values, expected[method], rtol=1e-6)
    if name == "detector":
        assert model.offset_ == expected["offset_"]
    for parameter, value in PARAMETERS[name].items():
        assert repr(getattr(model, parameter)) == repr(value)


def test_the_current_format_has_its_files():
    assert f"format-{FORMAT_VERSION}" in FORMATS


def results(model):
    """Return what the methods of a model return for a few rows."""
    del model.feature_names_in_  # these rows have no names
    rows = load_iris().data[::50]
    rows[1, 2] = np.nan
    found = {"predict_proba": model.predict_proba(rows)} if hasattr(model, "classes_") else {}
    return found | {
        "posterior mean": model.posterior(rows)[0],
        "reconstruct": np.asarray(model.reconstruct(rows)),
        "score_samples": model.score_samples(rows),
        "transform": model.transform(rows),
    }


def write_files():
    """Write the models of the current format, and what their methods return."""
    (frame, target), expected = load_iris(return_X_y=True, as_frame=True), {}
    for name, cls in ESTIMATORS.items():
        rows = frame.mask(frame > 6) if name == "imputer" else frame
        model = cls(2, max_epochs=30, random_state=0, **PARAMETERS[name]).fit(rows, target)
        skvae.save(model, GOLDEN / f"format-{FORMAT_VERSION}-{name}.skvae")
        expected[name] = {method: values.tolist() for method, values in results(model).items()}
        if name == "detector":
            expected[name]["offset_"] = model.offset_
    with (GOLDEN / f"format-{FORMAT_VERSION}.json").open("x", encoding="utf-8") as file:
        json.dump(expected, file, indent=1)


if __name__ == "__main__":
    if f"format-{FORMAT_VERSION}" in FORMATS:
        raise SystemExit(f"{GOLDEN} already holds format {FORMAT_VERSION}; nothing was written")
    write_files()
