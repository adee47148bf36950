"""Messages for bad input; a fit that fails leaves the estimator as it was before."""

import re
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from skorch.callbacks import Callback
from torch import nn

from skvae import VAEAnomalyDetector, VAEImputer, VAETransformer
from skvae._model import inference
from skvae._validation import InvalidParameterError
from skvae.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from skvae.networks import MLP, Conv, Network
from skvae.objectives import ELBO, Objective
from skvae.priors import Prior, PriorModule, StandardNormal
from skvae.scores import ModelScore
from tests.helpers import Interruption, Labelled, quick_parameters

ESTIMATORS = [VAETransformer, VAEAnomalyDetector, VAEImputer, Labelled]
X = np.random.default_rng(0).normal(size=(40, 4))
UNIT_X = np.random.default_rng(0).uniform(size=(40, 4))
every_estimator = pytest.mark.parametrize("estimator_class", ESTIMATORS)


def quick(estimator_class=VAETransformer, **changes):
    """Two epochs of two steps."""
    settings = {
        "n_components": 2,
        "network": MLP(hidden_layer_sizes=(8,)),
        "max_epochs": 2,
        "batch_size": 20,
        "random_state": 0,
        **quick_parameters(estimator_class),
    }
    return estimator_class(**{**settings, **changes})


@contextmanager
def unchanged(estimator, rows=X):
    """Assert that the block leaves the attributes and the results of the estimator as they are."""
    attributes = dict(vars(estimator))
    fitted = "module_" in attributes
    answers = [estimator.score_samples(rows), *estimator.posterior(rows)] if fitted else []
    yield
    assert vars(estimator).keys() == attributes.keys()
    assert all(vars(estimator)[name] is value for name, value in attributes.items())
    if fitted:
        again = [estimator.score_samples(rows), *estimator.posterior(rows)]
        for answer, repeated in zip(answers, again, strict=True):
            assert_array_equal(repeated, answer)
    else:
        with pytest.raises(NotFittedError):
            estimator.score_samples(rows)


def refuses(estimator, rows, error, message, methods=("fit", "partial_fit")):
    """Assert that each method raises the error, and that nothing else happens."""
    for method in methods:
        with unchanged(estimator), pytest.raises(error, match=message):
            getattr(estimator, method)(rows)


def changed(value):
    bad = X.copy()
    bad[3, 1] = value
    return bad


