"""scikit-learn's own checks, applied to all estimators in every kind of configuration."""

import inspect
import math
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from torch import nn

from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae.likelihoods import Gaussian, StudentT
from skvae.networks import MLP, Conv, Network
from skvae.objectives import ELBO, IWAE, BetaTCVAE, InfoVAE
from skvae.priors import ExPostMixture, FlowPrior, MixturePrior, VampPrior
from skvae.scores import Combined, LatentDensity, LikelihoodRegret
from tests.helpers import quick_parameters

NEEDS_ARRAY_API = "SCIPY_ARRAY_API is not set"
ESTIMATORS = (VAETransformer, VAEAnomalyDetector, VAEImputer)


class PaddedImage(Network):
    """A user's own network: `Conv` on rows of any width, padded with zeros to a square."""

    def __init__(self, channels=(2, 2)):
        self.channels = channels

    def build_encoder(self, n_features, n_outputs):
        n_pixels = square_above(n_features)
        fill = nn.ConstantPad1d((0, n_pixels - n_features), 0.0)
        return nn.Sequential(fill, self._conv().build_encoder(n_pixels, n_outputs))

    def build_decoder(self, n_components, n_outputs, n_features):
        n_pixels = square_above(n_outputs)
        whole = self._conv().build_decoder(n_components, n_pixels, n_pixels)
        return nn.Sequential(whole, FirstColumns(n_outputs))

    def _conv(self):
        return Conv(channels=self.channels, hidden_units=4)


class Strip(Network):
    """A user's own network: `Conv` on rows of any width, as images one pixel wide."""

    def build_encoder(self, n_features, n_outputs):
        return self._conv(n_features).build_encoder(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return self._conv(n_features).build_decoder(n_components, n_outputs, n_features)

    def _conv(self, height):
        return Conv(image_shape=(height, 1), channels=(3,), hidden_units=None)


class FirstColumns(nn.Module):
    def __init__(self, n_columns):
        super().__init__()
        self.n_columns = n_columns

    def forward(self, x):
        return x[..., : self.n_columns]


def square_above(n_values):
    return math.ceil(math.sqrt(n_values)) ** 2


# Differences from a quick base: one epoch of a network with one hidden layer.
CONFIGURATIONS = {
    "default": {},
    "noise shared": {"likelihood": Gaussian(noise="shared")},
    "noise per feature": {"likelihood": Gaussian(noise="per_feature")},
    "noise per sample": {"likelihood": Gaussian(noise="per_sample")},
    "noise fixed": {"likelihood": Gaussian(noise=0.5)},
    "scaling feature": {"likelihood": Gaussian(scaling="feature")},
    "scaling global": {"likelihood": Gaussian(scaling="global")},
    "scaling none": {"likelihood": Gaussian(scaling="none")},
    "bfloat16": {
        "likelihood": Gaussian(noise="per_feature", scaling="global"),
        "precision": "bfloat16",
    },
    "bounded": {"likelihood": Gaussian(scaling="global", bounded=True)},
    "noise fixed, bounded": {"likelihood": Gaussian(noise=0.5, scaling="global", bounded=True)},
    "linear": {"network": MLP(hidden_layer_sizes=())},
    "tanh": {"network": MLP(hidden_layer_sizes=(8, 4), activation="tanh")},
    "dropout": {"network": MLP(hidden_layer_sizes=(4, 8, 4), activation="silu", dropout=0.2)},
    "padded image": {"network": PaddedImage()},
    "strip": {"network": Strip(), "likelihood": Gaussian(noise="shared")},
    "free bits": {"objective": ELBO(beta=2.0, free_bits=0.1, warmup=1), "max_epochs": 2},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 1, "max_epochs": 2},
    "one draw": {"n_importance_samples": 1},
    "one component": {"n_components": 1},
    "ex post": {"prior": ExPostMixture(n_mixtures=2)},
    "vamp": {
        "prior": VampPrior(n_pseudo_inputs=5),
        "objective": IWAE(n_samples=3, gradient="doubly_reparameterized"),
    },
    "mixture": {"prior": MixturePrior(n_mixtures=3), "objective": BetaTCVAE()},
    "flow": {"prior": FlowPrior(n_layers=2, hidden_units=4), "objective": InfoVAE()},
    "student t": {
        "likelihood": StudentT(),
        "network": MLP(hidden_layer_sizes=(8, 4), skip_connections=True),
        "objective": ELBO(n_samples=2),
    },
    "sgd": {"optimizer": "sgd", "learning_rate": 1e-4, "batch_size": 7},
    "default warm start": {"warm_start": True},
}
SHORT_NAMES_OF_SCORES = (
    "log_likelihood",
    "elbo",
    "reconstruction",
    "kl",
    "relative_error",
    "typicality",
    "latent_neighbors",
)
CONFIGURATIONS_OF_DETECTORS = {
    **CONFIGURATIONS,
    "calibration": {"calibration_fraction": 0.3},
    **{f"score {name}": {"anomaly_score": name} for name in SHORT_NAMES_OF_SCORES},
    "score latent density": {"anomaly_score": LatentDensity(n_components=2)},
    "score regret": {"anomaly_score": LikelihoodRegret(n_steps=2, n_bound_samples=2)},
    "score combined": {
        "anomaly_score": Combined(
            scores=("relative_error", LatentDensity(n_components=2, covariance_type="diag")),
            standardization="rank",
        )
    },
}
CONFIGURATIONS_OF_IMPUTERS = {
    **{label: CONFIGURATIONS[label] for label in ("default", "padded image", "early stopping")},
    **{label: CONFIGURATIONS[label] for label in ("student t", "mixture", "one draw", "bounded")},
    "draws": {"sample_posterior": True},
    "indicators": {"add_indicator": True, "keep_empty_features": True},
}
FAST = {
    VAETransformer: ("default", "padded image", "vamp"),
    VAEAnomalyDetector: ("default", "calibration", "score combined"),
    VAEImputer: ("default",),
}

