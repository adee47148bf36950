"""Each class is the normal class once, and the area is that of its ranking."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch


class NearCentre(BaseEstimator):
    """A detector whose score is minus the distance from the mean of the training rows."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X):
        self.centre_ = X.mean(axis=0)
        return self

    def score_samples(self, X):
        return -np.linalg.norm(X - self.centre_, axis=1)


@pytest.fixture
def one_class(script, monkeypatch):
    one_class = script("one_class")
    monkeypatch.setattr(one_class, "DETECTOR", NearCentre())
    return one_class


def area(scores, is_normal):
    """Return the share of pairs of a normal and another row in the right order; ties count half."""
    ahead = scores[is_normal][:, None] - scores[~is_normal]
    return ((ahead > 0) + 0.5 * (ahead == 0)).mean()


def test_areas_are_shares_of_pairs_in_the_right_order(one_class, digits):
    X, y, X_test, y_test = (
        *(digits.data[:600], digits.target[:600]),
        *(digits.data[600:800], digits.target[600:800]),
    )
    areas, seconds = one_class.evaluate_all(0, X, y, X_test, y_test)
    assert seconds > 0
    for normal, found in enumerate(areas):
        scores = NearCentre().fit(X[y == normal]).score_samples(X_test)
        assert found == pytest.approx(100 * area(scores, y_test == normal))
    assert np.mean(areas) > 80


def test_the_table_has_all_classes_their_mean_and_the_worst(one_class, monkeypatch, rows_of):
    areas = {0: np.arange(80.0, 90.0), 1: np.arange(82.0, 92.0)}
    monkeypatch.setitem(one_class.ROWS, "test", lambda: ())
    monkeypatch.setattr(one_class, "evaluate_all", lambda seed: (areas[seed], 60.0 + seed))
    rows = rows_of(one_class, "--seeds", 2)
    assert [row["normal"] for row in rows[:12]] == [*"0123456789", "mean", "worst"]
    assert rows[3]["AUROC"] == [84.0, 1.0, 2]
    mean, worst, *published = rows[10:]
    assert mean["AUROC"] == [85.5, 1.0, 2]
    assert worst["AUROC"] == [81.0, 1.0, 2]
    assert mean["seconds"][0] == 60.5
    assert [float(row["AUROC"]) for row in published] == [94.8, 97.5, 98.3]


def test_published_figures_are_shown_for_the_test_images_only(one_class, monkeypatch, rows_of):
    monkeypatch.setitem(one_class.ROWS, "letters", lambda: ())
    monkeypatch.setattr(one_class, "evaluate_all", lambda seed: (np.arange(80.0, 90.0), 60.0))
    rows = rows_of(one_class, "--rows", "letters")
    assert [row["normal"] for row in rows] == [*"0123456789", "mean", "worst"]


def test_development_rows_are_disjoint_training_images(one_class, monkeypatch):
    numbers = np.arange(60_000)
    monkeypatch.setattr("_rows.fetch_mnist", lambda return_X_y: (numbers[:, None], numbers))
    X, y, X_test, y_test = one_class.ROWS["development"]()
    assert (len(X), len(X_test)) == (50_000, 10_000)
    assert not set(X[:, 0]) & set(X_test[:, 0])
    np.testing.assert_array_equal(X[:, 0], y)
    np.testing.assert_array_equal(X_test[:, 0], y_test)


def test_letters_are_numbered_from_a(one_class, monkeypatch):
    letters = np.array([*"CABZ"])
    parts = {name: Bunch(data=f"{name} X", target=letters) for name in ("train", "test")}
    monkeypatch.setattr(one_class, "fetch_emnist", lambda split, subset: parts[subset])
    X, y, X_test, y_test = one_class.ROWS["letters"]()
    assert (X, X_test) == ("train X", "test X")
    np.testing.assert_array_equal(y, [2, 0, 1, 3])
    np.testing.assert_array_equal(y_test, y)
