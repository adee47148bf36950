"""Shares and associations of two tables, in panels and maps."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import BarContainer
from matplotlib.patches import StepPatch
from scipy.stats.contingency import association

from skvae.metrics import table_quality
from skvae.plotting import TableQualityDisplay


def table(n_rows, seed):
    rng = np.random.default_rng(seed)
    amount = rng.gamma(2, size=n_rows)
    return pd.DataFrame(
        {
            "amount": amount,
            "double": 2 * amount + rng.normal(size=n_rows),
            "animal": rng.choice(
                ["cat", "dog", "a very long-eared hare"], n_rows, p=[0.5, 0.3, 0.2]
            ),
            "large": amount > 2,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n_rows), "D"),
        }
    )


@pytest.fixture(scope="module")
def real():
    return table(500, 0)


@pytest.fixture(scope="module")
def synthetic():
    return table(400, 1).assign(animal="dog")


def test_panels_show_the_worst_columns_first(real, synthetic):
    display = TableQualityDisplay.from_tables(real, synthetic)
    expected = table_quality(real, synthetic, random_state=0).column_shapes
    assert display.column_shapes == expected
    assert list(display.histograms_) == sorted(expected, key=expected.get)
    titles = [panel.get_title().replace("\n", " ") for panel in display.axes_]
    assert titles == [f"{name}: {expected[name]:.2f}" for name in display.histograms_]
    assert display.figure_ is display.ax_.figure


def test_numbers_have_histograms_of_shares_with_all_values(real, synthetic):
    synthetic = synthetic.assign(amount=synthetic.amount + 1000 * (synthetic.index < 40))
    display = TableQualityDisplay.from_tables(real, synthetic)
    histograms = display.histograms_["amount"]
    assert [type(artist) for artist in histograms] == [StepPatch, StepPatch]
    for artist, values in zip(histograms, (real.amount, synthetic.amount), strict=True):
        shown = artist.get_data()
        low, high = np.quantile(real.amount, (0.005, 0.995))
        np.testing.assert_allclose(shown.edges, np.linspace(low, high, 21))
        counts, _ = np.histogram(np.clip(values, low, high), shown.edges)
        np.testing.assert_allclose(shown.values, counts / len(values))
    assert histograms[1].get_data().values[-1] >= 0.1


def test_levels_have_bars_of_shares_in_descending_order(real, synthetic):
    display = TableQualityDisplay.from_tables(real, synthetic)
    bars = display.histograms_["animal"]
    assert [type(artist) for artist in bars] == [BarContainer, BarContainer]
    panel = display.axes_[list(display.histograms_).index("animal")]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["dog", "cat", "a very lo…"]
    shares = real.animal.value_counts(normalize=True)
    order = ["dog", "cat", "a very long-eared hare"]
    np.testing.assert_allclose([bar.get_height() for bar in bars[0]], shares[order])
    assert [bar.get_height() for bar in bars[1]] == [1, 0, 0]


def test_at_most_eight_levels_are_shown_with_those_of_the_synthetic_table():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"x": rng.choice(list("abcdefghij"), 500), "y": rng.normal(size=500)})
    synthetic = real.assign(x="never seen")
    display = TableQualityDisplay.from_tables(real, synthetic)
    labels = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    assert len(labels) == 8
    assert labels[0] == "unseen le…"


def test_dates_are_labelled_by_days(real, synthetic):
    display = TableQualityDisplay.from_tables(real, synthetic, features=["day"])
    first, last = (label.get_text() for label in display.axes_[0].get_xticklabels())
    assert real.day.min() <= pd.Timestamp(first) < pd.Timestamp("2024-01-10")
    assert pd.Timestamp("2024-12-20") < pd.Timestamp(last) <= real.day.max()
    assert type(display.histograms_["day"][0]) is StepPatch
    display.figure_.canvas.draw()


def test_maps_show_correlations_and_cramers_v_of_both_tables(real, synthetic):
    display = TableQualityDisplay.from_tables(real, synthetic)
    for image, frame in zip(display.images_, (real, synthetic), strict=True):
        values = image.get_array()
        assert image.get_clim() == (-1, 1)
        np.testing.assert_allclose(values, values.T)
        np.testing.assert_allclose(np.diag(values), 1)
        assert values[0, 1] == pytest.approx(frame.amount.corr(frame.double))
    counts = pd.crosstab(real.animal, real.large)
    expected = association(counts, method="cramer")
    assert display.images_[0].get_array()[2, 3] == pytest.approx(expected)
    assert display.images_[1].get_array()[2, 3] == 0
    assert [label.get_text() for label in display.map_axes_[0].get_yticklabels()] == list(real)
    assert [panel.get_title() for panel in display.map_axes_] == ["real", "synthetic"]


def test_chosen_columns_are_shown_in_the_order_given(real, synthetic):
    display = TableQualityDisplay.from_tables(real, synthetic, features=["large", 0])
    assert list(display.histograms_) == ["large", "amount"]
    assert display.images_[0].get_array().shape == (2, 2)
    assert [x.get_text() for x in display.map_axes_[0].get_yticklabels()] == ["large", "amount"]


def test_wide_arrays_have_nine_panels_and_maps_of_thirty_columns():
    X = np.random.default_rng(0).normal(size=(50, 40))
    X[:, 7], X[5, 3] = np.nan, np.nan
    worse = X + 9 * (np.arange(40) == 35)
    display = TableQualityDisplay.from_tables(X, worse)
    assert len(display.axes_) == len(display.histograms_) == 9
    assert next(iter(display.histograms_)) == "x35"
    assert display.images_[0].get_array().shape == (30, 30)
    again = TableQualityDisplay(
        display.column_shapes, display.marginals, display.associations, features=["x7"]
    ).plot()
    assert again.histograms_["x7"][0].get_data().values.sum() == 0


def test_given_axes_are_divided(real, synthetic):
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(10, 8))
    display = TableQualityDisplay.from_tables(real, synthetic, ax=axes[1])
    assert display.ax_ is axes[1]
    left = axes[0].get_subplotspec().get_position(display.figure_).x1
    assert all(panel.get_position().x0 > left for panel in display.axes_)


def test_unknown_columns_raise(real, synthetic):
    with pytest.raises(ValueError, match="'pet' in 'features' is not one of the 5 features"):
        TableQualityDisplay.from_tables(real, synthetic, features=["pet"])
    with pytest.raises(ValueError, match=r"'synthetic' cannot be compared.*missing: \['day'\]"):
        TableQualityDisplay.from_tables(real, synthetic.drop(columns="day"))