BAD_ROWS = {
    "infinity": (changed(np.inf), ValueError, "Input X contains infinity"),
    "1-D": (X[0], ValueError, "Expected 2D array, got 1D array instead"),
    "3-D": (X[None], ValueError, "Found array with dim 3.* dim <= 2 is required"),
    "complex": (X + 1j, ValueError, "Complex data not supported"),
    "strings": (X.astype(str).astype(object) + "x", ValueError, "could not convert string"),
    "no rows": (X[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "no columns": (X[:, :0], ValueError, r"0 feature\(s\).* minimum of 1 is required"),
}


METHODS = {
    VAETransformer: ["inverse_transform", "score"],
    VAEAnomalyDetector: ["inverse_transform", "predict", "decision_function"],
    VAEImputer: ["score"],
    Labelled: ["inverse_transform", "predict", "predict_proba", "predict_log_proba"],
}


@every_estimator
@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_raise(estimator_class, case):
    rows, error, message = BAD_ROWS[case]
    refuses(quick(estimator_class), rows, error, message)
    fitted = quick(estimator_class).fit(X)
    refuses(fitted, rows, error, message)
    methods = ["reconstruct", "posterior", "score_samples", "transform", "fit_transform"]
    refuses(fitted, rows, error, message, methods + METHODS[estimator_class])
    if estimator_class is VAEAnomalyDetector:
        refuses(fitted, rows, error, message, ["fit_predict"])


@every_estimator
def test_one_row_cannot_be_fitted(estimator_class):
    message = r"Found array with 1 sample\(s\).* minimum of 2 is required"
    refuses(quick(estimator_class), X[:1], ValueError, message)
    fitted = quick(estimator_class).fit(X)
    refuses(fitted, X[:1], ValueError, message, ["fit"])
    # but further training and scoring accept a single row
    assert_array_equal(fitted.score_samples(X[:1]), fitted.score_samples(X)[:1])
    assert fitted.partial_fit(X[:1]).n_iter_ == 3


@every_estimator
@pytest.mark.parametrize("likelihood", [Bernoulli(), "bernoulli", ContinuousBernoulli()])
@pytest.mark.parametrize(
    ("rows", "met", "remedy"),
    [
        (16 * UNIT_X, "from 0.*to 1[56]", r"MinMaxScaler\(clip=True\) or X / 1[56]"),
        (UNIT_X - 0.5, "from -0.4.*to 0.4", r"MinMaxScaler\(clip=True\), or choose"),
        (-1 - UNIT_X, "from -1.9.*to -1.0", r"MinMaxScaler\(clip=True\), or choose"),
    ],
    ids=["large", "centred", "negative"],
)
def test_values_outside_the_support_raise(estimator_class, likelihood, rows, met, remedy):
    # a fit names the object that a short name stands for, later calls the parameter as it is
    built = "Bernoulli()" if likelihood == "bernoulli" else repr(likelihood)
    where = r"accepts values in \[0, 1\], but column \d of X holds .* in row 0, counted from 0"
    whole = rf"{where}. X ranges {met}.*{remedy}.* likelihood 'gaussian'"
    estimator = quick(estimator_class, likelihood=likelihood)
    with pytest.raises(ValueError, match=f"{re.escape(built)} {whole}"):
        estimator.fit(rows)
    assert not hasattr(estimator, "n_features_in_")
    estimator.fit(UNIT_X)
    whole = f"{re.escape(repr(likelihood))} {whole}"
    methods = ["partial_fit", "reconstruct", "posterior", "score_samples", "transform"]
    if estimator_class is not VAEAnomalyDetector:
        methods.append("score")
    else:
        methods.remove("score_samples")  # a detector calls such rows outliers
    for method in methods:
        with unchanged(estimator, UNIT_X), pytest.raises(ValueError, match=whole):
            getattr(estimator, method)(rows)
    estimator.set_params(warm_start=True)
    with unchanged(estimator, UNIT_X), pytest.raises(ValueError, match=whole):
        estimator.fit(rows)


@every_estimator
def test_wrong_width_raises(estimator_class):
    fitted = quick(estimator_class).fit(X)
    message = f"X has 3 features, but {estimator_class.__name__} is expecting 4 features"
    methods = ["partial_fit", "reconstruct", "posterior", "score_samples", "transform"]
    methods += ["predict"] if estimator_class is VAEAnomalyDetector else ["score"]
    refuses(fitted, X[:, :3], ValueError, message, methods)
    refuses(fitted.set_params(warm_start=True), X[:, :3], ValueError, message, ["fit"])


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_wrong_width_of_latent_rows_raises(estimator_class, width):
    message = f"X has {width} columns.*fitted with n_components=2. Pass latent rows, such as"
    refuses(quick(estimator_class).fit(X), X[:, :width], ValueError, message, ["inverse_transform"])


@every_estimator
def test_methods_of_an_unfitted_estimator_raise(estimator_class):
    estimator = quick(estimator_class)
    message = f"This {estimator_class.__name__} instance is not fitted yet"
    methods = ["transform", "reconstruct", "posterior", "score_samples"]
    for method in methods + METHODS[estimator_class]:
        with pytest.raises(NotFittedError, match=message):
            getattr(estimator, method)(X)
    with pytest.raises(NotFittedError, match=message):
        estimator.sample(3)
    with pytest.raises(NotFittedError, match=message):
        estimator.get_feature_names_out()
    assert not hasattr(estimator, "module_")


OUT_OF_RANGE = {
    "n_components": [0, -1, 2.0, "two", None],
    "network": ["transformer", None, 3],
    "likelihood": ["cauchy", None, 3],
    "prior": ["gamma", None, 3],
    "objective": ["mse", None, 3],
    "max_epochs": [0, -1, 2.5, "many", None],
    "batch_size": [0, -1, 2.5, "all", None],
    "learning_rate": [0, -1e-3, np.nan, np.inf, "auto", None],
    "optimizer": ["lbfgs", None, 3, MLP],
    "weight_decay": [-1, np.nan, "some", None],
    "early_stopping": ["yes", None, 2],
    "validation_fraction": [0, 1, 1.5, -0.1, None],
    "n_iter_no_change": [0, -1, 1.5, None],
    "n_importance_samples": [0, -1, 1.5, None],
    "precision": ["float16", "double", None, 16],
    "device": [None, 0],
    "callbacks": ["early", 3, (), [1], ["early"], [("early", None)]],
    "warm_start": ["yes", None, 2],
    "verbose": [-1, "loud", None],
    "random_state": [-1, "lucky", 1.5],
}
OUT_OF_RANGE_OF_DETECTORS = {
    "anomaly_score": ["score", None, 3, MLP()],
    "contamination": [0, 0.6, -0.1, "high", "auto", None],
    "calibration_fraction": [0, 1, 1.5, -0.1, "some"],
}
OUT_OF_RANGE_OF_IMPUTERS = {
    "n_estimators": [0, -1, 1.5, "auto", None],
    "missing_values": [[0], MLP()],
    "sample_posterior": ["yes", 2, None],
    "add_indicator": ["yes", 2, None],
    "keep_empty_features": ["yes", 2, None],
    "mechanism": ["mnar", None, 1],
    "hidden_fraction": [0.0, 0.5, -0.1, "auto", True],
}
OUT_OF_RANGE_OF_CLASSIFIERS = {
    "unlabeled": [[0], MLP()],
    "consistency": [-1, np.nan, "auto", None],
}


OWN_RANGES = {
    VAEAnomalyDetector: OUT_OF_RANGE_OF_DETECTORS,
    VAEImputer: OUT_OF_RANGE_OF_IMPUTERS,
    Labelled: OUT_OF_RANGE_OF_CLASSIFIERS,
}


def out_of_range():
    for estimator_class in ESTIMATORS:
        ranges = OUT_OF_RANGE | OWN_RANGES.get(estimator_class, {})
        for name, values in ranges.items():
            for value in values:
                yield pytest.param(
                    estimator_class, name, value, id=f"{estimator_class.__name__}-{name}={value}"
                )


@pytest.mark.parametrize(("estimator_class", "name", "value"), list(out_of_range()))
def test_a_hyperparameter_out_of_range_raises(estimator_class, name, value):
    estimator = quick(estimator_class, **{name: value})
    refuses(estimator, X, InvalidParameterError, f"The '{name}' parameter")


@every_estimator
def test_every_hyperparameter_is_tried(estimator_class):
    tried = OUT_OF_RANGE.keys() | OWN_RANGES.get(estimator_class, {}).keys()
    assert tried == estimator_class().get_params().keys()


@every_estimator
@pytest.mark.parametrize(
    ("role", "spec", "named"),
    [
        ("network", MLP(hidden_layer_sizes=0), "'hidden_layer_sizes' parameter of MLP"),
        ("network", MLP(hidden_layer_sizes=None), "'hidden_layer_sizes' parameter of MLP"),
        ("network", MLP(hidden_layer_sizes=(8, 0)), "'hidden_layer_sizes' of MLP"),
        ("network", MLP(hidden_layer_sizes=(8, 2.5)), "'hidden_layer_sizes' of MLP"),
        ("network", MLP(activation="step"), "'activation' parameter of MLP"),
        ("network", MLP(dropout=1.0), "'dropout' parameter of MLP"),
        ("network", MLP(dropout=-0.1), "'dropout' parameter of MLP"),
        ("network", Conv(channels=8), "'channels' parameter of Conv"),
        ("network", Conv(channels=()), "'channels' of Conv"),
        ("network", Conv(channels=(8, 0)), "'channels' of Conv"),
        ("network", Conv(image_shape=4), "'image_shape' parameter of Conv"),
        ("network", Conv(image_shape=(4,)), "'image_shape' of Conv"),
        ("network", Conv(image_shape=(2, -2)), "'image_shape' of Conv"),
        ("network", Conv(hidden_units=0), "'hidden_units' parameter of Conv"),
        ("network", Conv(activation="step"), "'activation' parameter of Conv"),
        ("network", Conv(dropout=1), "'dropout' parameter of Conv"),
        ("likelihood", Gaussian(noise=0.0), "'noise' parameter of Gaussian"),
        ("likelihood", Gaussian(noise=-1.0), "'noise' parameter of Gaussian"),
        ("likelihood", Gaussian(noise="loud"), "'noise' parameter of Gaussian"),
        ("likelihood", Gaussian(scaling="pixel"), "'scaling' parameter of Gaussian"),
        ("likelihood", Gaussian(bounded=2), "'bounded' parameter of Gaussian"),
        ("likelihood", Gaussian(bounded=True, scaling="feature"), "'bounded' of Gaussian"),
        ("objective", ELBO(beta=-1), "'beta' parameter of ELBO"),
        ("objective", ELBO(beta="big"), "'beta' parameter of ELBO"),
        ("objective", ELBO(free_bits=-0.1), "'free_bits' parameter of ELBO"),
        ("objective", ELBO(warmup=-1), "'warmup' parameter of ELBO"),
    ],
    ids=lambda value: str(value) if isinstance(value, BaseEstimator) else "",
)
def test_a_parameter_of_a_part_out_of_range_raises(estimator_class, role, spec, named):
    error = InvalidParameterError if " parameter " in named else ValueError
    refuses(quick(estimator_class, **{role: spec}), X, error, named)
    fitted = quick(estimator_class).fit(X).set_params(**{role: spec})
    refuses(fitted, X, error, named, ["fit"])


BASES = {  # of each role: its class as the message names it, and a class of its parts
    "network": ("skvae.networks.Network", MLP),
    "likelihood": ("skvae.likelihoods.Likelihood", Gaussian),
    "prior": ("skvae.priors.Prior", StandardNormal),
    "objective": ("skvae.objectives.Objective", ELBO),
    "anomaly_score": ("skvae.scores.Score", ModelScore),
}


@pytest.mark.parametrize("role", BASES)
@pytest.mark.parametrize("kind", ["a class", "a plain function", "an object of another class"])
def test_part_that_is_not_an_object_of_its_base_class_raises(role, kind):
    base, part = BASES[role]
    value = {"a class": part, "a plain function": len, "an object of another class": object()}[kind]
    estimator_classes = ESTIMATORS if role != "anomaly_score" else [VAEAnomalyDetector]
    for estimator_class in estimator_classes:
        message = (
            f"The '{role}' parameter of {estimator_class.__name__} must be a str among {{.*}} or "
            f"an instance of '{base}'. Got {re.escape(repr(value))} instead."
        )
        refuses(quick(estimator_class, **{role: value}), X, InvalidParameterError, message)


@pytest.mark.parametrize(
    ("network", "width", "message"),
    [
        (
            "conv",
            5,
            r"square greyscale images, but 5 is not the square.*image_shape=\(height, ",
        ),
        (Conv(image_shape=(2, 3)), 8, r"'image_shape' of Conv is \(2, 3\), that is 6 values.* 8"),
        (Conv(image_shape=(2, 2, 3)), 4, r"\(2, 2, 3\), that is 12 values, but X has 4 features"),
    ],
)
def test_rows_that_are_not_images_of_the_shape_raise(network, width, message):
    refuses(quick(network=network), np.tile(X, 2)[:, :width], ValueError, message)


class Bent(Network):
    """A network of which one half returns the wrong shape."""

    def __init__(self, half, how):
        self.half = half
        self.how = how

    def build_encoder(self, n_features, n_outputs):
        return self._build("encoder", n_features, n_outputs)

    def build_decoder(self, n_components, n_outputs, n_features):
        return self._build("decoder", n_components, n_outputs)

    def _build(self, half, n_inputs, n_outputs):
        if half != self.half:
            return nn.Linear(n_inputs, n_outputs)
        return {
            "wide": nn.Linear(n_inputs, n_outputs + 1),
            "narrow": nn.Linear(n_inputs, 1),
            "deep": nn.Sequential(nn.Linear(n_inputs, n_outputs), nn.Unflatten(-1, (n_outputs, 1))),
        }[self.how]


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize(("how", "shape"), [("wide", "5"), ("narrow", "1"), ("deep", "4, 1")])
def test_a_network_with_an_output_of_the_wrong_shape_raises(half, how, shape):
    network = Bent(half, how)
    message = (
        rf"The {half} built by network={re.escape(repr(network))} returned an array of shape "
        rf"\(2, {shape}\) for an input of shape \(2, \d\); expected \(2, 4\). build_{half} must"
    )
    refuses(quick(network=network), X, ValueError, message)
    fitted = quick().fit(X).set_params(network=network)
    refuses(fitted, X, ValueError, message, ["fit"])


class Failing(Objective):
    """The evidence lower bound until it has been evaluated often enough, then NaN."""

    def __init__(self, n_good_calls):
        self.n_good_calls = n_good_calls

    def __call__(self, module, x, *, epoch=None, generator=None):
        record = ELBO()(module, x, epoch=epoch, generator=generator)
        self.n_calls = vars(self).get("n_calls", 0) + 1
        if self.n_calls > self.n_good_calls:
            record["loss"] = record["loss"] * torch.nan
        return record


class FailsInValidation(Objective):
    """The evidence lower bound in training, infinite in validation."""

    def __call__(self, module, x, *, epoch=None, generator=None):
        record = ELBO()(module, x, epoch=epoch, generator=generator)
        if epoch is None:
            record["loss"] = record["loss"] + torch.inf
        return record


class Constant(Objective):
    """Returns one value, whatever the batch."""

    def __init__(self, value):
        self.value = value

    def __call__(self, module, x, *, epoch=None, generator=None):
        return self.value


@every_estimator
@pytest.mark.parametrize("answer", [torch.tensor(1.0), {"reconstruction": torch.tensor(1.0)}, None])
def test_an_objective_that_returns_no_record_raises(estimator_class, answer):
    message = "objective=.* must return a dict of scalar tensors that includes 'loss', got"
    refuses(quick(estimator_class, objective=Constant(answer)), X, TypeError, message)


DIVERGED = r"The training loss became NaN or infinite at epoch {}, step {}\. The likely cause is"


@every_estimator
@pytest.mark.parametrize(("n_good_calls", "epoch", "step"), [(0, 1, 1), (1, 1, 2), (2, 2, 1)])
def test_a_loss_that_is_not_finite_raises(estimator_class, n_good_calls, epoch, step):
    estimator = quick(estimator_class, objective=Failing(n_good_calls))
    message = DIVERGED.format(epoch, step)
    refuses(estimator, X, FloatingPointError, message, ["fit"])
    fitted = quick(estimator_class).fit(X).set_params(objective=Failing(n_good_calls))
    refuses(fitted, X, FloatingPointError, message, ["fit"])
    with unchanged(fitted), pytest.raises(FloatingPointError, match=message):
        fitted.fit(X[:, :3])  # of another width, which is not stored either


def test_a_validation_loss_that_is_not_finite_raises():
    estimator = quick(objective=FailsInValidation(), early_stopping=True)
    message = "The validation loss became NaN or infinite at epoch 1, step 1"
    refuses(estimator, X, FloatingPointError, message, ["fit"])


@every_estimator
def test_a_learning_rate_far_too_large_raises(estimator_class):
    estimator = quick(estimator_class, learning_rate=1e9, max_epochs=5)
    message = DIVERGED.format(r"\d", r"\d") + r".*too large \(learning_rate=1e\+09\).* Lower"
    refuses(estimator, X, FloatingPointError, message, ["fit"])
    fitted = quick(estimator_class).fit(X).set_params(learning_rate=1e9, max_epochs=5)
    refuses(fitted, X, FloatingPointError, message, ["fit"])


@every_estimator
def test_further_training_that_fails_leaves_the_model_as_it_was(estimator_class):
    estimator = quick(estimator_class, objective=Failing(6), warm_start=True).fit(X)
    estimator.set_params(max_epochs=5)
    refuses(estimator, X, FloatingPointError, DIVERGED.format(4, 1), ["fit"])
    refuses(estimator, X, FloatingPointError, DIVERGED.format(4, 1), ["fit"])  # as the first time
    estimator.partial_fit(X)  # the two good calls that are left
    refuses(estimator, X, FloatingPointError, DIVERGED.format(4, 1), ["partial_fit"])
    assert estimator.n_iter_ == len(estimator.history_["train_loss"]) == 3
    estimator.set_params(warm_start=False, max_epochs=2).fit(X)
    assert estimator.n_iter_ == 2


class Interrupting(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise RuntimeError("enough")


class Uncopyable(Callback):
    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


@every_estimator
def test_callbacks_need_not_be_copyable_for_further_training(estimator_class):
    estimator = quick(estimator_class, callbacks=[Uncopyable()], warm_start=True).fit(X)
    assert estimator.set_params(max_epochs=3).fit(X).partial_fit(X).n_iter_ == 4


@every_estimator
def test_an_error_of_a_callback_is_raised(estimator_class):
    estimator = quick(estimator_class, callbacks=[Interrupting()])
    refuses(estimator, X, RuntimeError, "enough", ["fit"])
    fitted = quick(estimator_class).fit(X).set_params(callbacks=[Interrupting()])
    refuses(fitted, X, RuntimeError, "enough", ["fit"])


@every_estimator
def test_interruption_keeps_the_epochs_done(estimator_class):
    estimator = quick(estimator_class, max_epochs=5, callbacks=[Interruption(4)])
    with pytest.warns(UserWarning, match="interrupted; the estimator keeps the 3 epochs done"):
        estimator.fit(X)
    assert estimator.n_iter_ == 3
    assert {len(values) for values in estimator.history_.values()} == {3}
    assert np.isfinite(estimator.score_samples(X)).all()


@every_estimator
def test_interruption_of_the_first_epoch_fits_nothing(estimator_class):
    estimator = quick(estimator_class, callbacks=[Interruption(1)])
    refuses(estimator, X, KeyboardInterrupt, "before the first epoch ended; nothing was fitted")
    fitted = quick(estimator_class).fit(X).set_params(callbacks=[Interruption(1)])
    refuses(fitted, X, KeyboardInterrupt, "nothing was fitted", ["fit"])


@every_estimator
@pytest.mark.parametrize("n_samples", [0, -1, 1.5, True, "3", None])
def test_a_bad_number_of_samples_raises(estimator_class, n_samples):
    fitted = quick(estimator_class).fit(X)
    message = f"'n_samples' must be an integer of at least 1, got {n_samples!r}"
    refuses(fitted, n_samples, ValueError, re.escape(message), ["sample"])


@pytest.mark.parametrize("device", ["toaster", "cuda:99", ""])
def test_a_device_that_does_not_exist_raises(device):
    message = f"device={device!r} cannot be used here: .* Choose device='cpu' or device='auto'"
    refuses(quick(device=device), X, ValueError, message)


def test_a_validation_split_that_leaves_no_row_raises():
    estimator = quick(early_stopping=True, validation_fraction=0.9)
    message = "validation_fraction=0.9 of 2 rows leaves none to train on. Lower it"
    refuses(estimator, X[:2], ValueError, message, ["fit"])
    assert estimator.fit(X[:20]).n_features_in_ == 4


@every_estimator
def test_a_warm_start_with_another_latent_size_raises(estimator_class):
    fitted = quick(estimator_class, warm_start=True).fit(X).set_params(n_components=3)
    message = "n_components=3 differs from the 2 of the fit to continue. Set warm_start=False"
    refuses(fitted, X, ValueError, message)
    assert fitted.set_params(warm_start=False).fit(X).n_components_ == 3


class LaplacePrior(Prior):
    """A user's own prior: a density and draws, no closed form."""

    def build(self, n_components, examples):
        return LaplaceDensity(n_components)


class LaplaceDensity(PriorModule):
    def log_prob(self, z):
        return -(z.abs() + np.log(2)).sum(-1)

    def sample(self, n_samples, generator=None):
        uniform = torch.rand(n_samples, self.n_components, generator=generator) - 0.5
        return -uniform.sign() * (1 - 2 * uniform.abs()).log()


@pytest.mark.parametrize("estimator_class", [VAETransformer, VAEAnomalyDetector, VAEImputer])
def test_a_prior_with_only_a_density_and_draws_works(estimator_class):
    estimator = quick(estimator_class, prior=LaplacePrior(), max_epochs=60, learning_rate=0.02).fit(
        X
    )
    losses = estimator.history_["train_loss"]  # means, as the KL divergence is estimated
    assert losses[-10:].mean() < losses[:10].mean() - 0.05
    assert np.isfinite(estimator.score_samples(X)).all()
    assert estimator.sample(5, random_state=0).shape == (5, 4)
    if estimator_class is VAEAnomalyDetector:
        scores = {}
        for name in ("log_likelihood", "elbo", "reconstruction", "kl"):
            scores[name] = inference.score(estimator.module_, X, name, 16)
        assert_allclose(scores["elbo"], scores["reconstruction"] + scores["kl"], rtol=1e-9)
        assert (scores["log_likelihood"] >= scores["elbo"] - 1e-9).all()  # Jensen
        assert scores["kl"].mean() < 0


def test_kl_without_a_closed_form_agrees_with_it():
    detector = quick(VAEAnomalyDetector, anomaly_score="kl", n_importance_samples=4096)
    exact = detector.set_params(max_epochs=20).fit(X).score_samples(X)
    closed = detector.module_.prior

    class Bare(PriorModule):
        log_prob = staticmethod(closed.log_prob)

    detector.module_.prior = Bare(detector.n_components)
    assert_allclose(detector.score_samples(X), exact, atol=1e-3)


GAUSSIANS = [
    Gaussian(noise=noise, scaling=scaling)
    for noise in ("auto", "shared", "per_feature", "per_sample", 0.5)
    for scaling in ("auto", "feature", "global", "none")
] + [Gaussian(scaling="global", bounded=True)]
OF_EACH_KIND = [
    Gaussian(),
    Gaussian(noise="per_feature", scaling="global"),
    Gaussian(noise="per_sample", scaling="none"),
    Gaussian(noise=0.5, scaling="feature"),
    Gaussian(scaling="global", bounded=True),
    Bernoulli(),
    ContinuousBernoulli(),
]
OTHER_GAUSSIANS = [one for one in GAUSSIANS if repr(one) not in map(repr, OF_EACH_KIND)]
EVERY_LIKELIHOOD = [
    *(pytest.param(likelihood, id=repr(likelihood)) for likelihood in OF_EACH_KIND),
    *(pytest.param(one, id=repr(one), marks=pytest.mark.slow) for one in OTHER_GAUSSIANS),
]
DEGENERATE = {
    "one feature": UNIT_X[:, :1],
    "two rows": UNIT_X[:2],
    "a constant column": np.c_[UNIT_X, np.full(40, 0.3)],
    "constant columns of 0 and 1": np.c_[UNIT_X, np.zeros(40), np.ones(40)],
    "all constant": np.full((40, 3), 0.7),
    "all zero": np.zeros((40, 3)),
    "one row in many": np.c_[UNIT_X, np.arange(40) == 7],
    "a copied row": np.repeat(UNIT_X[:1], 40, axis=0),
    "binary": (UNIT_X > 0.5).astype(float),
}


@pytest.mark.parametrize("likelihood", EVERY_LIKELIHOOD)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_tables_give_finite_results(likelihood, case):
    rows = DEGENERATE[case]
    for dtype in (np.float32, np.float64):
        vae = quick(likelihood=likelihood, max_epochs=5).fit(rows.astype(dtype))
        assert_answers_are_finite(vae, rows.astype(dtype))
        # rows with another constant, in [0, 1], which every likelihood accepts
        assert_answers_are_finite(vae, np.full((3, rows.shape[1]), 0.45, dtype))


@pytest.mark.parametrize("likelihood", GAUSSIANS, ids=repr)
def test_a_constant_is_measured_in_units_of_one(likelihood):
    """The rounding error of a mean is not a scale."""
    for value in (0.0, 0.7, 1e5 + 0.1, 1e-20):
        density = likelihood.build(np.full((41, 3), value))
        assert density.scale.tolist() == [1.0, 1.0, 1.0]


def assert_answers_are_finite(vae, rows):
    Z = vae.transform(rows)
    answers = [Z, vae.inverse_transform(Z), vae.score_samples(rows), vae.posterior(rows)[1]]
    answers += [vae.sample(5, random_state=0)]
    assert all(np.isfinite(answer).all() for answer in answers)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e6, 1e30])
@pytest.mark.parametrize("offset", [0, 1e3])
def test_any_units_give_finite_results(scale, offset):
    rows = (X + offset) * scale
    for dtype in (np.float64, np.float32):
        vae = quick().fit(rows.astype(dtype))
        assert_answers_are_finite(vae, rows.astype(dtype))


@pytest.mark.parametrize("distance", [1e3, 1e10, 1e30])
def test_a_row_far_from_all_is_an_outlier(distance):
    detector = quick(VAEAnomalyDetector).fit(X)
    for dtype in (np.float32, np.float64):
        assert detector.predict(np.full((1, 4), distance, dtype)).tolist() == [-1]


def test_failure_leaves_parameters_alone():
    """The specs and callbacks given by the user are not changed by training."""
    estimator = quick(
        network=MLP(hidden_layer_sizes=(8,)), objective=Failing(0), callbacks=[Callback()]
    )
    parameters = estimator.get_params(deep=False)
    refuses(estimator, X, FloatingPointError, "became NaN")
    assert all(estimator.get_params(deep=False)[name] is parameters[name] for name in parameters)
    assert not hasattr(estimator.objective, "n_calls")
    assert clone(estimator).set_params(objective="elbo").fit(X).n_iter_ == 2
