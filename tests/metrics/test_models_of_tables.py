"""Two-sample and prediction scores on tables with known areas under the curve."""

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.metrics import roc_auc_score

from skvae.metrics import _models_of_tables
from skvae.metrics._models_of_tables import _mean_area, prediction_score, two_sample_score

NUMBERS = np.zeros(2, dtype=bool)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_rows_of_one_distribution_cannot_be_told_apart(rng):
    real, synthetic = rng.normal(size=(2, 1000, 2))
    assert two_sample_score(real, synthetic, NUMBERS, 0) > 0.9
    assert two_sample_score(real, real, NUMBERS, 0) == 1


def test_shifted_rows_have_the_area_of_two_normal_distributions(rng):
    real, synthetic = rng.normal(size=(2, 4000, 1))
    area = ndtr(1 / np.sqrt(2))  # of a shift by one standard deviation
    found = two_sample_score(real, synthetic + 1, NUMBERS[:1], 0)
    assert found == pytest.approx(2 - 2 * area, abs=0.04)
    assert two_sample_score(real, real + 100, NUMBERS[:1], 0) == pytest.approx(0, abs=1e-3)


def test_levels_are_not_ordered(rng):
    """Codes are even in one table and odd in the other."""
    real, synthetic = rng.integers(0, 10, size=(2, 1500, 1)) * 2.0
    assert two_sample_score(real, synthetic + 1, np.array([True]), 0) == 0


def test_gaps_tell_rows_apart(rng):
    real = rng.normal(size=(300, 2))
    gaps = real.copy()
    gaps[:, 1] = np.nan
    assert two_sample_score(real, gaps, NUMBERS, 0) == 0
    assert two_sample_score(gaps, gaps[::-1], np.array([False, True]), 0) > 0.7


def test_columns_that_are_empty_in_training_are_left_alone(rng):
    X = rng.normal(size=(60, 2))
    X[:, 1] = X[:, 0] > 0
    empty = np.column_stack([np.full(60, np.nan), X[:, 1]])
    for is_level in (NUMBERS, np.array([True, False])):
        assert two_sample_score(empty, empty, is_level, 0) > 0.5
        assert prediction_score(empty, np.abs(np.round(X)), is_level, 1, True, 0) == 0.5
        assert prediction_score(empty, empty, is_level, 1, False, 0) == pytest.approx(0)


def test_predictions_of_numbers_are_scored_by_the_share_of_variance(rng):
    X = rng.uniform(-2, 2, size=(3000, 2))
    X[:, 1] = 2 * X[:, 0] + rng.normal(size=3000)
    expected = 1 - 1 / X[:, 1].var()
    found = prediction_score(X[:2000], X[2000:], NUMBERS, 1, of_classes=False, seed=0)
    assert found == pytest.approx(expected, abs=0.05)


def test_predictions_of_classes_are_scored_by_the_area_under_the_curve(rng):
    """Labels drawn from a logistic curve; the best area is that of the true probabilities."""
    X = rng.normal(size=(4000, 2))
    probability = 1 / (1 + np.exp(-2 * X[:, 0]))
    X[:, 1] = rng.uniform(size=4000) < probability
    best = roc_auc_score(X[3000:, 1], probability[3000:])
    found = prediction_score(X[:3000], X[3000:], np.array([False, True]), 1, True, 0)
    assert best - 0.04 < found <= best + 0.005
    unrelated = X[rng.permutation(4000)][:, [1]]
    shuffled = np.column_stack([X[:, 0], unrelated])[:3000]
    assert prediction_score(shuffled, X[3000:], NUMBERS, 1, True, 0) == pytest.approx(0.5, abs=0.1)


def test_rows_with_a_missing_target_are_left_out(rng):
    X = rng.normal(size=(400, 2))
    X[:, 1] = X[:, 0] > 0
    gaps = np.vstack([X, np.column_stack([X[:, 0], np.full(400, np.nan)])])
    assert prediction_score(gaps, gaps, NUMBERS, 1, True, 0) == 1


def test_the_mean_area_is_that_of_each_class_against_the_others():
    y = np.array([0, 0, 1, 1, 2])
    probabilities = {
        0: np.array([0.9, 0.2, 0.3, 0.1, 0.0]),  # 5 of 6 pairs in order
        1: np.array([0.0, 0.0, 0.5, 0.5, 0.0]),  # all
    }
    assert _mean_area(y, probabilities) == pytest.approx((5 / 6 + 1 + 1 / 2) / 3)


def test_the_area_of_two_classes_is_the_one_of_scikit_learn(rng):
    y, p = rng.integers(0, 2, size=50), rng.uniform(size=50)
    assert _mean_area(y, {0: 1 - p, 1: p}) == pytest.approx(roc_auc_score(y, p))


def test_a_single_class_in_training_predicts_nothing(rng):
    X = np.column_stack([rng.normal(size=50), np.arange(50) % 2])
    constant = np.column_stack([X[:, 0], np.zeros(50)])
    assert prediction_score(constant, X, NUMBERS, 1, True, 0) == 0.5


def test_the_number_of_rows_is_bounded(rng, monkeypatch):
    monkeypatch.setattr(_models_of_tables, "MOST_TRAINED_ON", 100)
    real, synthetic = rng.normal(size=(2, 5000, 2))
    seen = []

    class Recorder(_models_of_tables.HistGradientBoostingClassifier):
        def fit(self, X, y):
            seen.append(len(y))
            return super().fit(X, y)

    monkeypatch.setattr(_models_of_tables, "HistGradientBoostingClassifier", Recorder)
    two_sample_score(real, synthetic, NUMBERS, 0)
    assert sorted(seen) == [133, 133, 134]
