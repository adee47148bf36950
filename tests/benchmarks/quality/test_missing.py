"""Cells are removed as described, and errors and coverage of a known imputer are right."""

import numpy as np
import pytest


@pytest.fixture
def missing(script):
    return script("missing")


@pytest.mark.parametrize("kind", ["at_random", "by_observed_values"])
def test_cells_are_removed_with_the_share_asked_for(missing, kind):
    X = np.random.default_rng(0).normal(size=(5000, 8))
    gaps = getattr(missing, kind)(X, 0.3, seed=1)
    with_gaps = gaps.any(axis=0)
    assert gaps[:, with_gaps].mean() == pytest.approx(0.3, abs=0.01)
    assert with_gaps.sum() == (8 if kind == "at_random" else 4)
    assert not gaps.all(axis=1).any()


def test_gaps_depend_on_observed_values_alone(missing):
    X = np.random.default_rng(0).normal(size=(5000, 4))
    gaps = missing.by_observed_values(X, 0.3, seed=1)
    complete = ~gaps.any(axis=0)
    for column in np.flatnonzero(~complete):
        assert abs(np.corrcoef(gaps[:, column], X[:, column])[0, 1]) < 0.05
        related = [np.corrcoef(gaps[:, column], own)[0, 1] for own in X[:, complete].T]
        assert np.abs(related).max() > 0.2


def test_errors_are_those_of_the_mean(missing, monkeypatch):
    X = np.random.default_rng(0).normal(size=(2000, 5))
    monkeypatch.setattr(missing, "load", lambda table: (X - X.mean(0)) / X.std(0))
    settings = type("Settings", (), {"tables": ["any"], "seeds": 2})
    assert missing.errors("mean", settings)["mean"].mean == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
def test_intervals_of_regressions_of_independent_columns_cover_95_percent(missing, monkeypatch):
    X = np.random.default_rng(0).normal(size=(100, 3))
    monkeypatch.setattr(missing, "load", lambda table: X)
    monkeypatch.setattr(missing, "N_DRAWS", 40)
    settings = type("Settings", (), {"tables": ["any"], "seeds": 1})
    row = missing.coverages("IterativeImputer", settings)
    assert row["coverage, at random"].mean == pytest.approx(0.95, abs=0.06)
    assert missing.coverages("mean", settings) is None
