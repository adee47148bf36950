"""Mini-batches of a tensor."""

import pytest
import torch
from skorch.dataset import Dataset

from skvae._random import make_generator
from skvae._rows.batches import Batches, n_batches, resident


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


@pytest.mark.parametrize(
    ("batch_size", "expected"), [(1, 11), (4, 3), (5, 2), (10, 1), (11, 1), (100, 1)]
)
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


@pytest.mark.parametrize("batch_size", [2, 3, 4, 5, 7, 10])
@pytest.mark.parametrize("generator", [None, make_generator(0)], ids=["in order", "shuffled"])
def test_no_batch_has_a_single_row(x, batch_size, generator):
    batches = Batches(Dataset(x), batch_size, generator)
    for passed in (batches._here(), batches._staged()):
        passed = list(passed)
        sizes = [len(batch) for batch in passed]
        assert len(sizes) == n_batches(11, batch_size)
        assert set(sizes[:-1]) <= {batch_size}
        assert 2 <= sizes[-1] <= batch_size + 1
        torch.testing.assert_close(torch.cat(passed).sort(dim=0).values, x)


@pytest.mark.parametrize(("n_rows", "batch_size"), [(1, 1), (1, 8), (3, 1)])
def test_a_single_row_or_a_batch_size_of_one_is_left_alone(n_rows, batch_size):
    sizes = [len(batch) for batch, _ in Batches(Dataset(torch.zeros(n_rows, 2)), batch_size)]
    assert sizes == [1] * n_rows


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
