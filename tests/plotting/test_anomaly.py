"""The histogram of anomaly scores."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae import VAEAnomalyDetector
from skvae.networks import MLP
from skvae.plotting import AnomalyScoreDisplay


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


def _counts(bars):
    return sum(bar.get_height() for bar in bars)


def test_every_row_is_counted_in_its_group(digits):
    X = digits.data[:200]
    detector = VAEAnomalyDetector(4, network=MLP((16,)), max_epochs=2, random_state=0).fit(X)
    y = np.where(np.arange(200) < 30, -1, 1)
    display = AnomalyScoreDisplay.from_estimator(detector, X, y)
    assert [_counts(bars) for bars in display.histograms_] == [170, 30]
    assert display.line_.get_xdata()[0] == detector.offset_
    assert "log-likelihood (nats" in display.ax_.get_xlabel()


def test_a_far_tail_is_gathered_in_the_first_bar():
    scores = np.r_[np.linspace(-1, 1, 99), -1e6]
    display = AnomalyScoreDisplay(scores, threshold=-0.8).plot()
    assert _counts(display.histograms_[0]) == 100
    assert display.histograms_[0][0].get_x() > -10


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AnomalyScoreDisplay([0.0, 1.0], 0.5, y=[1]).plot()
