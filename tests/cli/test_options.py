import argparse
import inspect

import pytest

from skvae import VAEAnomalyDetector, VAEClassifier, VAEImputer, VAETransformer
from skvae._validation import InvalidParameterError
from skvae.cli import build_parser
from skvae.cli._fit_command import build_estimator
from skvae.cli._options import (
    CLASSIFIER_PARAMETERS,
    DETECTOR_PARAMETERS,
    IMPUTER_PARAMETERS,
    NOT_OFFERED,
    PARAMETERS,
    option_of,
)
from skvae.networks import MLP
from skvae.objectives import ELBO

# a value other than the default for every parameter on offer: as text, and as it is read
VALUES = {
    "n_components": ("3", 3),
    "network": ("MLP(hidden_layer_sizes=(8,))", MLP(hidden_layer_sizes=(8,))),
    "likelihood": ("bernoulli", "bernoulli"),
    "prior": ("vamp", "vamp"),
    "objective": ("ELBO(beta=2)", ELBO(beta=2)),
    "max_epochs": ("7", 7),
    "batch_size": ("32", 32),
    "learning_rate": ("1e-2", 0.01),
    "optimizer": ("sgd", "sgd"),
    "weight_decay": ("0.5", 0.5),
    "early_stopping": (None, True),
    "validation_fraction": ("0.2", 0.2),
    "n_iter_no_change": ("3", 3),
    "n_importance_samples": ("4", 4),
    "precision": ("float32", "float32"),
    "device": ("cpu", "cpu"),
    "random_state": ("5", 5),
    "anomaly_score": ("elbo", "elbo"),
    "contamination": ("0.2", 0.2),
    "calibration_fraction": ("0.3", 0.3),
    "n_estimators": ("2", 2),
    "missing_values": ("?", "?"),
    "hidden_fraction": ("0.1", 0.1),
    "mechanism": ("self_masking", "self_masking"),
    "sample_posterior": (None, True),
    "add_indicator": (None, True),
    "keep_empty_features": (None, True),
    "unlabeled": ("?", "?"),
    "consistency": ("0.5", 0.5),
}
KINDS = {
    "--detector": (VAEAnomalyDetector, DETECTOR_PARAMETERS),
    "--imputer": (VAEImputer, IMPUTER_PARAMETERS),
    "--classifier": (VAEClassifier, CLASSIFIER_PARAMETERS),
}
EVERY_PARAMETER = PARAMETERS | DETECTOR_PARAMETERS | IMPUTER_PARAMETERS | CLASSIFIER_PARAMETERS


def parse(*options):
    return build_parser().parse_args(["fit", "--data", "digits", "-o", "m", *options])


def commands():
    (verbs,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return verbs.choices


@pytest.mark.parametrize(
    ("cls", "offered"),
    [
        (VAETransformer, PARAMETERS),
        *((cls, PARAMETERS | own) for cls, own in KINDS.values()),
    ],
)
def test_every_parameter_is_offered_with_its_default_or_left_out_for_a_reason(cls, offered):
    signature = inspect.signature(cls).parameters
    assert set(signature) == set(offered) | set(NOT_OFFERED)
    assert not set(offered) & set(NOT_OFFERED)
    assert all(NOT_OFFERED.values())
    for name, parameter in offered.items():
        default = signature[name].default
        found = parameter.default_of(imputer=cls is VAEImputer)
        assert (found, type(found)) == (default, type(default)), name


def test_the_help_shows_every_default():
    helps = {action.dest: action.help for action in commands()["fit"]._actions}
    for name, parameter in EVERY_PARAMETER.items():
        if parameter.default in (None, False):
            assert "default" not in helps[name]
        else:
            others = "" if parameter.of_imputer is None else f", of imputers {parameter.of_imputer}"
            assert helps[name].endswith(f" [default: {parameter.default}{others}]")


def test_parameters_without_an_option_are_unknown_to_the_parser():
    options = commands()["fit"]._option_string_actions
    assert not {option_of(name) for name in NOT_OFFERED} & set(options)


@pytest.mark.parametrize("verb", commands())
def test_the_help_of_a_verb_describes_all_its_options(verb):
    command = commands()[verb]
    text = command.format_help()
    for action in command._actions:
        assert all(option in text for option in action.option_strings)
        assert action.help, action.option_strings


def test_without_options_the_estimators_have_their_defaults():
    assert build_estimator(parse()).get_params() == VAETransformer().get_params()
    for option, (cls, _) in KINDS.items():
        assert build_estimator(parse(option)).get_params() == cls().get_params()


@pytest.mark.parametrize(
    ("option", "name"),
    [(option, name) for option, (_, own) in KINDS.items() for name in PARAMETERS | own],
)
def test_an_option_sets_its_parameter(option, name):
    (text, value), cls = VALUES[name], KINDS[option][0]
    words = [option_of(name), *([] if text is None else [text])]
    params = build_estimator(parse(option, *words)).get_params(deep=False)
    expected = cls(**{name: value}).get_params(deep=False)
    assert type(params[name]) is type(value)
    assert repr(params) == repr(expected) != repr(cls().get_params(deep=False))


@pytest.mark.parametrize(
    ("text", "value"), [("-999", -999), ("0.5", 0.5), ("nan", float("nan")), ("NA", "NA")]
)
def test_missing_values_are_numbers_or_text(text, value):
    found = parse("--imputer", "--missing-values", text).missing_values
    assert (repr(found), type(found)) == (repr(value), type(value))


@pytest.mark.parametrize("name", ["n_components", "max_epochs", "batch_size", "weight_decay"])
def test_auto_is_a_value(name):
    assert getattr(parse(option_of(name), "auto"), name) == "auto"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--n-components", "0", "'0' is not an integer of at least 1"),
        ("--n-components", "2.5", "'2.5' is not an integer of at least 1"),
        ("--network", "MLP(dropout=1.5)", "The 'dropout' parameter of MLP must be"),
        ("--likelihood", "Gaussian(noise='loud')", "The 'noise' parameter of Gaussian must be"),
        ("--objective", "ELBO(beta=-1)", "The 'beta' parameter of ELBO must be"),
        ("--anomaly-score", "RelativeError(floor=-1)", "'floor' parameter of RelativeError"),
        ("--max-epochs", "many", "'many' is not an integer of at least 1, nor 'auto'"),
        ("--batch-size", "True", "'True' is not an integer of at least 1, nor 'auto'"),
        ("--learning-rate", "fast", "'fast' is not a number"),
        ("--optimizer", "os", "invalid choice: 'os'"),
        ("--weight-decay", "none", "'none' is not a number, nor 'auto'"),
        ("--n-iter-no-change", "()", "'()' is not an integer of at least 1"),
        ("--precision", "float16", "invalid choice: 'float16'"),
        ("--random-state", "-1", "'-1' is not an integer from 0 to 2**32 - 1"),
        ("--random-state", str(2**32), "is not an integer from 0 to 2**32 - 1"),
    ],
)
def test_the_parser_refuses_a_value_of_another_type(run, option, value, message):
    done = run("fit", "--data", "digits", "-o", "m", f"{option}={value}")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"skvae fit: error: argument {option}: ")
    assert message in done.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--learning-rate", "0"),
        ("--learning-rate", "nan"),
        ("--weight-decay", "-1"),
        ("--validation-fraction", "1"),
        ("--contamination", "0.6"),
        ("--calibration-fraction", "0"),
    ],
)
def test_the_estimator_refuses_a_number_out_of_range(option, value):
    with pytest.raises(InvalidParameterError, match=f"'{option[2:].replace('-', '_')}' parameter"):
        build_estimator(parse("--detector", option, value))
