"""The optimisers behind the short names: torch's own steps, without torch's compiler."""

import pickle

import pytest
import torch

from skvae._training.optimizers import light

CLASSES = [torch.optim.AdamW, torch.optim.SGD]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("with_closure", [False, True])
def test_steps_are_those_of_torch(cls, with_closure):
    paths = []
    for optimizer in (cls, light(cls)):
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 7))
        stepper = optimizer([weights], lr=0.1, weight_decay=0.1)

        def closure(stepper=stepper, weights=weights):
            stepper.zero_grad()
            loss = weights.pow(4).sum()
            loss.backward()
            return loss

        for _ in range(5):
            if not with_closure:
                closure()
            stepper.step(closure if with_closure else None)
        paths.append(weights.detach())
    assert torch.equal(*paths)


@pytest.mark.parametrize("cls", CLASSES)
def test_state_goes_back_and_forth(cls):
    weights = torch.nn.Parameter(torch.ones(3))
    stepper = light(cls)([weights], lr=0.1)
    weights.sum().backward()
    stepper.step()
    theirs = cls([weights], lr=0.2)
    theirs.load_state_dict(pickle.loads(pickle.dumps(stepper)).state_dict())
    assert theirs.param_groups[0]["lr"] == 0.1
    assert theirs.state_dict()["state"].keys() == stepper.state_dict()["state"].keys()


def test_others_are_left_alone():
    assert light(torch.optim.Adagrad) is torch.optim.Adagrad
