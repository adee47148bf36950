"""The inception score of distributions whose score is known."""

import math

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from skvae.metrics import inception_score


class Probabilities:
    """Classifier whose probabilities are X."""

    def predict_proba(self, X):
        return np.asarray(X)


def score(rows, **kwargs):
    return inception_score(Probabilities(), rows, **kwargs)


def test_equal_probabilities_score_one():
    assert score(np.full((30, 7), 1 / 7)).mean == pytest.approx(1)
    assert score([[0.9, 0.1, 0.0]] * 10).mean == pytest.approx(1)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_certain_and_balanced_rows_score_the_number_of_classes(n_classes):
    assert score(np.tile(np.eye(n_classes), (5, 1))).mean == pytest.approx(n_classes)


def test_two_rows_agree_with_the_score_by_hand():
    # the mean is (5/8, 3/8): KL of (1, 0) is log(8/5), of (1/4, 3/4) it is log(2/5)/4 + 3 log(2)/4
    divergences = [math.log(8 / 5), math.log(2 / 5) / 4 + 3 * math.log(2) / 4]
    expected = math.exp(sum(divergences) / 2)
    assert score([[1.0, 0.0], [0.25, 0.75]]).mean == pytest.approx(expected)


def test_the_score_is_the_exponential_of_the_mutual_information():
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=200)
    entropy_of_mean = -np.sum(rows.mean(0) * np.log(rows.mean(0)))
    mean_entropy = -np.mean(np.sum(rows * np.log(rows), axis=1))
    assert score(rows).mean == pytest.approx(np.exp(entropy_of_mean - mean_entropy))


def test_parts_are_consecutive_rows():
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]  # scores 2 and 1
    mean, std = score(rows, n_splits=2)
    assert (mean, std) == pytest.approx((1.5, 0.5))


def test_the_deviation_of_one_part_is_nan():
    assert math.isnan(score(np.eye(3)).std)


def test_noise_scores_less_than_real_rows(digits):
    X = digits.data / 16
    classifier = LogisticRegression(max_iter=300).fit(X, digits.target)
    noise = np.random.default_rng(0).uniform(size=X.shape)
    real, blank = inception_score(classifier, X).mean, inception_score(classifier, 0 * X).mean
    assert 1 <= inception_score(classifier, noise).mean < 0.8 * real < 8
    assert blank == pytest.approx(1)


BAD = {
    "no predict_proba": (LinearSVC(), {}, "LinearSVC has no method 'predict_proba'. Pass"),
    "unfitted": (DecisionTreeClassifier(), {}, "not fitted yet"),
    "no split": (Probabilities(), {"n_splits": 0}, "'n_splits' must be an integer of at least 1"),
    "too many splits": (Probabilities(), {"n_splits": 4}, "n_splits=4 is more than the 3 rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_invalid_input_raises(case):
    classifier, kwargs, message = BAD[case]
    error = NotFittedError if case == "unfitted" else ValueError
    with pytest.raises(error, match=message):
        inception_score(classifier, np.eye(3), **kwargs)


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[1.5, -0.5]]])
def test_rows_that_are_not_distributions_raise(rows):
    with pytest.raises(ValueError, match="predict_proba of Probabilities must return probabilit"):
        score(rows)
