"""Contributions of features, compared with conditional distributions of a linear Gaussian model."""

import copy

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris

import skvae
from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.scores import Score, _contributions
from tests.scores.helpers import scored_by


@pytest.fixture(scope="module")
def by_likelihood(detector, X):
    return scored_by("log_likelihood", detector, X)


@pytest.mark.parametrize(("n_rounds", "tolerance"), [(4, 0.1), (30, 1e-5)])
def test_a_contribution_is_what_the_conditional_density_lacks(
    linear, n_rounds, tolerance, monkeypatch
):
    """The gain is (x_j - E[x_j | others])^2 / (2 Var[x_j | others]): its share in log p(x)."""
    precision = np.linalg.inv(linear.covariance)
    variance = 1 / np.diag(precision)  # of each feature given the others
    deviation = (linear.X - linear.mu) @ precision * variance
    expected = deviation**2 / (2 * variance)
    monkeypatch.setattr(_contributions, "_N_ROUNDS", n_rounds)
    found = scored_by("log_likelihood", linear.detector, linear.X).explain(linear.X)
    assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_a_wrong_cell_contributes_most_to_every_score(digits):
    X = digits.data[digits.target == 0]
    detector = VAEAnomalyDetector(
        4, network=MLP(hidden_layer_sizes=(32,)), max_epochs=60, random_state=0
    ).fit(X)
    rows = X[:5].copy()
    rows[:, 3 * 8 + 3] = 16.0  # ink in the hole of a zero
    for score in ("residual_neighbors", "relative_error"):
        assert (scored_by(score, detector, X).explain(rows).argmax(1) == 27).all(), score


class Sum(Score):
    def __call__(self, module, x, known, n_samples):
        return x.sum(1)


def test_only_one_feature_is_replaced_at_a_time(detector, X):
    """The sum of a row falls by the difference of the feature alone."""
    by_sum = scored_by(Sum(), detector, X)
    found = by_sum.explain(X[:4])
    for column in (0, 20, 63):
        rows = X[:4].copy()
        rows[:, column] = 1000.0  # the expected value does not depend on the observed one
        again = by_sum.explain(rows)
        expected = found[:, column] + X[:4, column] - 1000.0
        assert_allclose(again[:, column], expected, rtol=1e-9)


@pytest.mark.parametrize("likelihood", ["poisson", "categorical"])
def test_a_whole_number_is_replaced_by_a_whole_number(digits, likelihood):
    X = digits.data[:50]
    detector = VAEAnomalyDetector(
        2, network=MLP(hidden_layer_sizes=(8,)), likelihood=likelihood, max_epochs=2, random_state=0
    ).fit(X)
    found = scored_by(Sum(), detector, X).explain(X[:3])
    np.testing.assert_array_equal(found, np.rint(found))
    assert np.isfinite(detector.explain(X[:3])).all()


@pytest.mark.parametrize("block_values", [1, 64 * 7, 64 * 64 * 3])
def test_the_size_of_blocks_changes_nothing(by_likelihood, X, block_values, monkeypatch):
    at_once = by_likelihood.explain(X[:4])
    monkeypatch.setattr(_contributions, "_BLOCK_VALUES", block_values)
    rows = X[:1] if block_values == 1 else X[:4]
    assert_allclose(by_likelihood.explain(rows), at_once[: len(rows)], rtol=1e-7, atol=1e-7)


def test_the_rows_are_not_changed(by_likelihood, X):
    rows = X[:2].copy()
    by_likelihood.explain(rows)
    np.testing.assert_array_equal(rows, X[:2])


NUMBERS = load_iris(as_frame=True).data
TINY = {"network": MLP(hidden_layer_sizes=(16,)), "max_epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def frame():
    names = np.array(["setosa", "versicolor", "virginica"])[load_iris().target]
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(150) % 40, "D")
    return NUMBERS.iloc[:, :2].assign(kind=names, day=days)


@pytest.fixture(scope="module")
def of_frame(frame):
    return VAEAnomalyDetector(2, prior="normal", **TINY).fit(frame)


def by_cell(explained, n_rows, names, column="contribution"):
    return explained.pivot(index="row", columns="feature", values=column).loc[range(n_rows), names]


