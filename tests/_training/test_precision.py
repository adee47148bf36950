"""What trains in bfloat16 beside the module that keeps the weights."""

import pytest
import torch
from torch import nn

from skvae._training.precision import WorkingCopy


class Counter(nn.Module):
    """A part with a state of its own, and a weight that no layer holds."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        self.calls += 1
        return self.scale * x


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), Counter(), nn.Linear(4, 2))


def loss(module, x, lowered):
    with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
        return module(x).float().square().sum()


def test_nothing_to_lower_is_the_module_itself(module):
    copy = WorkingCopy(module, None)
    assert copy.module is module
    loss(copy.module, torch.randn(5, 3), lowered=False).backward()
    before = module[0].weight.grad
    copy.refresh()
    copy.return_gradients()
    assert module[0].weight.grad is before


def test_layers_alone_are_lowered(module):
    copy = WorkingCopy(module, torch.bfloat16)
    assert copy.module[0].weight.dtype == copy.module[3].bias.dtype == torch.bfloat16
    assert module[0].weight.dtype == torch.float32
    assert copy.module[1] is module[1]  # normalisation, with its running means
    assert copy.module[2] is module[2]  # and what counts its calls


def test_gradients_are_those_of_autocast_alone(module):
    x = torch.randn(64, 3)
    copy = WorkingCopy(module, torch.bfloat16)
    loss(copy.module, x, lowered=True).backward()
    copy.return_gradients()
    found = [weights.grad.clone() for weights in module.parameters()]
    module.zero_grad()
    loss(module, x, lowered=True).backward()
    for gradient, weights in zip(found, module.parameters(), strict=True):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, weights.grad, rtol=0, atol=0)


def test_a_gradient_is_handed_over_once(module):
    copy = WorkingCopy(module, torch.bfloat16)
    loss(copy.module, torch.randn(5, 3), lowered=True).backward()
    copy.return_gradients()
    module.zero_grad()
    copy.return_gradients()
    assert module[0].weight.grad is None


def test_refreshed_by_what_became_of_the_weights(module):
    copy = WorkingCopy(module, torch.bfloat16)
    with torch.no_grad():
        module[0].weight.fill_(3.0)
        module[3].weight.requires_grad_(False)
    copy.refresh()
    assert copy.module[0].weight.eq(3).all()
    assert not copy.module[3].weight.requires_grad
    loss(copy.module, torch.randn(5, 3), lowered=True).backward()
    copy.return_gradients()
    assert module[3].weight.grad is None


def test_weights_that_others_use_too_stay_as_they_are():
    layer, table = nn.Linear(3, 5, bias=False), nn.Embedding(5, 3)
    table.weight = layer.weight
    copy = WorkingCopy(nn.ModuleList([layer, table]), torch.bfloat16)
    assert copy.module[0].weight is copy.module[1].weight is layer.weight


def test_weights_shared_by_layers_are_lowered_together():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    copy = WorkingCopy(nn.Sequential(first, second), torch.bfloat16)
    assert copy.module[0].weight is copy.module[1].weight
    assert copy.module[0].weight.dtype == torch.bfloat16


def test_channels_of_a_convolution_come_last():
    copy = WorkingCopy(nn.Sequential(nn.Conv2d(3, 4, 3)), torch.bfloat16)
    assert copy.module[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert copy.module(torch.randn(2, 3, 8, 8).bfloat16()).is_contiguous(
        memory_format=torch.channels_last
    )