# With `calibration_fraction`, `contamination` is the share of the rows set aside that lie beyond
# the threshold. These two checks count the training rows beyond it, of which there may be any
# number; test_contamination_is_the_share_of_the_rows_set_aside counts the right ones.
EXCLUDED = {"calibration": {"check_outliers_train", "check_outliers_fit_predict"}}


def configured(estimator_class, **changes):
    quick = {"n_components": 2, "network": MLP(hidden_layer_sizes=(8,)), "max_epochs": 1}
    return estimator_class(**{**quick, **quick_parameters(estimator_class), **changes})


def configurations(fast=None):
    """Return (estimator class, label, changes): the fast ones, all the others, or all together."""
    return [
        (estimator_class, label, changes)
        for estimator_class in ESTIMATORS
        for label, changes in configurations_of(estimator_class).items()
        if fast is None or fast == (label in FAST[estimator_class])
    ]


def configurations_of(estimator_class):
    of_class = {
        VAEAnomalyDetector: CONFIGURATIONS_OF_DETECTORS,
        VAEImputer: CONFIGURATIONS_OF_IMPUTERS,
    }
    return of_class.get(estimator_class, CONFIGURATIONS)


def marked(label, estimator_class, *values):
    """Return the parameters of a test, slow ones marked so."""
    fast = label in FAST[estimator_class]
    identity = f"{estimator_class.__name__}-{label}"
    return pytest.param(*values, id=identity, marks=[] if fast else [pytest.mark.slow])


def checks(fast):
    """Return scikit-learn's checks of the configurations, as the parameters of a test."""
    return [
        pytest.param(estimator, check, id=f"{estimator_class.__name__}-{label}-{name_of(check)}")
        for estimator_class, label, changes in configurations(fast)
        for estimator, check in estimator_checks_generator(configured(estimator_class, **changes))
        if check.func.__name__ not in EXCLUDED.get(label, ())
    ]


def name_of(check):
    arguments = ",".join(f"{name}={value}" for name, value in check.keywords.items())
    return f"{check.func.__name__}({arguments})"


