"""Short names of the parts, and the objects that they stand for."""

import pytest
import torch

from skvae._specs import (
    OF_GAPS,
    OF_TABLES,
    OPTIMIZERS,
    SHORT_NAMES,
    SPEC_CLASSES,
    resolve,
    resolve_optimizer,
)
from skvae._validation import InvalidParameterError
from skvae.networks import MLP


@pytest.mark.parametrize("role", SHORT_NAMES)
def test_a_short_name_is_a_default_object(role):
    for name, make in SHORT_NAMES[role].items():
        spec = resolve(role, name)
        assert repr(spec) == repr(make())
        assert spec is not resolve(role, name)
        assert type(spec) in SPEC_CLASSES


@pytest.mark.parametrize(
    ("role", "autos"), [(role, autos) for autos in (OF_TABLES, OF_GAPS) for role in autos]
)
def test_auto_may_be_another_object_and_other_names_are_not(role, autos):
    spec = resolve(role, "auto", autos)
    assert repr(spec) == repr(autos[role]) != repr(resolve(role, "auto"))
    assert spec is not autos[role]
    for name in SHORT_NAMES[role].keys() - {"auto"}:
        assert repr(resolve(role, name, autos)) == repr(resolve(role, name))
    given = SHORT_NAMES[role]["auto"]()
    assert repr(resolve(role, given, autos)) == repr(given)


def test_an_object_is_copied_and_checked():
    spec = MLP(hidden_layer_sizes=(3, 4))
    resolved = resolve("network", spec)
    assert resolved is not spec
    assert resolved.get_params() == spec.get_params()
    with pytest.raises(InvalidParameterError, match="'dropout' parameter of MLP"):
        resolve("network", MLP(dropout=2))


def test_short_names_of_optimizers_are_torch_classes():
    for name, optimizer in OPTIMIZERS.items():
        assert issubclass(optimizer, torch.optim.Optimizer)
        assert resolve_optimizer(name) is optimizer
    assert resolve_optimizer(torch.optim.RMSprop) is torch.optim.RMSprop
    with pytest.raises(InvalidParameterError, match="'optimizer' parameter must be .* got <class"):
        resolve_optimizer(MLP)
