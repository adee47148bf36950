"""The optimisers behind the short names: the steps of torch, without its compiler."""

import pickle
import subprocess
import sys

import pytest
import torch

from skvae._training.optimizers import SGD, AdamW

OPTIMIZERS = [AdamW, SGD]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("with_closure", [False, True])
def test_steps_are_those_of_torch(optimizer, with_closure):
    paths = []
    for cls in (optimizer, optimizer.__base__):
        weights = torch.nn.Parameter(torch.linspace(-1, 1, 7))
        stepper = cls([weights], lr=0.1, weight_decay=0.1)

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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_state_can_be_loaded_by_the_class_of_torch(optimizer):
    weights = torch.nn.Parameter(torch.ones(3))
    stepper = optimizer([weights], lr=0.1)
    weights.sum().backward()
    stepper.step()
    theirs = optimizer.__base__([weights], lr=0.2)
    theirs.load_state_dict(pickle.loads(pickle.dumps(stepper)).state_dict())
    assert theirs.param_groups[0]["lr"] == 0.1
    assert theirs.state_dict()["state"].keys() == stepper.state_dict()["state"].keys()


def test_a_fit_does_not_load_the_compiler():
    program = (
        "import sys, numpy as np, skvae\n"
        "X = np.random.default_rng(0).normal(size=(20, 3))\n"
        "skvae.VAETransformer(2, max_epochs=1).fit(X).score_samples(X)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
