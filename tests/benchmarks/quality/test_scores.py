"""Every score is computed from one model, as if a detector had been fitted for it alone."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import roc_auc_score

from skvae import VAEAnomalyDetector


@pytest.fixture
def scores(script):
    return script("scores")


def test_scores_are_those_of_detectors_fitted_for_them(scores, monkeypatch):
    detector = partial(VAEAnomalyDetector, 2, max_epochs=2)
    monkeypatch.setattr(scores, "VAEAnomalyDetector", detector)
    X, y = load_iris(return_X_y=True)
    found = scores.evaluate(["elbo", "residual_neighbors"], X[:100], {"real": (X, y == 2)}, 0)
    for name, auroc in found.items():
        alone = detector(anomaly_score=name, random_state=0).fit(X[:100])
        assert auroc == roc_auc_score(y == 2, -alone.score_samples(X))


def test_generated_kinds_count_together_as_much_as_real_outliers(scores):
    class Identity:
        def score_samples(self, X):
            return -X[:, 0]

    labels = np.array([0, 0, 1, 1])
    right, wrong = (np.array(column, dtype=float)[:, None] for column in (labels, 1 - labels))
    kinds = {"local": (wrong, labels), "global": (wrong, labels), "real": (right, labels)}
    assert scores.auroc(Identity(), kinds) == 0.5
    assert scores.auroc(Identity(), {"real": (right, labels)}) == 1
