"""The law of scikit-learn: its own checks, over both estimators in every configuration."""

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
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from torch import nn

from skvae import VAEAnomalyDetector, VAETransformer
from skvae.likelihoods import Gaussian, StudentT
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO, IWAE, BetaTCVAE, InfoVAE
from skvae.priors import FlowPrior, MixturePrior, VampPrior
from skvae.scores import Combined, LatentDensity, LikelihoodRegret

NEEDS_ARRAY_API = "SCIPY_ARRAY_API is not set"
ESTIMATORS = (VAETransformer, VAEAnomalyDetector)


class PaddedImage(BaseEstimator):
    """A user's own network: `Conv` on rows of any width, filled up with zeros to a square."""

    def __init__(self, channels=(2, 2)):
        self.channels = channels

    def build_encoder(self, n_features, n_outputs):
        n_pixels = square_above(n_features)
        conv = Conv(channels=self.channels, hidden_units=4)
        fill = nn.ConstantPad1d((0, n_pixels - n_features), 0.0)
        return nn.Sequential(fill, conv.build_encoder(n_pixels, n_outputs))

    def build_decoder(self, n_components, n_outputs):
        conv = Conv(channels=self.channels, hidden_units=4)
        whole = conv.build_decoder(n_components, square_above(n_outputs))
        return nn.Sequential(whole, FirstColumns(n_outputs))


class Strip(BaseEstimator):
    """A user's own network: `Conv` on rows of any width, as images one pixel wide."""

    def build_encoder(self, n_features, n_outputs):
        return self._conv(n_features).build_encoder(n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs):
        return self._conv(n_outputs).build_decoder(n_components, n_outputs)

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


# What differs from a quick base: two epochs of a network with one hidden layer.
CONFIGURATIONS = [
    {},
    *({"likelihood": Gaussian(noise=noise)} for noise in ("shared", "per_feature", "per_sample")),
    {"likelihood": Gaussian(noise=0.5)},
    *({"likelihood": Gaussian(scaling=scaling)} for scaling in ("feature", "global", "none")),
    {"likelihood": Gaussian(noise="per_feature", scaling="global"), "precision": "bfloat16"},
    {"likelihood": Gaussian(scaling="global", bounded=True)},
    {"network": MLP(hidden_layer_sizes=())},
    {"network": MLP(hidden_layer_sizes=(8, 4), activation="tanh")},
    {"network": MLP(hidden_layer_sizes=(4, 8, 4), activation="silu", dropout=0.2)},
    {"network": PaddedImage()},
    {"network": Strip(), "likelihood": Gaussian(noise="shared")},
    {"objective": ELBO(beta=2.0, free_bits=0.1, warmup=1)},
    {"early_stopping": True, "n_iter_no_change": 1},
    {"n_importance_samples": 1},
    {"n_components": 1},
    {"fit_density": GaussianMixture(2)},
    {
        "prior": VampPrior(n_pseudo_inputs=5),
        "objective": IWAE(n_samples=3, gradient="doubly_reparameterized"),
    },
    {"prior": MixturePrior(n_mixtures=3), "objective": BetaTCVAE()},
    {"prior": FlowPrior(n_layers=2, hidden_units=4), "objective": InfoVAE()},
    {
        "likelihood": StudentT(),
        "network": MLP(hidden_layer_sizes=(8, 4), skip_connections=True),
        "objective": ELBO(n_samples=2),
    },
    {"optimizer": "sgd", "learning_rate": 1e-4, "batch_size": 7},
]


def configured(estimator_class, **changes):
    quick = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "n_importance_samples": 16,
    }
    return estimator_class(**{**quick, **changes})


SCORES = [
    *(
        "elbo",
        "reconstruction",
        "kl",
        "relative_error",
        "typicality",
        "latent_neighbors",
        "residual_neighbors",
    ),
    LatentDensity(n_components=2),
    LikelihoodRegret(n_steps=2, n_bound_samples=2),
    Combined(
        scores=("relative_error", LatentDensity(n_components=2, covariance_type="diag")),
        standardization="rank",
    ),
]
TRANSFORMERS = [configured(VAETransformer, **changes) for changes in CONFIGURATIONS]
DETECTORS_ALIKE = [configured(VAEAnomalyDetector, **changes) for changes in CONFIGURATIONS[1:]]
OTHER_DETECTORS = [
    configured(VAEAnomalyDetector),
    configured(VAEAnomalyDetector, calibration_fraction=0.3),
    configured(VAEAnomalyDetector, calibration_fraction=0.3, contamination="auto"),
    *(configured(VAEAnomalyDetector, anomaly_score=score) for score in SCORES),
]
DETECTORS = OTHER_DETECTORS + DETECTORS_ALIKE


