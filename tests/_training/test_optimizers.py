"""The optimisers behind the short names: torch's own steps, without torch's compiler."""

import pickle
import subprocess
import sys

import pytest
import torch
from skorch.callbacks import Callback

from skvae import VAETransformer
from skvae._training.optimizers import LARGEST_GRADIENT, clip_gradients, light
from skvae.likelihoods import Gaussian
from skvae.networks import MLP

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


def gradients_of(*values):
    parameters = [torch.nn.Parameter(torch.zeros(len(value))) for value in values]
    for weights, value in zip(parameters, values, strict=True):
        weights.grad = torch.tensor(value)
    return parameters


def test_large_gradients_are_scaled_down_by_one_factor():
    first, second, without = gradients_of([3e9, 0.0], [0.0, 0.0, 4e9], [0.0])
    without.grad = None
    clip_gradients([first, second, without])
    torch.testing.assert_close(first.grad, torch.tensor([0.6e8, 0.0]))
    torch.testing.assert_close(second.grad, torch.tensor([0.0, 0.0, 0.8e8]))
    assert without.grad is None


def test_gradients_within_the_limit_are_left_to_the_bit():
    (weights,) = gradients_of([0.9e8, 0.1, 1e-30])
    before = weights.grad.clone()
    clip_gradients([weights])
    assert torch.equal(weights.grad, before)


def test_no_gradients_at_all():
    clip_gradients([torch.nn.Parameter(torch.zeros(2))])


class LargestNorm(Callback):
    def on_train_begin(self, net, **kwargs):
        self.found_ = 0.0

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [weights.grad.flatten() for _, weights in named_parameters]
        self.found_ = max(self.found_, torch.cat(gradients).norm().item())


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.Adagrad])
def test_no_gradient_in_a_fit_exceeds_the_limit(digits, optimizer):
    """Noise fixed at a millionth of the range makes gradients of more than 1e12 otherwise."""
    spy = LargestNorm()
    VAETransformer(
        2,
        network=MLP(hidden_layer_sizes=(8,)),
        likelihood=Gaussian(noise=1e-5),
        max_epochs=2,
        optimizer=optimizer,
        callbacks=[spy],
        random_state=0,
    ).fit(digits.data[:200])
    assert spy.found_ == pytest.approx(LARGEST_GRADIENT, rel=1e-5)


def test_others_are_left_alone():
    assert light(torch.optim.Adagrad) is torch.optim.Adagrad


def test_a_fit_does_not_load_the_compiler():
    program = (
        "import sys, numpy as np, skvae\n"
        "X = np.random.default_rng(0).normal(size=(20, 3))\n"
        "skvae.VAETransformer(2, max_epochs=1).fit(X).score_samples(X)\n"
        "print('torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
