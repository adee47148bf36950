import inspect

import pytest

from skvae._specs import SHORT_NAMES
from skvae.cli._literals import PARTS, read_part
from skvae.likelihoods import Gaussian
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO


@pytest.mark.parametrize(
    ("role", "text", "expected"),
    [
        ("network", "conv", "conv"),
        ("network", "MLP()", MLP()),
        (
            "network",
            "MLP(hidden_layer_sizes=(64, 32), dropout=0.1)",
            MLP(hidden_layer_sizes=(64, 32), dropout=0.1),
        ),
        ("network", " Conv( channels = (8,16) ) ", Conv(channels=(8, 16))),
        ("likelihood", "Gaussian(noise='per_feature')", Gaussian(noise="per_feature")),
        ("objective", "ELBO(beta=4)", ELBO(beta=4)),
    ],
)
def test_a_part_is_a_short_name_or_a_call_as_in_python(role, text, expected):
    assert repr(read_part(role, text)) == repr(expected)


@pytest.mark.parametrize(
    "text",
    [
        "mpl",
        "",
        "MLP",
        "MLP(",
        "Gaussian()",  # of another role
        "object()",
        "__import__('os')",
        "__import__('os').system('touch broken')",
        "MLP.__class__()",
        "(lambda: MLP())()",
        "MLP() if True else MLP()",
        "MLP();MLP()",
        "(" * 500,
        "MLP(\0)",
    ],
)
def test_other_text_is_refused(text):
    expected = (
        r"is not known here; expected auto, mlp, conv, resnet, or a call of MLP, .* MLP\(hidden"
    )
    with pytest.raises(ValueError, match=expected):
        read_part("network", text)


@pytest.mark.parametrize(
    "argument",
    [
        "__import__('os').system('touch broken')",
        "dropout=open('broken', 'w')",
        "dropout=[x for x in (1, 2)]",
        "dropout=0.1 if True else 0.2",
        "*(1, 2)",
        "{[]: 1}",
        "f'{1}'",
        "x",
    ],
)
def test_an_argument_that_is_not_a_literal_is_refused_and_not_evaluated(elsewhere, argument):
    with pytest.raises(ValueError, match="contains more than plain values"):
        read_part("network", f"MLP({argument})")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("role", "call", "message"),
    [
        ("network", "MLP((8,))", r"must be named: write MLP\(hidden_layer_sizes=\(8,\)\)$"),
        (
            "network",
            "MLP((8,), 'tanh', dropout=0.1)",
            r"write MLP\(hidden_layer_sizes=\(8,\), activation='tanh', dropout=0.1\)$",
        ),
        ("objective", "ELBO(4)", r"arguments of ELBO must be named: write ELBO\(beta=4\)$"),
        (
            "network",
            "MLP(1, 2, 3, 4, 5, 6, 7)",
            r"not accept so many arguments; expected MLP\(hidden",
        ),
        ("likelihood", "Poisson(1)", r"not accept so many arguments; expected Poisson\(\)"),
        ("network", "MLP(width=3)", r"MLP does not accept width; expected MLP\(hidden"),
        ("network", "MLP(**{'dropout': 0.1})", r"MLP does not accept \*\*; expected MLP"),
    ],
)
def test_arguments_without_a_known_name_are_refused(role, call, message):
    with pytest.raises(ValueError, match=message):
        read_part(role, call)


def test_a_value_out_of_range_is_refused():
    with pytest.raises(ValueError, match="The 'beta' parameter of ELBO must be .* Got -4"):
        read_part("objective", "ELBO(beta=-4)")


def test_the_table_has_every_short_name_with_the_call_that_it_abbreviates():
    known = {
        role: {name: cls() for name, cls in classes.items()}
        for role, classes in SHORT_NAMES.items()
    }
    for role, parts in known.items():
        assert PARTS[role] == {name: call_of(part) for name, part in parts.items()}
    assert PARTS.keys() == known.keys()


@pytest.mark.parametrize("role", PARTS)
def test_every_call_of_the_table_can_be_read(role):
    for call in PARTS[role].values():
        assert call_of(read_part(role, call)) == call


def call_of(part):
    """Return the call that makes an object, with all arguments."""
    names = inspect.signature(type(part)).parameters
    arguments = ", ".join(f"{name}={getattr(part, name)!r}" for name in names)
    return f"{type(part).__name__}({arguments})"
