"""Files that earlier versions wrote load for ever. Never change a file in tests/golden: add one."""

import json
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris

import skvae
from skvae.likelihoods import Gaussian
from skvae.networks import MLP
from skvae.objectives import ELBO

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(path.stem for path in GOLDEN.glob("*.json"))
PARAMETERS = {
    "transformer": {
        "network": MLP(hidden_layer_sizes=(4, 3), activation="tanh", dropout=0.1),
        "likelihood": Gaussian(noise="per_sample"),
        "objective": ELBO(beta=0.5, warmup=2),
        "early_stopping": True,
    },
    "detector": {"network": MLP(hidden_layer_sizes=[5]), "contamination": 0.05},
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_model_of_an_earlier_version_answers_as_it_did(file_format, name):
    expected = json.loads((GOLDEN / f"{file_format}.json").read_text(encoding="utf-8"))[name]
    rows = load_iris().data[::50]
    model = skvae.load(GOLDEN / f"{file_format}-{name}.skvae")
    names = model.feature_names_in_
    assert names[0] == "sepal length (cm)"
    del model.feature_names_in_  # the rows here come without names
    assert_allclose(model.posterior(rows)[0], expected["posterior mean"], rtol=1e-6)
    assert_allclose(model.reconstruct(rows), expected["reconstruct"], rtol=1e-6)
    assert_allclose(model.score_samples(rows), expected["score_samples"], rtol=1e-6)
    if name == "detector":
        assert model.offset_ == expected["offset_"]
    for parameter, value in PARAMETERS[name].items():
        assert repr(getattr(model, parameter)) == repr(value)


def test_the_format_of_this_version_has_its_files():
    from skvae._files.model_file import FORMAT_VERSION

    assert f"format-{FORMAT_VERSION}" in FORMATS
