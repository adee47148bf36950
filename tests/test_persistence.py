"""A loaded estimator equals the saved one, and unsound files are refused."""

import copy
import json
import pickle

import numpy as np
import pytest
import safetensors
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback

import skvae
from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._files.model_file import write_file
from skvae._rows.lines import Lines
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from skvae.networks import MLP, Conv, Network
from skvae.objectives import ELBO, Objective
from skvae.priors import ExPostMixture, StandardNormal
from tests.helpers import global_states, quick_parameters

X = np.random.default_rng(0).uniform(size=(60, 9)).astype(np.float32)
X[:, 2] = 0.25  # a constant column
ESTIMATORS = [VAETransformer, VAEAnomalyDetector, VAEImputer]

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
    "ex post": {"prior": ExPostMixture(n_mixtures=2)},
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
        **quick_parameters(estimator_class),
    }
    return estimator_class(**{**settings, **copy.deepcopy(changes)})


def answers(estimator, rows=X):
    found = [*estimator.posterior(rows), estimator.reconstruct(rows)]
    found += [estimator.score_samples(rows), estimator.sample(4, random_state=0)]
    if isinstance(estimator, VAEImputer):
        gaps = np.where(np.eye(len(rows), rows.shape[1], dtype=bool), np.nan, rows)
        return [*found, estimator.transform(gaps), estimator.impute(gaps, 2, random_state=0)]
    found += [estimator.transform(rows), estimator.inverse_transform(found[0])]
    if isinstance(estimator, VAEAnomalyDetector):
        found += [estimator.decision_function(rows), estimator.predict(rows)]
    return found


def plain_parameters(estimator):
    """Return the parameters as text, with a draw from a generator in its place."""
    params = estimator.get_params()
    if isinstance(params["random_state"], np.random.RandomState):
        params["random_state"] = copy.deepcopy(params["random_state"]).normal()
    return repr(params)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


# a detector adds its score to the file, whatever the configuration
FAST_DETECTORS = {"default", "stopped", "own generator"}
DETECTORS = [
    pytest.param(VAEAnomalyDetector, name, marks=[] if name in FAST_DETECTORS else pytest.mark.slow)
    for name in CONFIGURATIONS
]


@pytest.mark.parametrize(
    ("estimator_class", "configuration"),
    [*((VAETransformer, name) for name in CONFIGURATIONS), *DETECTORS, (VAEImputer, "default")],
)
def test_a_loaded_estimator_equals_the_saved_one(path, estimator_class, configuration):
    estimator = quick(estimator_class, **CONFIGURATIONS[configuration]).fit(X)
    skvae.save(estimator, path)
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
    skvae.save(loaded, again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_every_conforming_configuration_can_be_saved_and_loaded(path):
    from tests import test_conformance as conformance

    for estimator_class, _, changes in conformance.configurations():
        estimator = conformance.configured(estimator_class, **changes)
        fitted = copy.deepcopy(estimator).set_params(random_state=0).fit(X)
        skvae.save(fitted, path)
        loaded = skvae.load(path, trusted=[conformance.PaddedImage, conformance.Strip])
        for found, expected in zip(answers(loaded), answers(fitted), strict=True):
            assert_array_equal(found, expected, err_msg=repr(estimator))


def test_the_file_of_a_default_model_is_at_most_5_percent_larger_than_its_weights(path, digits):
    vae = VAETransformer(max_epochs=2, random_state=0).fit(digits.data)
    skvae.save(vae, path)
    n_bytes = sum(w.numel() * w.element_size() for w in vae.module_.state_dict().values())
    assert path.stat().st_size <= 1.05 * n_bytes


def test_feature_names_are_kept_and_checked(path):
    pd = pytest.importorskip("pandas", reason="names of features come with a DataFrame")
    frame = pd.DataFrame(X, columns=[f"column {i}" for i in range(9)])
    skvae.save(quick().fit(frame), path)
    loaded = skvae.load(path)
    assert loaded.feature_names_in_.tolist() == list(frame)
    assert loaded.feature_names_in_.dtype == object
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.transform(frame.rename(columns={"column 0": "another"}))


def test_a_loaded_model_can_be_trained_further(path):
    skvae.save(quick(warm_start=True).fit(X), path)
    loaded = skvae.load(path)
    before, first = loaded.score(X), loaded.history_["train_loss"]
    loaded.set_params(max_epochs=30, learning_rate=1e-2).fit(X)
    assert loaded.n_iter_ == 30
    assert loaded.history_["train_loss"].shape == (30,)
    assert_array_equal(loaded.history_["train_loss"][:2], first)
    assert loaded.score(X) > before


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_a_warm_start_of_a_loaded_model_starts_from_its_weights(path, estimator_class):
    estimator = quick(estimator_class, warm_start=True, max_epochs=30, learning_rate=1e-2).fit(X)
    skvae.save(estimator, path)
    loaded = skvae.load(path).set_params(max_epochs=31, **MOTIONLESS).fit(X)
    assert loaded.n_iter_ == 31
    assert_same_weights_within_rounding(loaded, estimator)


def test_partial_fit_of_a_loaded_model_starts_from_its_weights(path):
    estimator = quick(max_epochs=30, learning_rate=1e-2).fit(X)
    skvae.save(estimator, path)
    loaded = skvae.load(path).set_params(**MOTIONLESS).partial_fit(X)
    assert loaded.n_iter_ == len(loaded.history_["train_loss"]) == 31
    assert_array_equal(loaded.history_["train_loss"][:30], estimator.history_["train_loss"])
    assert_same_weights_within_rounding(loaded, estimator)


MOTIONLESS = {"learning_rate": 1e-12, "weight_decay": 0.0}


def assert_same_weights_within_rounding(one, other):
    expected = other.module_.state_dict()
    for name, weights in one.module_.state_dict().items():
        if weights.is_floating_point():  # not the number of steps that a mixture has seen
            torch.testing.assert_close(weights, expected[name], rtol=1e-6, atol=1e-6)


def test_a_loaded_model_is_trained_with_a_fresh_optimizer(path):
    estimator = quick().partial_fit(X).partial_fit(X)
    skvae.save(estimator, path)
    assert optimizer_steps(estimator) == {2}
    assert optimizer_steps(skvae.load(path).partial_fit(X)) == {1}


def optimizer_steps(estimator):
    return {int(state["step"]) for state in estimator._net.optimizer_.state.values()}


class Unpicklable(Callback):
    def __init__(self):
        self.function = lambda: None


def test_callbacks_are_not_saved(path, tmp_path):
    autosave = skvae.Autosave(tmp_path / "checkpoints")
    estimator = quick(callbacks=[Unpicklable(), ("named", Unpicklable()), autosave]).fit(X)
    skvae.save(estimator, path)
    assert len(estimator.callbacks) == 3
    loaded = skvae.load(path)
    assert loaded.callbacks is None
    assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))
    skvae.save(estimator.set_params(callbacks=None), path.with_name("without"))
    assert path.with_name("without").read_bytes() == path.read_bytes()


