"""A saved estimator comes back as it was, and nothing else ever comes back."""

import copy
import json
import pickle

import numpy as np
import pytest
import safetensors
import torch
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from skorch.callbacks import EpochTimer

import skvae
from skvae import VAEAnomalyDetector, VAETransformer
from skvae._files.model_file import write_file
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO
from skvae.priors import StandardNormal
from tests.helpers import global_states
from tests.test_conformance import DETECTORS, TRANSFORMERS, PaddedImage, Strip

X = np.random.default_rng(0).uniform(size=(60, 9)).astype(np.float32)
X[:, 2] = 0.25  # a constant column
ESTIMATORS = [VAETransformer, VAEAnomalyDetector]

CONFIGURATIONS = {
    "default": {},
    "unfitted likelihood": {"likelihood": Gaussian()},
    "shared": {"likelihood": Gaussian(noise="shared", scaling="global", bounded=True)},
    "bounded by the rule": {"likelihood": Gaussian(scaling="global")},
    "per sample": {"likelihood": Gaussian(noise="per_sample")},
    "fixed": {"likelihood": Gaussian(noise=0.5, scaling="none")},
    "bernoulli": {"likelihood": "bernoulli"},
    "continuous": {"likelihood": ContinuousBernoulli()},
    "linear": {"network": MLP(hidden_layer_sizes=())},
    "array of sizes": {
        "network": MLP(hidden_layer_sizes=np.array([8, 4]), activation="tanh", dropout=0.1)
    },
    "convolutions": {"network": Conv(channels=[4, 8], hidden_units=None)},
    "shaped": {"network": Conv(image_shape=(9, 1), channels=(3,))},
    "objective": {"objective": ELBO(beta=2, free_bits=0.1, warmup=1), "prior": StandardNormal()},
    "stopped": {"early_stopping": True, "max_epochs": 5, "n_iter_no_change": 1},
    "one sample": {"n_importance_samples": 1, "n_components": 1},
    "sgd": {"optimizer": torch.optim.SGD, "learning_rate": 1e-4},
    "own generator": {"random_state": np.random.RandomState(4)},
    "bfloat16": {"precision": "bfloat16", "device": torch.device("cpu")},
}


def quick(estimator_class=VAETransformer, **changes):
    settings = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "random_state": 0,
    }
    return estimator_class(**{**settings, **copy.deepcopy(changes)})


def answers(estimator, rows=X):
    found = [*estimator.posterior(rows), estimator.reconstruct(rows)]
    found += [estimator.score_samples(rows), estimator.sample(4, random_state=0, noise=True)]
    if isinstance(estimator, VAEAnomalyDetector):
        return [*found, estimator.decision_function(rows), estimator.predict(rows)]
    return [*found, estimator.transform(rows), estimator.inverse_transform(found[0])]


def plain_parameters(estimator):
    """Give the parameters as text; a generator is told by what it draws next."""
    params = estimator.get_params()
    if isinstance(params["random_state"], np.random.RandomState):
        params["random_state"] = copy.deepcopy(params["random_state"]).normal()
    return repr(params)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_what_comes_back_is_what_was_saved(path, estimator_class, configuration):
    estimator = quick(estimator_class, **CONFIGURATIONS[configuration]).fit(X)
    estimator.save(path)
    loaded = skvae.load(path)
    assert type(loaded) is estimator_class
    assert plain_parameters(loaded) == plain_parameters(estimator)
    for dtype in (np.float32, np.float64):
        rows = X.astype(dtype)
        for found, expected in zip(answers(loaded, rows), answers(estimator, rows), strict=True):
            assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
    assert vars(loaded).keys() == vars(estimator).keys()
    for name in ("n_iter_", "n_steps_", "device_", "precision_", "n_components_"):
        assert getattr(loaded, name) == getattr(estimator, name)
    assert loaded.history_.keys() == estimator.history_.keys()
    for name, values in estimator.history_.items():
        assert_array_equal(loaded.history_[name], values)
    again = path.with_name("again.skvae")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("estimator", TRANSFORMERS + DETECTORS, ids=repr)
def test_every_configuration_that_conforms_comes_back(path, estimator):
    fitted = copy.deepcopy(estimator).set_params(random_state=0).fit(X)
    fitted.save(path)
    loaded = skvae.load(path, trusted=[PaddedImage, Strip])
    for found, expected in zip(answers(loaded), answers(fitted), strict=True):
        assert_array_equal(found, expected)


def test_the_file_of_a_default_model_is_hardly_larger_than_its_weights(path, digits):
    vae = VAETransformer(random_state=0).fit(digits.data)
    vae.save(path)
    n_bytes = sum(w.numel() * w.element_size() for w in vae.module_.state_dict().values())
    assert path.stat().st_size <= 1.05 * n_bytes


def test_feature_names_are_kept_and_checked(path):
    pd = pytest.importorskip("pandas", reason="names of features come with a DataFrame")
    frame = pd.DataFrame(X, columns=[f"column {i}" for i in range(9)])
    quick().fit(frame).save(path)
    loaded = skvae.load(path)
    assert loaded.feature_names_in_.tolist() == list(frame)
    assert loaded.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.transform(frame.rename(columns={"column 0": "another"}))


def test_a_loaded_model_can_be_trained_on(path):
    quick(warm_start=True).fit(X).save(path)
    loaded = skvae.load(path)
    before = loaded.score(X)
    loaded.set_params(max_epochs=30, learning_rate=1e-2).fit(X)
    assert loaded.n_iter_ == 30
    assert loaded.score(X) > before


