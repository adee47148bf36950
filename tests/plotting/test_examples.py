"""Rows as examples."""

import numpy as np

from skvae.plotting._examples import deviations, most_deviant


def test_deviations_are_measured_by_their_own_spread():
    X_reconstructed = np.zeros((4, 2))
    X = np.array([[1.0, 5], [-1, 5], [3, 5], [-3, 5]])
    expected = X / [np.sqrt(5), 1]  # a constant error has no spread
    np.testing.assert_allclose(deviations(X, X_reconstructed), expected)


def test_the_most_deviant_features_come_first_whatever_their_sign():
    Z = np.array([[1.0, -9, 3, 0], [1, 1, -4, 0]])
    assert most_deviant(Z, 3).tolist() == [1, 2, 0]