def test_a_loaded_model_can_be_copied_and_pickled(path):
    skvae.save(quick().fit(X), path)
    loaded = skvae.load(path)
    for twin in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert_array_equal(twin.score_samples(X), loaded.score_samples(X))


def test_loading_leaves_the_global_generators_alone(path):
    skvae.save(quick().fit(X), path)
    before = global_states()
    skvae.load(path)
    assert global_states() == before


def test_a_model_of_an_unavailable_device_is_loaded_on_the_cpu(path):
    if torch.cuda.is_available():
        pytest.skip("a machine with a GPU has the device")
    estimator = quick().fit(X).set_params(device="cuda")
    skvae.save(estimator, path)
    loaded = skvae.load(path)
    assert (loaded.device, loaded.device_) == ("cuda", "cpu")
    assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


# A user's own parts.


class OwnNetwork(Network):
    def __init__(self, width=5):
        self.width = width

    def build_encoder(self, n_features, n_outputs):
        return MLP(hidden_layer_sizes=(self.width,)).build_encoder(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        mlp = MLP(hidden_layer_sizes=(self.width,))
        return mlp.build_decoder(n_components, n_outputs, n_features)


class OwnLikelihood(Bernoulli):
    pass


class WeightedELBO(Objective):
    def __init__(self, weight):
        self.weight = weight

    def __call__(self, module, x, *, epoch=None, generator=None):
        record = ELBO()(module, x, epoch=epoch, generator=generator)
        return record | {"loss": self.weight(record["loss"])}


def test_own_parts_are_loaded_if_they_are_trusted(path):
    estimator = quick(network=OwnNetwork(7), likelihood=OwnLikelihood()).fit(X)
    skvae.save(estimator, path)
    with pytest.raises(
        ValueError, match=r"'OwnNetwork', which is not part .*trusted=\[OwnNetwork\]"
    ):
        skvae.load(path, trusted=[OwnLikelihood])
    loaded = skvae.load(path, trusted=[OwnNetwork, OwnLikelihood])
    assert loaded.network.width == 7
    assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))


