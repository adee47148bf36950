"""The forest of tensors gives the scores of scikit-learn's isolation forest."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest

from skvae.scores._neighbors import grown_forest, isolation


@pytest.mark.parametrize("n_rows", [256, 569])
def test_scores_are_those_of_scikit_learn(n_rows):
    X = load_breast_cancer().data[:n_rows].astype(np.float32).astype(np.float64)
    forest = grown_forest(X, n_trees=20)
    expected = -IsolationForest(n_estimators=20, random_state=0).fit(X).score_samples(X)
    assert_allclose(isolation(torch.from_numpy(X), forest), expected, rtol=1e-9)


@pytest.mark.parametrize("X", [np.zeros((2, 3)), np.arange(6.0).reshape(3, 2)])
def test_a_few_rows_or_copies_grow_a_forest(X):
    forest = grown_forest(X, n_trees=3)
    scores = isolation(torch.from_numpy(X), forest)
    assert scores.isfinite().all()
    assert forest["split_feature"].shape == forest["split_value"].shape == (3, 255)


def test_an_isolated_row_has_the_highest_score():
    X = np.random.default_rng(0).normal(size=(300, 2))
    X[7] = 9
    forest = grown_forest(X, n_trees=100)
    assert isolation(torch.from_numpy(X), forest).argmax() == 7
