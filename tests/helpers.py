"""Helpers shared by several test modules; no tests."""

import random
import sys

import numpy as np
import torch
from skorch.callbacks import Callback

from skvae import VAEAnomalyDetector, VAEClassifier, VAEImputer
from skvae.scores import NoveltyRarity

# the default score, of whose 100 trees the growth takes most of a small fit
FEW_TREES = NoveltyRarity(n_estimators=4)


def quick_parameters(estimator_class):
    """Return the parameters by which a detector has few trees, and an imputer one model."""
    of_class = {VAEAnomalyDetector: {"anomaly_score": FEW_TREES}, VAEImputer: {"n_estimators": 1}}
    return of_class.get(estimator_class, {})


class Labelled(VAEClassifier):
    """The classifier with labels of its own, by which it is called as the other estimators are."""

    def fit(self, X, y=None, sample_weight=None):
        return super().fit(X, _labels(X) if y is None else y, sample_weight)

    def partial_fit(self, X, y=None, *args, **kwargs):
        return super().partial_fit(X, _labels(X) if y is None else y, *args, **kwargs)

    def score(self, X, y=None, sample_weight=None):
        return super().score(X, _labels(X) if y is None else y, sample_weight)


Labelled.__name__ = Labelled.__qualname__ = "VAEClassifier"  # in messages


def _labels(X):
    """Return two classes in turn, and no label for every third row."""
    labels = np.arange(np.shape(X)[0] if np.ndim(X) else 1) % 2
    labels[2::3] = -1
    labels[:2] = [0, 1][: len(labels)]
    return labels


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
