"""Mini-batches of a tensor."""

import pytest
import torch
from skorch.dataset import Dataset

from skvae._batches import Batches
from skvae._random import make_generator


@pytest.fixture
def x():
    return torch.arange(22.0).reshape(11, 2)


def test_in_order_without_a_generator(x):
    batches = list(Batches(Dataset(x), batch_size=4))
    assert [len(batch) for batch, _ in batches] == [4, 4, 3]
    torch.testing.assert_close(torch.cat([batch for batch, _ in batches]), x)


def test_every_row_once_a_pass_in_a_fresh_order(x):
    batches = Batches(Dataset(x), batch_size=4, generator=make_generator(0))
    first, second = (torch.cat([batch for batch, _ in batches]) for _ in range(2))
    for order in (first, second):
        torch.testing.assert_close(order.sort(dim=0).values, x)
    assert not torch.equal(first, second)
    again = Batches(Dataset(x), batch_size=4, generator=make_generator(0))
    torch.testing.assert_close(torch.cat([batch for batch, _ in again]), first)


def test_the_target_is_the_input(x):
    for batch, target in Batches(Dataset(x), batch_size=5):
        assert batch is target


@pytest.mark.parametrize(("batch_size", "expected"), [(1, 11), (4, 3), (11, 1), (100, 1)])
def test_length(x, batch_size, expected):
    batches = Batches(Dataset(x), batch_size)
    assert len(batches) == len(list(batches)) == expected
