"""Helpers shared by several test modules; no tests."""

import random
import sys

import numpy as np
import torch
from skorch.callbacks import Callback

from skvae import VAEAnomalyDetector, VAEImputer
from skvae.scores import NoveltyRarity

# the default score, of whose 100 trees the growth takes most of a small fit
FEW_TREES = NoveltyRarity(n_estimators=4)


def quick_parameters(estimator_class):
    """Return the parameters by which a detector has few trees, and an imputer one model."""
    of_class = {VAEAnomalyDetector: {"anomaly_score": FEW_TREES}, VAEImputer: {"n_estimators": 1}}
    return of_class.get(estimator_class, {})


def global_states():
    """Return the states of the global generators of Python, NumPy and torch, for comparison."""
    numpy_state = np.random.get_state()  # noqa: NPY002 - the global generator is what is tested
    return (
        random.getstate(),
        numpy_state[1].tobytes(),
        numpy_state[2],
        torch.get_rng_state().tolist(),
    )


class Interruption(Callback):
    """Raises an error, by default that of Ctrl-C, in the second step of an epoch."""

    def __init__(self, epoch, error=KeyboardInterrupt):
        self.epoch = epoch
        self.error = error

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch and net.batches_done_ == 2:
            raise self.error


def allowance(seconds):
    """Return the seconds that code may take: three times as many if coverage traces its lines."""
    return seconds * (3 if sys.gettrace() else 1)