@pytest.mark.parametrize(("estimator", "check"), checks(fast=True))
def test_conforms(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        if NEEDS_ARRAY_API not in str(reason):
            pytest.fail(f"A check was skipped: {reason}")
        raise  # test_no_check_is_skipped runs it in a process that sets it


@pytest.mark.slow
# a second fit to the same number of epochs has nothing left to train, and warns
@pytest.mark.filterwarnings("ignore:No training was done")
@pytest.mark.parametrize(("estimator", "check"), checks(fast=False))
def test_every_other_configuration_conforms(estimator, check):
    test_conforms(estimator, check)


CONFORM = "(test_conforms or test_every_other_configuration_conforms)"


@pytest.mark.slow
def test_no_check_is_skipped():
    """Checks that need SCIPY_ARRAY_API before SciPy is imported run in a fresh process."""
    own_settings = {name for name in os.environ if name.startswith(("PYTEST_", "COV_"))}
    environment = {name: os.environ[name] for name in os.environ.keys() - own_settings}
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=--import-mode=importlib"]
    chosen_checks = ["-k", f"{CONFORM} and (array_api or check_estimators_pickle)"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", __file__, *options, *chosen_checks],
        env={**environment, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    n_passed = int(re.search(r"(\d+) passed", run.stdout)[1])
    assert n_passed == 3 * len(configurations())  # pickling is checked in two ways
    assert not re.search("skipped|xfailed|xpassed", run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_default_constructor_conforms(estimator_class):
    results = check_estimator(estimator_class(), on_skip=None)
    skipped = [result for result in results if result["status"] == "skipped"]
    assert all(NEEDS_ARRAY_API in str(result["exception"]) for result in skipped)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


@pytest.mark.parametrize("contamination", [0.05, 0.1, 0.3, 0.5])
def test_contamination_is_the_share_of_the_rows_set_aside(contamination):
    X = np.random.default_rng(0).normal(size=(300, 2))
    detector = configured(VAEAnomalyDetector, calibration_fraction=0.3, random_state=0)
    detector.set_params(contamination=contamination).fit(X)
    scores = detector.calibration_scores_
    assert len(scores) == 90
    share = np.mean(scores < detector.offset_)
    assert contamination - 2 / 90 < share <= contamination
    assert_array_equal(detector.predict(X) == -1, detector.p_values(X) <= contamination)


# Checks that scikit-learn applies to its own estimators, beside those that it offers to others.
CHECKS_OF_OWN_ESTIMATORS = [
    "check_dataframe_column_names_consistency",
    "check_estimators_partial_fit_n_features",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


# The checks of set_output mix tables with names and arrays without, on purpose.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize(
    ("estimator_class", "label"),
    [
        pytest.param(
            cls,
            label,
            id=f"{cls.__name__}-{label}",
            marks=[] if label == "default" else [pytest.mark.slow],
        )
        for cls in ESTIMATORS
        for label in ("default", "padded image", "early stopping")
    ],
)
@pytest.mark.parametrize("name", CHECKS_OF_OWN_ESTIMATORS)
def test_passes_further_checks_of_scikit_learn(name, estimator_class, label):
    estimator = configured(estimator_class, **CONFIGURATIONS[label])
    getattr(estimator_checks, name)(estimator_class.__name__, estimator)


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_fitting_with_names_does_not_warn(estimator_class):
    """Training rows keep their names when the estimator itself scores them."""
    estimator = configured(estimator_class, early_stopping=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator_checks.check_dataframe_column_names_consistency("estimator", estimator)
    assert not [str(w.message) for w in caught if "feature names" in str(w.message)]


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_documented_attributes_are_those_of_a_fit(estimator_class):
    X = np.random.default_rng(0).normal(size=(20, 3))
    estimator = configured(estimator_class).fit(X)
    section = inspect.getdoc(estimator_class).split("Attributes\n----------\n")[1].split("\n\n")[0]
    documented = set(re.findall(r"^(\w+) :", section, flags=re.MULTILINE))
    # feature_names_in_ exists only if X has names
    assert documented - {"feature_names_in_"} == fitted_attributes(estimator)


def fitted_attributes(estimator):
    properties = inspect.getmembers(type(estimator), lambda member: isinstance(member, property))
    names = [*vars(estimator), *(name for name, _ in properties)]
    return {name for name in names if name.endswith("_") and not name.startswith("_")}


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_only_sample_weights_are_metadata(estimator_class):
    """No other argument of a method counts as metadata for a pipeline to route."""
    found = {name for name in dir(estimator_class) if re.fullmatch("set_.*_request", name)}
    assert found == {"set_fit_request", "set_partial_fit_request"}
    routing = estimator_class().get_metadata_routing()
    for method in ("fit", "partial_fit"):
        assert getattr(routing, method).requests == {"sample_weight": None}


@pytest.mark.parametrize(
    ("estimator_class", "changes"),
    [marked(label, cls, cls, changes) for cls, label, changes in configurations()],
)
def test_no_method_changes_a_fitted_estimator(estimator_class, changes):
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    estimator = configured(estimator_class, **changes, random_state=0).fit(X)
    attributes = dict(vars(estimator))
    weights = {name: w.clone() for name, w in estimator.module_.state_dict().items()}
    estimator.score_samples(X)
    estimator.score_samples(X.astype(np.float64))
    Z = estimator.transform(X)
    if estimator_class is not VAEImputer:
        estimator.inverse_transform(Z)
    estimator.reconstruct(X)
    estimator.posterior(X)
    estimator.sample(3, random_state=0)
    if estimator_class is VAEAnomalyDetector:
        estimator.predict(X)
        estimator.explain(X[:2])
    clone(estimator)
    repr(estimator)
    assert vars(estimator).keys() == attributes.keys()
    assert all(vars(estimator)[name] is value for name, value in attributes.items())
    after = estimator.module_.state_dict()
    assert all(w.equal(after[name]) and w.dtype == after[name].dtype for name, w in weights.items())
