"""What short names and "auto" stand for."""

import pytest
import torch

from skvae import _specs as _parameters
from skvae._specs import OPTIMIZERS, SHORT_NAMES, resolve_precision, resolve_spec
from skvae.networks import MLP


@pytest.mark.parametrize("role", SHORT_NAMES)
def test_a_short_name_is_the_default_object(role):
    for name, spec_class in SHORT_NAMES[role].items():
        assert repr(resolve_spec(role, name)) == repr(spec_class())


def test_an_object_is_copied_and_checked():
    spec = MLP(hidden_layer_sizes=(3, 4))
    resolved = resolve_spec("network", spec)
    assert resolved is not spec
    assert resolved.get_params() == spec.get_params()
    with pytest.raises(ValueError, match="'dropout' parameter of MLP"):
        resolve_spec("network", MLP(dropout=2))


def test_short_names_of_optimizers_are_torch_classes():
    assert all(issubclass(optimizer, torch.optim.Optimizer) for optimizer in OPTIMIZERS.values())


@pytest.mark.parametrize(
    ("precision", "n_features", "native", "expected"),
    [
        ("auto", 784, True, "bfloat16"),
        ("auto", 784, False, "float32"),
        ("auto", 64, True, "float32"),
        ("float32", 784, True, "float32"),
        ("bfloat16", 4, False, "bfloat16"),
    ],
)
def test_precision(monkeypatch, precision, n_features, native, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    assert resolve_precision(precision, "cpu", n_features) == expected


def test_an_older_torch_trains_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", "cpu", 784) == "float32"


@pytest.mark.parametrize("present", [True, False])
def test_auto_device_is_the_gpu_where_there_is_one(monkeypatch, present):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert _parameters.resolve_device("auto") == ("cuda" if present else "cpu")


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_precision_on_a_gpu(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert resolve_precision("auto", "cuda", 784) == expected
