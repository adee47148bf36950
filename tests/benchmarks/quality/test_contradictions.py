"""Contradictions are planted as described; a detector that knows them is seen as perfect."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def contradictions(script):
    return script("contradictions")


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    n_rows = 2000
    return pd.DataFrame(
        {
            "age": rng.integers(17, 20, n_rows),
            "workclass": rng.choice(["Private", "State-gov"], n_rows),
            "education": rng.choice(["Doctorate", "Masters"], n_rows),
            "education-num": 14,
            "relationship": rng.choice(["Husband", "Wife"], n_rows),
            "sex": "Male",
            "hours-per-week": rng.choice([40, 60], n_rows),
        }
    )


def test_planted_rows_are_contradictions_and_the_others_are_unchanged(contradictions, people):
    rows, planted = contradictions.plant(people, np.random.default_rng(0))
    kinds, counts = np.unique(planted[planted.astype(bool)].astype(str), return_counts=True)
    assert sorted(kinds) == sorted(contradictions.KINDS)
    assert (counts == contradictions.EACH).all()
    husband, doctor, idle = (rows[planted == kind] for kind in contradictions.KINDS)
    assert (husband[["relationship", "sex"]] == ["Husband", "Female"]).all(axis=None)
    assert (doctor[["age", "education"]] == [17, "Doctorate"]).all(axis=None)
    assert (idle[["workclass", "hours-per-week"]] == ["Never-worked", 60]).all(axis=None)
    pd.testing.assert_frame_equal(rows[~planted.astype(bool)], people[~planted.astype(bool)])


def test_a_detector_that_knows_the_contradictions_is_perfect(contradictions, people):
    rows, planted = contradictions.plant(people, np.random.default_rng(0))

    class Knowing:
        def fit(self, X):
            return self

        def score_samples(self, X):
            return -planted.astype(bool).astype(float)

        def explain(self, X):
            columns = [sorted(contradictions.KINDS[kind])[0] for kind in planted[planted != None]]  # noqa: E711
            cells = {"row": range(len(X)), "feature": columns, "contribution": 1.0}
            return pd.DataFrame(cells)

    result = contradictions.evaluate(Knowing(), people, rows, planted)
    assert result["AUROC"] == result["named"] == 1