@parametrize_with_checks(TRANSFORMERS + OTHER_DETECTORS)
def test_conforms(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:
        if NEEDS_ARRAY_API not in str(reason):
            pytest.fail(f"A check was skipped: {reason}")
        raise  # test_no_check_is_skipped runs it in a process where it is set


@pytest.mark.slow  # what they do differently, the others show
@parametrize_with_checks(DETECTORS_ALIKE)
def test_detector_conforms_as_the_transformer_does(estimator, check):
    test_conforms(estimator, check)


# a second fit to the same number of epochs has nothing left to train, and says so
@pytest.mark.filterwarnings("ignore:No training was done")
@parametrize_with_checks([configured(cls, warm_start=True) for cls in ESTIMATORS])
def test_warm_start_conforms(estimator, check):
    test_conforms(estimator, check)


def test_no_check_is_skipped():
    """What needs SCIPY_ARRAY_API to be set before SciPy is imported runs in a fresh process."""
    own_settings = {name for name in os.environ if name.startswith(("PYTEST_", "COV_"))}
    environment = {name: os.environ[name] for name in os.environ.keys() - own_settings}
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts=--import-mode=importlib"]
    chosen = ["-k", "conforms and (array_api or check_estimators_pickle)"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", __file__, *options, *chosen],
        env={**environment, "SCIPY_ARRAY_API": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    n_passed = int(re.search(r"(\d+) passed", run.stdout)[1])
    assert n_passed >= 2 * len(TRANSFORMERS + DETECTORS)  # pickling is checked in two ways
    assert not re.search("skipped|xfailed|xpassed", run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_default_constructor_conforms(estimator_class):
    results = check_estimator(estimator_class(), on_skip=None)
    skipped = [result for result in results if result["status"] == "skipped"]
    assert all(NEEDS_ARRAY_API in str(result["exception"]) for result in skipped)
    assert {result["status"] for result in results} <= {"passed", "skipped"}


# Checks that scikit-learn applies to its own estimators, beside those that it offers to others.
CHECKS_OF_ALL = [
    "check_dataframe_column_names_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_f_contiguous_array_estimator",
    "check_fit_check_is_fitted",
    "check_inplace_ensure_writeable",
    "check_mixin_order",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_no_attributes_set_in_init",
    "check_param_validation",
    "check_parameters_default_constructible",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_valid_tag_types",
]
CHECKS_OF_TRANSFORMERS = [
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_transformer_preserve_dtypes",
]
WIDE_VARIETY = [{}, {"network": PaddedImage()}, {"early_stopping": True, "n_iter_no_change": 1}]


@pytest.mark.parametrize("changes", WIDE_VARIETY, ids=["mlp", "conv", "early_stopping"])
@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize("name", CHECKS_OF_ALL)
def test_passes_by_name(name, estimator_class, changes):
    check = getattr(estimator_checks, name)
    check(estimator_class.__name__, configured(estimator_class, **changes))


# The checks of set_output mix tables with names and arrays without, on purpose.
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")
@pytest.mark.parametrize("changes", WIDE_VARIETY, ids=["mlp", "conv", "early_stopping"])
@pytest.mark.parametrize("name", CHECKS_OF_TRANSFORMERS)
def test_transformer_passes_by_name(name, changes):
    check = getattr(estimator_checks, name)
    check("VAETransformer", configured(VAETransformer, **changes))


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_fitting_with_names_warns_of_nothing(estimator_class):
    """An estimator that scores its own training rows must not see them without their names."""
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
    # feature_names_in_ exists only where X has names
    assert documented - {"feature_names_in_"} == fitted_attributes(estimator)


def fitted_attributes(estimator):
    properties = inspect.getmembers(type(estimator), lambda member: isinstance(member, property))
    names = [*vars(estimator), *(name for name, _ in properties)]
    return {name for name in names if name.endswith("_") and not name.startswith("_")}


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
def test_asks_for_no_metadata(estimator_class):
    """No argument of a method is mistaken for metadata that a pipeline should route."""
    assert not [name for name in dir(estimator_class) if re.fullmatch("set_.*_request", name)]


@pytest.mark.parametrize("estimator_class", ESTIMATORS)
@pytest.mark.parametrize("changes", CONFIGURATIONS, ids=lambda changes: str(changes)[:60])
def test_no_method_changes_a_fitted_estimator(estimator_class, changes):
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    estimator = configured(estimator_class, **changes, random_state=0).fit(X)
    attributes = dict(vars(estimator))
    weights = {name: w.clone() for name, w in estimator.module_.state_dict().items()}
    estimator.score_samples(X)
    estimator.score_samples(X.astype(np.float64))
    estimator.reconstruct(X)
    estimator.posterior(X)
    estimator.sample(3, random_state=0, noise=True)
    clone(estimator)
    repr(estimator)
    assert vars(estimator).keys() == attributes.keys()
    assert all(vars(estimator)[name] is value for name, value in attributes.items())
    after = estimator.module_.state_dict()
    assert all(w.equal(after[name]) and w.dtype == after[name].dtype for name, w in weights.items())
