"""Shares of observed, imputed and true values, and intervals of draws with their coverage."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.patches import StepPatch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAEImputer, VAETransformer
from skvae.likelihoods import Mixed
from skvae.plotting import ImputationDisplay
from tests.plotting.conftest import TINY

ONE = {**TINY, "n_estimators": 1, "n_importance_samples": 16}


def table(n_rows=200, seed=0):
    rng = np.random.default_rng(seed)
    amount = rng.gamma(2, size=n_rows)
    return pd.DataFrame(
        {
            "amount": amount,
            "whole": np.arange(n_rows),
            "animal": rng.choice(["cat", "dog", "hare"], n_rows, p=[0.5, 0.3, 0.2]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n_rows), "D"),
        }
    )


@pytest.fixture(scope="module")
def truth():
    return table()


@pytest.fixture(scope="module")
def gaps(truth):
    missing = np.random.default_rng(1).random(truth.shape) < 0.3
    missing[:, 1] = False
    return truth.mask(missing)


@pytest.fixture(scope="module")
def imputer(gaps):
    return VAEImputer(**ONE).fit(gaps)


@pytest.fixture
def display(imputer, gaps, truth):
    return ImputationDisplay.from_estimator(imputer, gaps, truth, random_state=0)


def test_columns_with_gaps_have_panels(display):
    assert list(display.histograms_) == ["amount", "animal", "day"]
    assert [panel.get_title() for panel in display.axes_] == ["amount", "animal", "day"]
    assert display.figure_ is display.ax_.figure


def test_shares_are_those_of_observed_imputed_and_true_values(display, imputer, gaps, truth):
    missing = gaps.amount.isna()
    draws = np.stack([copy.amount[missing] for copy in imputer.impute(gaps, 39, random_state=0)])
    samples = (gaps.amount[~missing], draws.ravel(), truth.amount[missing])
    low, high = np.quantile(samples[0], (0.005, 0.995))
    artists = display.histograms_["amount"]
    assert [type(artist) for artist in artists] == [StepPatch] * 3
    for artist, values in zip(artists, samples, strict=True):
        counts, edges = np.histogram(np.clip(values, low, high), np.linspace(low, high, 21))
        assert_allclose(artist.get_data().edges, edges)
        assert_allclose(artist.get_data().values, counts / len(values))


def test_levels_have_bars(display, imputer, gaps, truth):
    missing = gaps.animal.isna()
    copies = imputer.impute(gaps, 39, random_state=0)
    drawn = pd.concat([copy.animal[missing] for copy in copies])
    samples = (gaps.animal.dropna(), drawn, truth.animal[missing])
    artists = display.histograms_["animal"]
    names = [label.get_text() for label in display.axes_[1].get_xticklabels()]
    assert sorted(names) == ["cat", "dog", "hare"]
    for artist, values in zip(artists, samples, strict=True):
        assert type(artist) is BarContainer
        expected = values.value_counts(normalize=True).reindex(names, fill_value=0)
        assert_allclose([bar.get_height() for bar in artist], expected)


def test_intervals_reach_from_the_smallest_to_the_largest_of_39_draws(
    display, imputer, gaps, truth
):
    copies = imputer.impute(gaps, 39, random_state=0)
    for name in ("amount", "day"):
        missing = gaps[name].isna()
        draws = np.stack([copy[name][missing].to_numpy() for copy in copies])
        true, low, high = (np.asarray(values) for values in display.intervals[name])
        if name == "amount":
            assert_allclose(true, truth.amount[missing])
            assert_allclose([low, high], [draws.min(axis=0), draws.max(axis=0)])
        else:
            assert_array_equal(true, truth.day[missing])
        inside = (draws.min(axis=0) <= truth[name][missing]) & (
            truth[name][missing] <= draws.max(axis=0)
        )
        assert display.coverage_[name] == inside.mean()
    titles = [panel.get_title() for panel in display.interval_axes_]
    assert titles == [f"{name}: {share:.0%}" for name, share in display.coverage_.items()]


def test_intervals_without_the_truth_are_orange(display):
    true, low, high = display.intervals["amount"]
    lines = display.lines_["amount"]
    assert isinstance(lines, LineCollection)
    assert len(lines.get_segments()) == 50 < len(true)
    ends = {x: (bottom, top) for x, bottom, top in zip(true, low, high, strict=True)}
    for ((x, bottom), (_, top)), colour in zip(
        lines.get_segments(), lines.get_colors(), strict=True
    ):
        assert ends[x] == (bottom, top)
        assert to_hex(colour).upper() == ("#0072B2" if bottom <= x <= top else "#D55E00")


@pytest.mark.parametrize(("level", "n_draws"), [(0.5, 3), (0.5, 10), (0.8, 9)])
def test_coverage_is_the_level_if_the_truth_is_distributed_as_the_draws(level, n_draws):
    X = np.full((2000, 2), np.nan)
    X[:, 0] = np.random.default_rng(0).normal(size=len(X))
    X[:100, 1] = X[:100, 0]
    imputer = VAEImputer(**ONE).fit(X)
    truth = imputer.impute(X, 1, random_state=1)[0]
    display = ImputationDisplay.from_estimator(
        imputer, X, truth, level=level, n_draws=n_draws, random_state=0
    )
    assert abs(display.coverage_["x1"] - level) < 0.04


def test_without_the_truth_there_are_no_intervals(imputer, gaps):
    display = ImputationDisplay.from_estimator(imputer, gaps, n_draws=2)
    assert [len(artists) for artists in display.histograms_.values()] == [2, 2, 2]
    assert (display.coverage_, display.lines_, len(display.interval_axes_)) == ({}, {}, 0)


def test_true_values_may_be_unknown(imputer, gaps, truth):
    some = truth.assign(amount=np.nan, day=truth.day.where(truth.index % 2 == 0))
    display = ImputationDisplay.from_estimator(imputer, gaps, some)
    assert len(display.intervals["day"][0]) == gaps.day.isna()[::2].sum()
    assert np.isnan(display.coverage_["amount"])


def test_features_choose_columns(imputer, gaps, truth):
    axes = plt.subplots()[1]
    display = ImputationDisplay.from_estimator(imputer, gaps, truth, features=["day", 0], ax=axes)
    assert list(display.histograms_) == ["day", "amount"]
    assert display.ax_ is axes


def test_pipelines_fill_rows_as_their_earlier_steps_pass_them_on():
    frame = load_iris(as_frame=True).data
    gaps = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.2)
    pipeline = make_pipeline(StandardScaler(), VAEImputer(**ONE)).fit(gaps)
    display = ImputationDisplay.from_estimator(pipeline, gaps, frame, random_state=0)
    expected = ImputationDisplay.from_estimator(
        pipeline[-1], pipeline[0].transform(gaps), pipeline[0].transform(frame), random_state=0
    )
    assert list(display.intervals) == list(frame.columns)
    assert list(display.coverage_.values()) == list(expected.coverage_.values())
    for name, other in zip(display.intervals, expected.intervals, strict=True):
        assert_array_equal(display.intervals[name], expected.intervals[other])
    with pytest.raises(ValueError, match="VAETransformer does not draw values for gaps"):
        ImputationDisplay.from_estimator(make_pipeline(VAETransformer()), gaps)


def test_names_with_dollars_and_numbers_that_are_levels_are_drawn():
    frame = pd.DataFrame({"$a$ $b$": np.arange(40.0), "zip": np.arange(40) % 3 + 3000})
    gaps = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.3)
    kinds = Mixed(kinds={"zip": "level"})
    imputer = VAEImputer(**ONE, prior="normal", likelihood=kinds).fit(gaps)
    display = ImputationDisplay.from_estimator(imputer, gaps, frame, random_state=0)
    assert display.axes_[0].get_title() == r"\$a\$ \$b\$"
    assert list(display.coverage_) == ["$a$ $b$"]
    assert all(type(artist) is BarContainer for artist in display.histograms_["zip"])
    display.figure_.canvas.draw()


@pytest.mark.parametrize("to_library", [pl.from_pandas, pa.Table.from_pandas])
def test_all_libraries_have_the_same_picture(display, to_library, gaps, truth):
    X, X_true = to_library(gaps), to_library(truth)
    other = ImputationDisplay.from_estimator(VAEImputer(**ONE).fit(X), X, X_true, random_state=0)
    assert other.coverage_ == display.coverage_


def test_gaps_of_arrays_may_have_a_value_of_their_own():
    truth = np.random.default_rng(0).normal(size=(60, 3))
    missing = np.random.default_rng(1).random(truth.shape) < 0.3
    missing[:, 0] = True  # never observed: not imputed
    X = np.where(missing, -9.0, truth)
    imputer = VAEImputer(**ONE, missing_values=-9.0, add_indicator=True).fit(X)
    display = ImputationDisplay.from_estimator(imputer, X, truth, random_state=0)
    assert list(display.coverage_) == ["x1", "x2"]
    assert imputer.get_params()["add_indicator"]
    shown = display.histograms_["x1"][0].get_data()
    assert_allclose(shown.edges[[0, -1]], np.quantile(truth[~missing[:, 1], 1], (0.005, 0.995)))


def test_invalid_input_raises(imputer, gaps, truth):
    draw = ImputationDisplay.from_estimator
    with pytest.raises(ValueError, match="no gaps that the imputer fills"):
        draw(imputer, truth)
    with pytest.raises(ValueError, match="at least 39 for intervals of the level 0.95, got 38"):
        draw(imputer, gaps, truth, n_draws=38)
    with pytest.raises(ValueError, match=r"'X' has shape \(200, 4\) and 'X_true' \(9, 4\)"):
        draw(imputer, gaps, truth[:9])
    with pytest.raises(ValueError, match="VAETransformer does not draw values for gaps"):
        draw(VAETransformer(), gaps)
    with pytest.raises(ValueError, match="'whole' in 'features' is not one of the 3"):
        draw(imputer, gaps, features=["whole"])
