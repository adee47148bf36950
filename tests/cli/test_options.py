import argparse
import inspect

import pytest

from skvae import VAEAnomalyDetector, VAETransformer
from skvae._validation import InvalidParameterError
from skvae.cli import build_parser
from skvae.cli._failures import UsageError
from skvae.cli._parameters import WITHOUT_OPTION, build_estimator, option_of
from skvae.networks import MLP
from skvae.objectives import ELBO


def parse(*options):
    return build_parser().parse_args(["fit", "--data", "digits", "-o", "m", *options])


def commands():
    (verbs,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return verbs.choices


@pytest.mark.parametrize("cls", [VAETransformer, VAEAnomalyDetector])
def test_every_parameter_has_an_option_or_a_reason_to_have_none(cls):
    text = commands()["fit"].format_help()
    names = set(inspect.signature(cls).parameters)
    assert names >= WITHOUT_OPTION
    for name in names - WITHOUT_OPTION:
        assert f"\n  {option_of(name)}" in text
    for name in WITHOUT_OPTION:
        assert f"\n  {option_of(name)} " not in text


def test_the_help_shows_every_default_of_the_signature():
    command = commands()["fit"]
    command.format_help()
    helps = {action.dest: action.help for action in command._actions}
    for name, parameter in inspect.signature(VAEAnomalyDetector).parameters.items():
        if name not in WITHOUT_OPTION:
            assert helps[name].endswith(f"default: {parameter.default}]")


@pytest.mark.parametrize("verb", commands())
def test_the_help_of_a_verb_names_all_its_options(verb):
    command = commands()[verb]
    text = command.format_help()
    for action in command._actions:
        assert all(option in text for option in action.option_strings)
        assert action.help, action.option_strings
    assert not any(mark in text for mark in ("`", "]_", ":class:", "%%"))


def test_no_option_is_the_estimator_with_its_defaults():
    assert build_estimator(parse()).get_params() == VAETransformer().get_params()
    detector = build_estimator(parse("--detector"))
    assert detector.get_params() == VAEAnomalyDetector().get_params()


def test_options_become_parameters_of_their_types():
    options = {
        "--n-components": "3",
        "--network": "MLP(8)",
        "--objective": "ELBO(beta=2)",
        "--likelihood": "bernoulli",
        "--max-epochs": "auto",
        "--learning-rate": "1e-2",
        "--device": "cpu",
        "--random-state": "None",
        "--contamination": "0.2",
    }
    words = [word for pair in options.items() for word in pair]
    estimator = build_estimator(parse("--detector", "--early-stopping", *words))
    expected = VAEAnomalyDetector(
        3,
        network=MLP(8),
        objective=ELBO(beta=2),
        likelihood="bernoulli",
        early_stopping=True,
        learning_rate=0.01,
        device="cpu",
        contamination=0.2,
    )
    assert repr(estimator) == repr(expected)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--n-components", "0"),
        ("--n-components", "2.5"),
        ("--network", "MLP(dropout=1.5)"),
        ("--likelihood", "Gaussian(noise='loud')"),
        ("--objective", "ELBO(beta=-1)"),
        ("--max-epochs", "many"),
        ("--batch-size", "True"),
        ("--learning-rate", "0"),
        ("--learning-rate", "nan"),
        ("--optimizer", "os"),
        ("--weight-decay", "-1"),
        ("--validation-fraction", "1"),
        ("--n-iter-no-change", "()"),
        ("--n-importance-samples", "0"),
        ("--precision", "float16"),
        ("--device", "0"),
        ("--random-state", "-1"),
        ("--contamination", "0.6"),
    ],
)
def test_a_value_is_refused_by_the_constraints_of_the_estimator(option, value):
    with pytest.raises(InvalidParameterError, match="parameter of"):
        build_estimator(parse("--detector", option, value))


def test_a_score_may_be_a_call():
    detector = build_estimator(parse("--detector", "--anomaly-score", "RelativeError(floor=0.1)"))
    assert detector.anomaly_score.floor == 0.1
    with pytest.raises(InvalidParameterError, match="'floor' parameter of RelativeError"):
        build_estimator(parse("--detector", "--anomaly-score", "RelativeError(floor=-1)"))


def test_a_parameter_of_the_detector_asks_for_one():
    with pytest.raises(UsageError, match="--contamination is for detectors: add --detector"):
        build_estimator(parse("--contamination", "0.2"))
