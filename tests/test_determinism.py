"""Same data and same seed give the same bits; the global random generators stay as they are."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae.networks import MLP
from tests.helpers import Labelled, global_states, quick_parameters

PROGRAM = """
import hashlib, random
import numpy as np, torch
from sklearn.datasets import load_digits

def states():
    numpy_state = np.random.get_state()[1].tobytes()
    return random.getstate(), numpy_state, torch.get_rng_state().tolist()

before = states()
from skvae import VAETransformer
from skvae.networks import MLP
assert states() == before, "importing skvae touched a global generator"
torch.set_num_threads(1)
network = MLP(hidden_layer_sizes=(32,), dropout=0.1)
vae = VAETransformer(4, network=network, max_epochs=3, random_state=7)
vae.fit(load_digits().data)
print(hashlib.sha256(vae.transform(load_digits().data).tobytes()).hexdigest())
"""


@pytest.fixture
def one_thread():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def _model(**params):
    defaults = {
        "network": MLP(hidden_layer_sizes=(32,), dropout=0.1),
        "max_epochs": 3,
        "random_state": 7,
    }
    return VAETransformer(4, **defaults | params)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_and_two_fits_agree_to_the_bit(digits):
    fits = [_model().fit(digits.data).transform(digits.data) for _ in range(2)]
    np.testing.assert_array_equal(fits[0], fits[1])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.strip() == hashlib.sha256(fits[0].tobytes()).hexdigest()


def test_another_seed_gives_another_model(digits):
    first = _model(random_state=0).fit(digits.data).transform(digits.data[:5])
    second = _model(random_state=1).fit(digits.data).transform(digits.data[:5])
    assert np.abs(first - second).max() > 0.01


def test_without_a_seed_every_fit_differs(digits):
    first, second = (
        _model(random_state=None).fit(digits.data).transform(digits.data[:5]) for _ in range(2)
    )
    assert np.abs(first - second).max() > 1e-3


def test_a_random_state_instance_is_drawn_from(digits):
    shared = np.random.RandomState(0)
    first = _model(random_state=shared).fit(digits.data).transform(digits.data[:5])
    second = _model(random_state=shared).fit(digits.data).transform(digits.data[:5])
    again = _model(random_state=np.random.RandomState(0)).fit(digits.data)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(again.transform(digits.data[:5]), first)


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize(
    "estimator_class", [VAETransformer, VAEAnomalyDetector, VAEImputer, Labelled]
)
def test_the_global_generators_are_not_touched(digits, estimator_class, random_state):
    before = global_states()
    estimator = estimator_class(
        4,
        network=MLP(hidden_layer_sizes=(32,), dropout=0.1),
        max_epochs=2,
        random_state=random_state,
        **quick_parameters(estimator_class),
    )
    assert global_states() == before
    estimator.fit(digits.data)
    assert global_states() == before
    estimator.score_samples(digits.data[:9])
    estimator.sample(5, random_state=random_state)
    if estimator_class is VAEImputer:
        gaps = np.where(digits.data[:9] > 8, np.nan, digits.data[:9])
        estimator.transform(gaps)
        estimator.impute(gaps, 2, random_state=random_state)
    estimator.partial_fit(digits.data[:100])
    assert global_states() == before


def test_samples_follow_their_own_seed(digits):
    vae = _model().fit(digits.data)
    np.testing.assert_array_equal(vae.sample(3, random_state=1), vae.sample(3, random_state=1))
    assert np.abs(vae.sample(3, random_state=1) - vae.sample(3, random_state=2)).max() > 0.01
    assert np.abs(vae.sample(3) - vae.sample(3)).max() > 1e-6