def test_a_trusted_class_that_does_not_fit_the_weights_is_refused(path):
    skvae.save(quick(network=OwnNetwork(7)).fit(X), path)

    class Other(OwnNetwork):
        def build_encoder(self, n_features, n_outputs):
            return MLP(hidden_layer_sizes=(self.width + 1,)).build_encoder(n_features, n_outputs)

    Other.__qualname__ = "OwnNetwork"
    with pytest.raises(ValueError, match="its weights 'encoder.*shape"):
        skvae.load(path, trusted=[Other])


# What cannot be saved.


def test_an_unfitted_estimator_is_refused(path):
    with pytest.raises(NotFittedError):
        skvae.save(quick(), path)
    assert not path.exists()


def test_a_parameter_that_needs_pickle_is_refused_by_name(path):
    estimator = quick(objective=WeightedELBO(lambda loss: 2 * loss)).fit(X)
    with pytest.raises(ValueError, match=r"parameters\.objective\.weight is <function"):
        skvae.save(estimator, path)
    assert not path.exists()


@pytest.mark.parametrize("other", [MLP(), type("Mine", (VAETransformer,), {})(), None])
def test_only_estimators_of_the_library_are_saved(path, other):
    with pytest.raises(ValueError, match="VAEAnomalyDetector, VAEImputer or VAEClassifier, got"):
        skvae.save(other, path)


# Refused on loading, although the checksum is right.


def rewritten(path, change):
    """Save a model, change its content, and write it with a new checksum."""
    skvae.save(quick(VAEAnomalyDetector).fit(X), path)
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


def set_names(names):
    def change(header, tensors):
        tensors["names"] = torch.from_numpy(Lines.of(names).text.copy())
        header["state"]["feature_names"] = {"lines": "names"}

    return change


def set_state(name, node):
    def change(header, tensors):
        header["state"][name] = node

    return change


def set_part(name, node):
    def change(header, tensors):
        (pairs,) = header["state"]["parts"].values()
        next(pair for pair in pairs if pair[0] == name)[1] = node

    return change


def huge_network(header, tensors):
    sizes = {"tuple": [10**12]}
    set_part("network", {"spec": ["MLP", {"dict": [["hidden_layer_sizes", sizes]]}]})(
        header, tensors
    )


def not_finite(header, tensors):
    tensors["weights.encoder.0.weight"][0, 0] = torch.nan


def more_weights(header, tensors):
    (pairs,) = header["state"]["weights"].values()
    pairs.append(["more", {"tensor": "more"}])
    tensors["more"] = torch.ones(1)


def other_dtype(header, tensors):
    tensors["weights.encoder.0.weight"] = tensors["weights.encoder.0.weight"].half()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, tensors: header.update(estimator="MLP"), "MLP"),
        (lambda header, tensors: header["state"].pop("parts"), "parts"),
        (lambda header, tensors: header["state"].pop("offset"), "lacks the field 'offset'"),
        (lambda header, tensors: tensors.pop("weights.encoder.0.bias"), "encoder.0.bias"),
        (more_weights, "more"),
        (set_parameter("n_components", 0), "'n_components' parameter"),
        (set_parameter("optimizer", {"optimizer": "os"}), "malformed"),
        (set_parameter("network", {"custom": ["os.system", {"dict": []}]}), "not part of skvae"),
        (set_part("n_features", 10), "shape"),
        (set_part("n_features", 10**12), "an integer from 1 to"),
        (set_part("n_features", 0), r"parts\.n_features' is 0, but an integer from 1"),
        (set_part("n_components", -1), r"parts\.n_components' is -1, but"),
        (set_part("n_components", "2"), "cannot be used"),
        (set_part("likelihood", {"spec": ["Bernoulli", {"dict": []}]}), "do not fit"),
        (set_state("dtype", "object"), r"state\.dtype' is 'object', but one of"),
        (set_state("precision", "float8"), "precision' is 'float8', but one of"),
        (set_names(["one"]), "names 1 features, but its model has 9"),
        (set_names([1] * 9), r"feature_names\.0' is 1, but a text"),
        (
            set_state("offset", {"float": "nan"}),
            "offset' is nan, but a number from",
        ),
        (huge_network, "shape"),
        (not_finite, "a tensor of finite numbers is expected"),
        (other_dtype, "float16"),
    ],
)
def test_inconsistent_content_is_refused(path, change, message):
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as caught:
        skvae.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("writer", [skvae.save, skvae.export_onnx])
def test_a_missing_folder_is_named_and_no_temporary_file(writer, tmp_path):
    if writer is skvae.export_onnx:
        pytest.importorskip("onnxscript", reason="onnx is optional")
    path = tmp_path / "nowhere" / "model"
    with pytest.raises(FileNotFoundError, match="nowhere' does not exist; create it") as caught:
        writer(quick().fit(X), path)
    assert caught.value.filename == str(path)
    assert ".tmp" not in str(caught.value)
