import pytest

from skvae.cli._literals import parse_spec, spec_signatures
from skvae.likelihoods import Gaussian
from skvae.networks import MLP, Conv
from skvae.objectives import ELBO


@pytest.mark.parametrize(
    ("role", "text", "expected"),
    [
        ("network", "conv", "conv"),
        ("network", "MLP()", MLP()),
        ("network", "MLP((64, 32), dropout=0.1)", MLP((64, 32), dropout=0.1)),
        ("network", " Conv( channels = (8,16) ) ", Conv(channels=(8, 16))),
        ("likelihood", "Gaussian(noise='per_feature')", Gaussian(noise="per_feature")),
        ("objective", "ELBO(beta=4)", ELBO(beta=4)),
        ("objective", "ELBO(beta=-4)", ELBO(beta=-4)),  # for the constraints to refuse
    ],
)
def test_a_spec_is_written_as_in_python(role, text, expected):
    assert repr(parse_spec(role, text)) == repr(expected)


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
def test_what_is_no_call_of_a_known_class_is_refused(text):
    expected = r"is no network. Give mlp or conv or resnet, or .* MLP\(hidden"
    with pytest.raises(ValueError, match=expected):
        parse_spec("network", text)


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
def test_an_argument_that_is_no_plain_value_is_refused_and_not_run(elsewhere, argument):
    with pytest.raises(ValueError, match="holds more than plain values"):
        parse_spec("network", f"MLP({argument})")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("argument", ["width=3", "1, 2, 3, 4, 5", "1, hidden_layer_sizes=2"])
def test_arguments_that_the_class_does_not_take_are_refused(argument):
    with pytest.raises(ValueError, match=r"argument.*expected MLP\(hidden_layer_sizes="):
        parse_spec("network", f"MLP({argument})")


def test_every_call_that_is_shown_can_be_parsed():
    shown = [(role, call) for role, calls in spec_signatures().items() for call in calls]
    assert len(shown) >= 7
    for role, call in shown:
        assert type(parse_spec(role, call)).__name__ == call.partition("(")[0]
