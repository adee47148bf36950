"""A detector's answer to a row with values that its likelihood does not accept is -1."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skvae import VAEAnomalyDetector, load, save
from skvae._rows.batches import training_rows
from skvae._specs import SHORT_NAMES
from skvae.likelihoods import Categorical, DiscretizedLogistic
from skvae.networks import MLP
from tests.helpers import FEW_TREES
from tests.scores.helpers import scored_by

rng = np.random.default_rng(0)
N_ROWS = 60
BITS = rng.integers(0, 2, (N_ROWS, 3)).astype(float)
COUNTS = rng.poisson(4, (N_ROWS, 3)).astype(float)
LEVELS = rng.integers(0, 4, (N_ROWS, 3)).astype(float)
TABLE = np.column_stack([rng.normal(size=N_ROWS), BITS[:, 0], 40 + 9 * COUNTS[:, 0], LEVELS[:, 0]])
UNIT = [1.0001, -0.0001, 2.0, -1.0, 1e9, -1e30]
WHOLE = [30.5, -1.0, 0.5, 1e16, -1e30]
SETTINGS = {
    "network": MLP(hidden_layer_sizes=(8,)),
    "max_epochs": 1,
    "anomaly_score": FEW_TREES,
    "random_state": 0,
}

# training rows, and values that cannot occur, by column
CASES = {
    "bernoulli": (BITS, [UNIT] * 3),
    "continuous_bernoulli": (rng.random((N_ROWS, 3)), [UNIT] * 3),
    "poisson": (COUNTS, [WHOLE] * 3),
    "negative_binomial": (COUNTS, [WHOLE] * 3),
    Categorical(n_categories=4): (LEVELS, [[*WHOLE, 4.0]] * 3),
    DiscretizedLogistic(n_levels=4): (LEVELS, [[*WHOLE, 4.0]] * 3),
    "mixed": (TABLE, [[], UNIT, WHOLE, [*WHOLE, 4.0, 7.0]]),
}


@pytest.fixture(scope="module")
def detectors():
    """One detector per likelihood, fitted when it is first asked for."""
    fitted = {}

    def detector(likelihood):
        if likelihood not in fitted:
            rows = CASES[likelihood][0]
            new = VAEAnomalyDetector(2, likelihood=likelihood, calibration_fraction=0.3, **SETTINGS)
            fitted[likelihood] = new.fit(rows)
        return fitted[likelihood]

    return detector


@pytest.mark.parametrize("likelihood", CASES, ids=str)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_an_impossible_row_is_an_outlier_alone_and_in_a_batch(detectors, likelihood, data):
    detector, (rows, impossible) = detectors(likelihood), CASES[likelihood]
    dtype = data.draw(st.sampled_from([np.float64, np.float32]))
    batch = rows[:8].astype(dtype)
    before = detector.score_samples(batch)
    row = data.draw(st.integers(0, 7))
    limited = [column for column, values in enumerate(impossible) if values]
    columns = data.draw(st.sets(st.sampled_from(limited), min_size=1))
    for column in columns:
        batch[row, column] = data.draw(st.sampled_from(impossible[column]))
    scores = detector.score_samples(batch)
    assert np.isfinite(scores).all()
    assert scores[row] < detector.score_samples(rows).min()
    assert_array_equal(detector.score_samples(batch[[row]]), scores[[row]])
    assert_allclose(np.delete(scores, row), np.delete(before, row), rtol=1e6 * np.finfo(dtype).eps)
    assert detector.predict(batch)[row] == -1
    assert detector.decision_function(batch)[row] < 0
    assert detector.p_values(batch)[row] == 1 / (1 + len(detector.calibration_scores_))
    least = set(np.argsort(detector.explain(batch)[row])[-len(columns) :].tolist())
    assert least == columns
    assert roc_auc_score(np.arange(8) == row, -scores) == 1


@pytest.mark.parametrize("score", SHORT_NAMES["anomaly_score"])
def test_every_score_gives_impossible_rows_the_same(detectors, score):
    detector = scored_by(score, detectors("mixed"), TABLE)
    rows = TABLE[:5].copy()
    rows[1, 3], rows[2, 1:] = 7, -1
    scores = detector.score_samples(rows)
    assert_array_equal(scores[1:3], [-1e30, 3 * -1e30])
    assert scores[[0, 3, 4]].min() > -1e9
    assert detector.explain(rows)[1].argmax() == 3
    assert_array_equal(detector.score_samples(rows[1:3]), scores[1:3])


def test_a_likelihood_without_limits_has_no_impossible_rows():
    rows = np.random.default_rng(0).normal(size=(40, 2))
    detector = VAEAnomalyDetector(2, **SETTINGS).fit(rows)
    assert detector.score_samples([[1e6, -1e6]])[0] > -1e30


def test_a_loaded_detector_answers_the_same(detectors, tmp_path):
    detector, rows = detectors("mixed"), TABLE[:4].copy()
    rows[2, 3] = 9
    save(detector, tmp_path / "model.skvae")
    again = load(tmp_path / "model.skvae")
    assert_array_equal(again.score_samples(rows), detector.score_samples(rows))


def test_methods_that_encode_refuse_impossible_rows(detectors):
    for method in ("transform", "reconstruct", "posterior"):
        with pytest.raises(ValueError, match="column 2 of X holds 30.5 in row 1, counted from"):
            getattr(detectors("mixed"), method)([[0, 1, 40, 1], [0, 1, 30.5, 1]])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("calibration_fraction", [None, 0.3])
def test_impossible_training_rows_raise_with_their_place(method, calibration_fraction):
    pandas = pytest.importorskip("pandas", reason="pandas is optional")
    detector = VAEAnomalyDetector(
        2, likelihood="poisson", calibration_fraction=calibration_fraction, **SETTINGS
    )
    for row in (3, 41, 59):
        rows = pandas.DataFrame(COUNTS, columns=["a", "b", "c"])
        rows.loc[row, "b"] = -1
        held_out = row in _rows_set_aside(detector, rows.to_numpy())
        if held_out:
            assert getattr(detector, method)(rows).calibration_scores_[0] == -1e30
            continue
        with pytest.raises(ValueError, match=f"column 'b' of X holds -1 in row {row}, counted"):
            getattr(detector, method)(rows)


def test_impossible_rows_are_outliers_even_if_the_rows_set_aside_are_impossible():
    detector = VAEAnomalyDetector(2, likelihood="poisson", calibration_fraction=0.1, **SETTINGS)
    rows = np.column_stack([np.arange(N_ROWS), COUNTS[:, 1:]])  # whose order the first column gives
    rows[list(_rows_set_aside(detector, rows)), 1] = -1
    detector.fit(rows)
    assert_array_equal(detector.predict(rows), np.where(rows[:, 1] < 0, -1, 1))


def _rows_set_aside(detector, X):
    rows, _ = detector._set_aside(training_rows(X.astype(float), None))
    return set(range(len(X))) - set(rows.source.tolist())
