"""New rows as images and as distributions."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skvae import VAETransformer
from skvae.plotting import SampleDisplay


def test_samples_of_images_equal_those_of_the_estimator(of_images):
    display = SampleDisplay.from_estimator(of_images, n_samples=7, random_state=3)
    np.testing.assert_array_equal(display.samples, of_images.sample(7, random_state=3, mean=True))
    assert display.image_.get_array().shape == (3 * 9 - 1, 3 * 9 - 1)
    assert display.histograms_ == []
    assert SampleDisplay.from_estimator(of_images).samples.shape == (64, 64)


def test_samples_of_images_are_means_unless_draws_are_requested(of_images):
    means = SampleDisplay.from_estimator(of_images, n_samples=4, random_state=0)
    np.testing.assert_array_equal(means.samples, of_images.sample(4, random_state=0, mean=True))
    noisy = SampleDisplay.from_estimator(of_images, n_samples=4, mean=False, random_state=0)
    np.testing.assert_array_equal(noisy.samples, of_images.sample(4, random_state=0, mean=False))


def test_samples_of_a_table_are_1000_rows_drawn_from_the_model(of_table, iris):
    display = SampleDisplay.from_estimator(of_table, iris.data, random_state=0)
    np.testing.assert_array_equal(
        display.samples, of_table.sample(1000, random_state=0, mean=False)
    )
    assert len(display.histograms_) == 2 * 4
    assert display.image_ is None
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(iris.data.columns)
    assert display.ax_.get_title() == "Data (above) and samples (below)"


def test_data_and_samples_are_measured_in_standard_deviations_of_the_data():
    rng = np.random.default_rng(0)
    X = rng.normal(10, 2, size=(1000, 1))
    display = SampleDisplay(np.full((5, 1), X.mean() + X.std() * 2.1), X).plot()
    data = display.histograms_[1].get_data()
    share = data.values - data.baseline
    (bar,) = np.flatnonzero(share)
    assert data.edges[bar] <= 2.1 < data.edges[bar + 1]


def test_distributions_are_shares_of_the_rows_back_to_back():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    samples = 9 + rng.normal(size=(100, 2))  # all beyond the last bar
    above, below, *_ = SampleDisplay(samples, X).plot().histograms_
    heights = above.get_data().baseline - above.get_data().values
    Z = (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    counts, _ = np.histogram(Z, above.get_data().edges)
    np.testing.assert_allclose(heights / heights.sum(), counts / 500)
    heights = below.get_data().values - below.get_data().baseline
    assert heights[-1] == pytest.approx(0.45)
    assert not heights[:-1].any()


def test_without_data_a_table_shows_the_samples_alone():
    display = SampleDisplay(np.random.default_rng(0).normal(size=(50, 4))).plot()
    assert len(display.histograms_) == 4
    assert display.ax_.get_title() == "50 samples"


@pytest.mark.parametrize("kind", ["image", "table"])
def test_the_title_names_the_source(of_images, kind):
    display = SampleDisplay.from_estimator(of_images, n_samples=4, kind=kind, features=range(64))
    assert display.ax_.get_title() == "4 samples from the prior"


def test_the_title_of_images_of_unknown_source_names_none(images):
    assert SampleDisplay(images[:4]).plot().ax_.get_title() == "4 samples"


def test_invalid_input_raises(of_images, of_table, iris):
    with pytest.raises(ValueError, match="'X' has 3 features, the samples have 4"):
        SampleDisplay.from_estimator(of_table, iris.data.iloc[:, :3])
    with pytest.raises(ValueError, match=r"64 features.*of shape \(8, 9\)"):
        SampleDisplay.from_estimator(of_images, image_shape=(8, 9))
    with pytest.raises(NotFittedError):
        SampleDisplay.from_estimator(VAETransformer())


def test_a_table_of_names_has_a_panel_of_shares_for_each_column(of_customers, customers):
    display = SampleDisplay.from_estimator(
        of_customers, customers, n_samples=300, random_state=0, features=["plan", "since", "bill"]
    )
    assert display.ax_.get_title() == "Data (blue) and samples (orange)\n(3 of 7 features)"
    assert [panel.get_title() for panel in display.axes_] == ["plan", "since", "bill"]
    samples = of_customers.sample(300, random_state=0)
    plans = [label.get_text() for label in display.axes_[0].get_xticklabels()]
    data, drawn, *_, bill = display.histograms_
    for bars, frame in ((data, customers), (drawn, samples)):
        expected = frame["plan"].value_counts(normalize=True)
        assert [bar.get_height() for bar in bars] == pytest.approx([expected[p] for p in plans])
    edges = bill.get_data().edges
    counts, _ = np.histogram(samples["bill"].clip(edges[0], edges[-1]), edges)
    np.testing.assert_allclose(bill.get_data().values, counts / 300)
    months = [label.get_text() for label in display.axes_[1].get_xticklabels()]
    assert months == [f"{day:%Y-%m}" for day in customers["since"].quantile([0.005, 0.995])]


def test_samples_of_names_are_shown_alone_without_data(of_customers):
    display = SampleDisplay.from_estimator(of_customers, n_samples=50, random_state=0)
    assert len(display.axes_) == len(display.histograms_) == 7
    assert display.ax_.get_title() == "50 samples from the prior"
    assert display.kind == "table"


@pytest.mark.parametrize("value", [7.0, 1e300, 1.0 + np.arange(2) * 2**-52])
def test_values_that_are_next_to_one_another_have_bins(value):
    pd = pytest.importorskip("pandas", reason="pandas is optional")
    frame = pd.DataFrame({"x": np.broadcast_to(value, 2), "level": ["a", "b"]})
    histogram = SampleDisplay(frame).plot().histograms_[0].get_data()
    assert histogram.values.sum() == 1
    assert (np.diff(histogram.edges) > 0).all()
