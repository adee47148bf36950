"""The rule behind "auto"."""

import math

import pytest
from scipy.integrate import quad

from skvae._training.budget import one_cycle, training_budget


@pytest.mark.parametrize("n_samples", [2, 150, 1347, 9_999, 10_000, 60_000, 1_000_000, 10**8])
def test_steps_follow_the_documented_rule(n_samples):
    budget = training_budget(n_samples)
    steps_per_epoch = math.ceil(n_samples / budget.batch_size)
    wanted = max(1000, 20 * math.sqrt(n_samples))
    assert budget.max_epochs >= 1
    assert budget.max_epochs * steps_per_epoch >= wanted
    assert (budget.max_epochs - 1) * steps_per_epoch < wanted
    assert budget.batch_size == (64 if n_samples < 10_000 else 128)
    assert budget.weight_decay == min(1, 1000 / n_samples)


def test_a_batch_size_chosen_is_kept():
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
