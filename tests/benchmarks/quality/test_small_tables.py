"""Cases of small tables are scored on other rows, by three models of as many components."""

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis


@pytest.fixture
def small_tables(script):
    return script("small_tables")


class Recorder(PCA):
    """PCA that keeps the rows of its fit and of its score."""

    seen: list = []

    def __init__(self, n_components=None, *, random_state=None):
        super().__init__(n_components, random_state=random_state)

    def fit(self, X):
        self.seen.append(X)
        self.n_components = min(self.n_components, X.shape[1])
        return super().fit(X)

    def score(self, X):
        self.seen.append(X)
        return super().score(X)


def test_rows_are_held_out_and_components_are_capped(small_tables, monkeypatch):
    X = np.random.default_rng(0).normal(size=(1300, 5))
    monkeypatch.setattr(small_tables, "VAETransformer", Recorder)
    monkeypatch.setattr(Recorder, "seen", [])
    found = small_tables.compare(X, 50, 8, seed=1)
    train, test = Recorder.seen
    assert len(train) == 50
    assert len(test) == 1000
    assert not set(train[:, 0]) & set(test[:, 0])
    assert found["pca"] == pytest.approx(PCA(5).fit(train).score(test))
    assert found["fa"] == pytest.approx(FactorAnalysis(5).fit(train).score(test))


def test_a_table_of_too_few_rows_is_left_out(small_tables):
    assert small_tables.compare(np.zeros((60, 3)), 50, 2, seed=0) is None


def test_a_summary_counts_deficits_of_more_than_three_nats(small_tables):
    cases = [
        {"vae": -10.0, "pca": -5.0, "fa": -20.0},
        {"vae": -10.0, "pca": -13.0, "fa": -7.5},
        {"vae": -10.0, "pca": -11.0, "fa": -12.0},
    ]
    found = small_tables.summary("all", cases)
    assert found["number"] == 3
    assert found["behind"] == "33.3 %"
    assert found["less PCA"] == "+1.00"
    assert found["less FA"] == "+2.00"
    assert found["less the better"] == "-2.50"
    assert found["worst"] == "-5.00"


@pytest.mark.parametrize("name", ["iris", "wine", "friedman", "factors", "spectra"])
def test_tables_are_finite_rows_of_measurements(small_tables, name):
    X = small_tables.TABLES[name]()
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(X) > 100


def test_the_table_has_rows_for_each_size_each_table_and_all(small_tables, rows_of, monkeypatch):
    X = np.random.default_rng(0).normal(size=(200, 5))
    monkeypatch.setattr(small_tables, "VAETransformer", Recorder)
    monkeypatch.setattr(small_tables, "TABLES", {"one": lambda: X, "other": lambda: X[:80]})
    options = ["--rows", 50, 100, "--components", 2, "--seeds", 2, "--tables", "one", "other"]
    found = rows_of(small_tables, *options)
    numbers = {row["cases"]: row["number"] for row in found}
    assert numbers == {"50": 4, "100": 2, "one": 4, "other": 2, "all": 6}
