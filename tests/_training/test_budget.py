"""The rules behind "auto"."""

import math

import pytest
import torch
from scipy.integrate import quad

from skvae._training.budget import (
    one_cycle,
    resolve_device,
    resolve_precision,
    training_budget,
    warmup_epochs,
)


@pytest.mark.parametrize("n_samples", [2, 150, 1347, 9_999, 10_000, 60_000, 1_000_000, 10**8])
def test_steps_follow_the_documented_rule(n_samples):
    budget = training_budget(n_samples)
    steps_per_epoch = math.ceil(n_samples / budget.batch_size)
    expected = max(1000, 20 * math.sqrt(n_samples))
    assert budget.max_epochs >= 1
    assert budget.max_epochs * steps_per_epoch >= expected
    assert (budget.max_epochs - 1) * steps_per_epoch < expected
    assert budget.batch_size == (64 if n_samples < 10_000 else 128)
    assert budget.weight_decay == min(1, 1000 / n_samples)


@pytest.mark.parametrize(("n_samples", "expected"), [(1999, 64), (2000, 128), (10_000, 256)])
def test_batches_of_tables_of_names_are_twice_as_large(n_samples, expected):
    assert training_budget(n_samples, of_table=True).batch_size == expected


def test_a_given_batch_size_is_kept():
    assert training_budget(1000, batch_size=10).batch_size == 10
    assert training_budget(1000, batch_size=10).max_epochs == 10


def test_the_cycle_has_mean_one_warms_up_and_ends_at_zero():
    assert quad(one_cycle, 0, 1, points=[0.25])[0] == pytest.approx(1)
    assert one_cycle(0) == 0
    assert one_cycle(0.25) == pytest.approx(2)
    assert one_cycle(1) == pytest.approx(0)
    rates = [one_cycle(step / 100) for step in range(101)]
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


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
def test_auto_precision_is_bfloat16_for_wide_rows_if_native(
    monkeypatch, precision, n_features, native, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    assert resolve_precision(precision, "cpu", n_features) == expected


def test_auto_precision_is_float32_with_an_older_torch(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", "cpu", 784) == "float32"


@pytest.mark.parametrize("present", [True, False])
def test_auto_device_is_the_gpu_if_there_is_one(monkeypatch, present):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert resolve_device("auto") == ("cuda" if present else "cpu")


@pytest.mark.parametrize(("supported", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_precision_on_a_gpu_is_bfloat16_if_native(monkeypatch, supported, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported)
    assert resolve_precision("auto", "cuda", 784) == expected


def test_a_device_that_is_not_available_raises():
    with pytest.raises(ValueError, match="device='cuda:99' cannot be used here: .*device='cpu'"):
        resolve_device("cuda:99")


@pytest.mark.parametrize(
    ("max_epochs", "early_stopping", "heavy_tailed", "expected"),
    [(60, False, True, 20), (600, True, True, 20), (60, False, False, 0), (600, True, False, 0)],
)
def test_heavy_tails_are_warmed_up_over_a_third(max_epochs, early_stopping, heavy_tailed, expected):
    assert warmup_epochs(max_epochs, early_stopping, heavy_tailed) == expected
