"""Rows are split without overlap, and generated outliers have the stated distributions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor, LocalOutlierFactor


@pytest.fixture
def tabular(script):
    return script("tabular")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def correlated(rng, n=2000):
    """Return rows of three strongly correlated columns in different units."""
    shared = rng.normal(size=(n, 1))
    return (shared + 0.1 * rng.normal(size=(n, 3))) * [1, 100, 0.01] + [5, 0, -1]


def clusters(rng):
    """Return two spherical clusters on opposite sides of the origin."""
    sides = rng.permutation(np.repeat([-1.0, 1.0], 500))[:, None]
    return 4 * sides + rng.normal(size=(1000, 4))


def numbered(n_normal, n_other):
    """Return rows that hold their own number, the normal ones first."""
    return np.arange(float(n_normal + n_other))[:, None], np.arange(n_normal + n_other) < n_normal


@pytest.mark.parametrize(
    ("n_normal", "n_other", "n_train", "n_test", "n_real"),
    [(100, 30, 60, 40, 30), (101, 600, 60, 41, 500), (9000, 0, 5000, 500, 0)],
)
def test_splits_have_the_stated_sizes_and_do_not_overlap(
    tabular, rng, n_normal, n_other, n_train, n_test, n_real
):
    X, is_normal = numbered(n_normal, n_other)
    train, test = tabular.split(X, is_normal, rng)
    assert len(train) == n_train
    assert set(test) == {"local", "global", "clustered", "dependency"} | (
        {"real"} if n_real else set()
    )
    for kind, (held_out, is_outlier) in test.items():
        assert (~is_outlier.astype(bool)).sum() == n_test
        assert is_outlier.sum() == (n_real if kind == "real" else 200)
        normal = held_out[is_outlier == 0, 0]
        assert len(np.unique(normal)) == n_test
        assert not set(normal) & set(train[:, 0])
        assert max([*normal, *train[:, 0]]) < n_normal
    if n_real:
        held_out, is_outlier = test["real"]
        assert held_out[is_outlier == 1].min() >= n_normal


def test_global_outliers_are_uniform_over_the_range_and_a_tenth_more(tabular, rng):
    normal = correlated(rng)
    outliers = tabular.generate(normal, "global", rng, n=5000)
    centre = normal.mean(0)
    low, high = (centre + 1.1 * (edge - centre) for edge in (normal.min(0), normal.max(0)))
    assert (outliers >= low).all()
    assert (outliers <= high).all()
    # uniform: the corners of the box are as full as its middle
    np.testing.assert_allclose(outliers.mean(0), (low + high) / 2, atol=0.03 * (high - low).max())
    np.testing.assert_allclose(outliers.std(0), (high - low) / 12**0.5, rtol=0.05)
    assert abs(np.corrcoef(outliers.T)[0, 1]) < 0.05


def test_dependency_outliers_keep_the_columns_but_not_their_correlations(tabular, rng):
    normal = correlated(rng)
    outliers = tabular.generate(normal, "dependency", rng, n=5000)
    for found, column in zip(outliers.T, normal.T, strict=True):
        nearest = KNeighborsRegressor(1).fit(column[:, None], column).predict(found[:, None])
        np.testing.assert_allclose(found, nearest, atol=1e-9 * np.ptp(column))
        assert found.mean() == pytest.approx(column.mean(), abs=0.1 * column.std())
        assert found.std() == pytest.approx(column.std(), rel=0.1)
    assert np.corrcoef(normal.T).min() > 0.9
    assert abs(np.corrcoef(outliers.T) - np.eye(3)).max() < 0.05


def test_local_outliers_have_five_times_the_covariance(tabular, rng):
    normal = correlated(rng)
    outliers = tabular.generate(normal, "local", rng, n=20_000)
    np.testing.assert_allclose(np.cov(outliers.T), 5 * np.cov(normal.T), rtol=0.1)
    np.testing.assert_allclose(outliers.mean(0), normal.mean(0), atol=0.2 * normal.std(0).max())


def test_clustered_outliers_lie_five_times_as_far_out(tabular, rng):
    normal = clusters(rng)
    outliers = tabular.generate(normal, "clustered", rng, n=2000)
    side = np.sign(outliers[:, 0])
    assert {*side} == {-1, 1}
    np.testing.assert_allclose((side[:, None] * outliers).mean(0), np.full(4, 20), rtol=0.05)
    np.testing.assert_allclose(outliers[side > 0].std(0), 1, rtol=0.1)


def test_clustered_outliers_of_a_single_cluster_are_two_deviations_off(tabular, rng):
    normal = rng.normal(size=(1000, 4))
    outliers = tabular.generate(normal, "clustered", rng, n=2000)
    np.testing.assert_allclose(abs(outliers.mean(0)), 2, atol=0.2)


def test_baseline_scores_are_mean_neighbour_and_mahalanobis_distances(tabular, rng):
    X, held_out = rng.normal(size=(50, 3)), rng.normal(size=(9, 3))
    distances = np.sort(np.linalg.norm(held_out[:, None] - X, axis=2))[:, :5]
    neighbours = tabular.NeighborDistance().fit(X).score_samples(held_out)
    np.testing.assert_allclose(neighbours, -distances.mean(1))
    shift = held_out - X.mean(0)
    squared = (shift @ np.linalg.inv(np.cov(X.T, ddof=0)) * shift).sum(1)
    np.testing.assert_allclose(tabular.GaussianDensity().fit(X).score_samples(held_out), -squared)


def test_the_mean_weighs_real_outliers_as_much_as_all_generated_ones(tabular):
    kinds = {"local": 60.0, "global": 100.0, "clustered": 90.0, "dependency": 70.0}
    other = {"local": 60.0, "global": 99.0, "clustered": 95.0, "dependency": 60.0}
    frame = pd.DataFrame(
        {
            ("mine", "a", 0): {"real": 90.0, **kinds, "seconds": 1.0},
            ("mine", "b", 0): {**kinds, "seconds": 3.0},  # a table without real outliers
            ("mine", "a", 1): {"real": 94.0, **kinds, "seconds": 1.0},
            ("mine", "b", 1): {**kinds, "seconds": 3.0},
            (tabular.NEIGHBORS, "a", 0): {"real": 80.0, **other, "seconds": 0.0},
            (tabular.NEIGHBORS, "b", 0): {**other, "seconds": 0.0},
            (tabular.NEIGHBORS, "a", 1): {"real": 80.0, **other, "seconds": 0.0},
            (tabular.NEIGHBORS, "b", 1): {**other, "seconds": 0.0},
        }
    ).T
    row = tabular.summarize("mine", frame)
    assert str(row["real"]) == "92.0 ± 2.0"
    assert str(row["mean"]) == "86.0 ± 1.0"  # (92 + 80) / 2
    assert row["seconds per fit"] == 2
    # of 9 comparisons: 1 win in "real", 2 in "global", 2 in "dependency", and 2 ties in "local"
    assert row["wins"] == f"{100 * 6 / 9:.0f} %"


def test_the_table_has_all_kinds_of_outliers(tabular, monkeypatch, rows_of):
    monkeypatch.setitem(tabular.SKLEARN, "development", [("wine", [0])])
    monkeypatch.setitem(tabular.KEEL, "development", [])
    neighbours, gaussian = rows_of(tabular, "--detectors", tabular.NEIGHBORS, "Gaussian")
    assert neighbours["wins"] == "50 %"
    assert gaussian["detector"] == "Gaussian"
    for kind in ("mean", "real", "local", "global", "clustered", "dependency"):
        assert 50 < neighbours[kind][0] <= 100


@pytest.mark.parametrize(
    ("share", "n_normal", "n_outliers", "expected"),
    [(0.2, 400, 300, 100), (0.001, 400, 300, 5), (0.1, 3000, 900, 167), (0.4, 90, 12, 12)],
)
def test_contaminated_tables_have_the_stated_share_of_outliers(
    tabular, rng, share, n_normal, n_outliers, expected
):
    X, is_normal = numbered(n_normal, n_outliers)
    rows, is_outlier = tabular.contaminate(X[is_normal], X[~is_normal], share, rng)
    assert is_outlier.sum() == expected
    assert (~is_outlier.astype(bool)).sum() == min(n_normal, 1500)
    assert ((rows[:, 0] >= n_normal) == is_outlier).all()
    assert len(np.unique(rows)) == len(rows)


def test_training_rows_are_scored_without_themselves(tabular, rng):
    X = rng.normal(size=(60, 3))
    for detector in (tabular.NeighborDistance(), tabular.scaled(tabular.NeighborDistance())):
        rows = X if not hasattr(detector, "steps") else detector[:-1].fit_transform(X)
        distances = np.sort(np.linalg.norm(rows[:, None] - rows, axis=2))[:, 1:6]
        found = tabular.training_scores(detector.fit(X), X)
        np.testing.assert_allclose(found, -distances.mean(1))
    factor = LocalOutlierFactor().fit(X).negative_outlier_factor_
    np.testing.assert_allclose(tabular.training_scores(tabular.LocalFactor().fit(X), X), factor)


def test_contaminated_tables_are_scored_where_they_were_fitted(tabular, monkeypatch, rows_of):
    monkeypatch.setitem(tabular.SKLEARN, "development", [("wine", [0]), ("diabetes", None)])
    monkeypatch.setitem(tabular.KEEL, "development", [])
    names = [tabular.NEIGHBORS, "isolation forest"]
    found = rows_of(tabular, "--setting", "contaminated", "--detectors", *names)
    for row in found:
        assert 0 <= row["real"][0] <= 100
        assert "local" not in row


def test_normal_rows_are_those_of_the_listed_classes(tabular):
    X, is_normal = tabular.load_sklearn("wine", [2])
    assert (X.shape, is_normal.sum()) == ((178, 13), 48)
    assert tabular.load_sklearn("diabetes", None)[1].all()


@pytest.mark.parametrize("tables", ["SKLEARN", "KEEL"])
def test_held_out_and_development_tables_do_not_overlap(tabular, tables):
    development, held_out = (
        {(name, repr(classes)) for name, classes in half}
        for half in getattr(tabular, tables).values()
    )
    assert not development & held_out