def test_contributions_in_a_frame_are_those_above_the_median_of_training_rows():
    of_array = VAEAnomalyDetector(2, **TINY).fit(NUMBERS.to_numpy())
    of_frame = VAEAnomalyDetector(2, **TINY).fit(NUMBERS)
    contributions = of_array.explain(NUMBERS.to_numpy())
    found = by_cell(of_frame.explain(NUMBERS), 150, NUMBERS.columns)
    assert_allclose(found, contributions - np.median(contributions, axis=0), atol=1e-12)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert_array_equal(of_frame.explain(NUMBERS.to_numpy()), contributions)


def test_typical_rows_have_contributions_around_zero(of_frame, frame):
    explained = of_frame.explain(frame)
    assert_allclose(explained.groupby("feature")["contribution"].median(), 0, atol=1e-12)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_an_explanation_has_a_row_for_every_cell_the_strongest_first(of_frame, frame, library):
    rows = frame.iloc[[3, 99]].assign(kind=["unseen", "virginica"], day=[pd.Timestamp.max] * 2)
    rows["day"] = pd.to_datetime(["2020-01-02", "2030-05-06"])
    given = nw.from_native(rows).to_dict(as_series=False)
    given = nw.from_dict(given, backend=library).to_native()
    native = of_frame.explain(given)
    assert type(native) is type(given)
    explained = nw.from_native(native).to_pandas()
    assert [*explained] == ["row", "feature", "value", "expected", "contribution"]
    assert explained["row"].tolist() == [0] * 4 + [1] * 4
    for _, part in explained.groupby("row"):
        assert (np.diff(part["contribution"]) <= 0).all()
    assert explained.loc[0, ["feature", "value"]].tolist() == ["kind", "unseen"]
    values = by_cell(explained, 2, [*frame], "value").to_numpy()
    assert values.tolist() == [
        ["4.6", "3.1", "unseen", "2020-01-02"],
        ["5.7", "2.8", "virginica", "2030-05-06"],
    ]
    expected = by_cell(explained, 2, [*frame], "expected")
    assert set(expected["kind"]) <= set(frame["kind"])
    pd.to_datetime(expected["day"], format="%Y-%m-%d")
    assert expected.iloc[:, :2].astype(float).to_numpy().min() >= frame.iloc[:, :2].to_numpy().min()
    assert_allclose(explained["contribution"], of_frame.explain(rows)["contribution"], rtol=1e-9)


def test_a_saved_detector_explains_as_before(of_frame, frame, tmp_path):
    skvae.save(of_frame, tmp_path / "m.skvae")
    found = skvae.load(tmp_path / "m.skvae").explain(frame[:3])
    pd.testing.assert_frame_equal(found, of_frame.explain(frame[:3]))


def test_a_file_with_too_few_usual_contributions_is_refused(of_frame, tmp_path):
    forged = copy.copy(of_frame)
    forged._usual_contributions = np.ones(3)
    skvae.save(forged, tmp_path / "m.skvae")
    with pytest.raises(ValueError, match="it has 3 usual contributions for 4 columns"):
        skvae.load(tmp_path / "m.skvae")


@pytest.mark.parametrize("values", [np.full(4, np.inf), np.ones(4, np.float32)])
def test_other_usual_contributions_are_not_saved(of_frame, tmp_path, values):
    forged = copy.copy(of_frame)
    forged._usual_contributions = values
    with pytest.raises(ValueError, match=r"state\.usual_contributions' is .*, but an array of"):
        skvae.save(forged, tmp_path / "m.skvae")


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (
            np.array([1.0, 0.1, 1e20, 123456.789]),
            ["1", "0.1", "100000000000000000000", "123456.789"],
        ),
        (np.array([5.1, 2], np.float32), ["5.1", "2"]),
        (pd.Series([1, None], dtype="Int64"), ["1", None]),
        (pd.Series(["nan", None]), ["nan", None]),
        (pd.Series([True, False]), ["True", "False"]),
        (pd.to_datetime(pd.Series(["2020-01-01", None])), ["2020-01-01", None]),
        (pd.to_datetime(pd.Series(["2020-01-01 10:30"])), ["2020-01-01 10:30:00"]),
        (pd.Series([1.5, np.nan]), ["1.5", None]),
        (pd.Series([0.1], dtype="float32"), ["0.1"]),
    ],
)
def test_cells_are_text_as_one_writes_them(cells, texts):
    X = cells[:, None] if isinstance(cells, np.ndarray) else cells.to_frame("a")
    assert _contributions.cells_as_text(X)[:, 0].tolist() == texts
