"""The measures of the table of few labels, against values worked out by hand."""

import numpy as np
import pytest


@pytest.fixture
def classes(script):
    return script("classes")


def test_labels_are_balanced_and_the_others_unknown(classes):
    y = np.repeat([0, 1, 2], [50, 20, 30])
    partly = classes.partly_labelled(y, 12, seed=0)
    assert np.bincount(partly[partly >= 0]).tolist() == [4, 4, 4]
    assert (partly[partly >= 0] == y[partly >= 0]).all()


def test_a_share_of_each_class_has_labels_and_at_least_two_rows(classes):
    y = np.repeat(["a", "b"], [200, 10])
    known = classes.chosen_labels(y, 0.05, seed=0)
    assert known[y == "a"].sum() == 10
    assert known[y == "b"].sum() == 2


def test_the_calibration_error_is_the_mean_gap_of_the_bins(classes):
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False, True, False])
    expected = (4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.55)) / 6
    assert classes.calibration_error(confidence, correct) == pytest.approx(expected)


def test_tables_with_text_are_encoded_for_the_alternatives(classes):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"size": [0.0, 1.0, 5.0, 6.0] * 10, "kind": ["a", None, "b", "b"] * 10})
    y = np.array(["no", "no", "yes", "yes"] * 10, dtype=object)
    known = np.arange(40) < 20
    fit_and_score = classes.TABLE_MODELS["logistic regression"]
    assert fit_and_score(table, y, known, table, y) == 1