def test_a_loaded_model_can_be_copied_and_pickled(path):
    quick().fit(X).save(path)
    loaded = skvae.load(path)
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert_array_equal(twin.score_samples(X), loaded.score_samples(X))


def test_loading_leaves_the_global_generators_alone(path):
    quick().fit(X).save(path)
    before = global_states()
    skvae.load(path)
    assert global_states() == before


def test_a_device_that_is_not_here_becomes_the_cpu(path):
    if torch.cuda.is_available():
        pytest.skip("a machine with a GPU has the device")
    estimator = quick().fit(X).set_params(device="cuda")
    estimator.save(path)
    loaded = skvae.load(path)
    assert (loaded.device, loaded.device_) == ("cuda", "cpu")
    assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


# A user's own parts.


class OwnNetwork(BaseEstimator):
    def __init__(self, width=5):
        self.width = width

    def build_encoder(self, n_features, n_outputs):
        return MLP(hidden_layer_sizes=(self.width,)).build_encoder(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs):
        return MLP(hidden_layer_sizes=(self.width,)).build_decoder(n_components, n_outputs)


class OwnLikelihood(Bernoulli):
    pass


def test_own_parts_come_back_where_they_are_trusted(path):
    estimator = quick(network=OwnNetwork(7), likelihood=OwnLikelihood()).fit(X)
    estimator.save(path)
    with pytest.raises(ValueError, match=r"'OwnNetwork', unknown .*trusted=\[OwnNetwork\]"):
        skvae.load(path, trusted=[OwnLikelihood])
    loaded = skvae.load(path, trusted=[OwnNetwork, OwnLikelihood])
    assert loaded.network.width == 7
    assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


def test_another_class_of_that_name_must_fit_the_weights(path):
    quick(network=OwnNetwork(7)).fit(X).save(path)

    class Other(OwnNetwork):
        def build_encoder(self, n_features, n_outputs):
            return MLP(hidden_layer_sizes=(self.width + 1,)).build_encoder(n_features, n_outputs)

    Other.__qualname__ = "OwnNetwork"
    with pytest.raises(ValueError, match="its weights 'encoder.*shape"):
        skvae.load(path, trusted=[Other])


# What cannot be saved.


def test_an_unfitted_estimator_is_refused(path):
    with pytest.raises(NotFittedError):
        quick().save(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"callbacks": [EpochTimer()]}, r"callbacks=.*EpochTimer.*set_params\(callbacks=None\)"),
        ({"objective": lambda module, x, **kwargs: ELBO()(module, x)}, "objective is <function"),
    ],
)
def test_what_needs_pickle_is_refused_by_name(path, change, message):
    estimator = quick(**change).fit(X)
    with pytest.raises(ValueError, match=message):
        estimator.save(path)
    assert not path.exists()


@pytest.mark.parametrize("other", [MLP(), type("Mine", (VAETransformer,), {})(), None])
def test_only_estimators_of_the_library_are_saved(path, other):
    with pytest.raises(ValueError, match="VAETransformer or VAEAnomalyDetector, got"):
        skvae.save(other, path)


# What is refused on loading, though its checksum is right.


def rewritten(path, change):
    """Save a model, change the header, and write it with a new checksum."""
    quick(VAEAnomalyDetector).fit(X).save(path)
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["skvae"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["sha256"]
    change(header, tensors)
    write_file(path, header, tensors)


def set_parameter(name, node):
    def change(header, tensors):
        (pairs,) = header["parameters"].values()
        next(pair for pair in pairs if pair[0] == name)[1] = node

    return change


def set_part(name, node):
    def change(header, tensors):
        (pairs,) = header["parts"].values()
        next(pair for pair in pairs if pair[0] == name)[1] = node

    return change


def huge_network(header, tensors):
    sizes = {"tuple": [10**12]}
    set_part("network", {"spec": ["MLP", {"dict": [["hidden_layer_sizes", sizes]]}]})(
        header, tensors
    )


def not_finite(header, tensors):
    tensors["module.encoder.0.weight"][0, 0] = torch.nan


def other_dtype(header, tensors):
    tensors["module.encoder.0.weight"] = tensors["module.encoder.0.weight"].half()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, tensors: header.update(estimator="MLP"), "MLP"),
        (lambda header, tensors: header.pop("parts"), "parts"),
        (lambda header, tensors: header.pop("scalars"), "a checkpoint of a detector"),
        (lambda header, tensors: tensors.pop("module.encoder.0.bias"), "encoder.0.bias"),
        (lambda header, tensors: tensors.update({"module.more": torch.ones(1)}), "more"),
        (set_parameter("n_components", 0), "'n_components' parameter"),
        (set_parameter("optimizer", {"optimizer": "os"}), "unsound content"),
        (set_parameter("network", {"custom": ["os.system", {"dict": []}]}), "unknown to skvae"),
        (set_part("n_features", 10), "shape"),
        (set_part("n_features", 10**12), "declares 1000000000000 features"),
        (set_part("n_features", 0), "declares 0 features"),
        (set_part("n_components", -1), "and -1 components"),
        (set_part("n_components", "2"), "cannot be used"),
        (set_part("likelihood", {"spec": ["Bernoulli", {"dict": []}]}), "do not fit"),
        (huge_network, "shape"),
        (not_finite, "are not finite"),
        (other_dtype, "float16"),
    ],
)
def test_content_that_does_not_fit_together_is_refused(path, change, message):
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as caught:
        skvae.load(path)
    assert str(path) in str(caught.value)
