"""Mini-batches of a tensor."""

import pytest
import torch
from skorch.dataset import Dataset

from skvae._random import make_generator
from skvae._rows.batches import Batches, resident


@pytest.fixture
def x():
    return torch.arange(22.0).reshape(11, 2)


def test_in_order_without_a_generator(x):
    batches = list(Batches(Dataset(x), batch_size=4))
    assert [len(batch) for batch, _ in batches] == [4, 4, 3]
    torch.testing.assert_close(torch.cat([batch for batch, _ in batches]), x)


def test_every_pass_has_every_row_once_in_a_fresh_order(x):
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
def test_length_is_the_number_of_batches(x, batch_size, expected):
    batches = Batches(Dataset(x), batch_size)
    assert len(batches) == len(list(batches)) == expected


def test_staged_batches_equal_the_others(x):
    """On a GPU the stages are page-locked; here they are ordinary memory."""
    batches = Batches(Dataset(x), batch_size=4, generator=make_generator(0))
    staged = list(batches._staged())
    batches.generator.manual_seed(0)
    assert [len(batch) for batch in staged] == [4, 4, 3]
    for sent, batch in zip(staged, batches._here(), strict=True):
        torch.testing.assert_close(sent, batch)  # although its stage has been filled again


def test_rows_in_order_are_staged_in_order(x):
    torch.testing.assert_close(torch.cat(list(Batches(Dataset(x), 4)._staged())), x)


@pytest.mark.parametrize(("free", "stays"), [(2 * 22 * 4, False), (2 * 22 * 4 - 1, True)])
def test_rows_move_to_a_gpu_with_twice_their_memory_free(monkeypatch, x, free, stays):
    monkeypatch.setattr("skvae._rows.batches._free_memory", lambda device: free)
    moved = []
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: moved.append(device) or self)
    assert resident(x, "cuda") is x
    assert moved == [] if stays else moved == [torch.device("cuda")]


def test_rows_stay_on_a_machine_without_a_gpu(x):
    assert resident(x, "cpu") is x
