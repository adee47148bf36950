"""Where the histogram of scores begins, and what it gathers there."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae.plotting._score_histogram import draw_histogram, groups_of


def _drawn(scores, threshold):
    _, ax = plt.subplots()
    scores = np.asarray(scores, dtype=float)
    (bars,), line, note = draw_histogram(ax, scores, threshold, groups_of(scores, None))
    return bars, line, note


def test_a_far_tail_is_gathered_in_the_first_bar_and_the_note_says_so():
    bars, _, note = _drawn([-1e6, -1e5, *np.linspace(-1, 1, 98)], threshold=-0.8)
    assert sum(bar.get_height() for bar in bars) == 100
    assert bars[0].get_x() == pytest.approx(-0.8 - 4 * 1.8)
    assert bars[0].get_height() == 2
    assert "the first bar holds all rows below −7.78" in note


def test_scores_that_reach_no_farther_are_all_shown():
    bars, _, note = _drawn(np.linspace(-3, 1, 50), threshold=-0.8)
    assert bars[0].get_x() == -3
    assert note == ""


@pytest.mark.parametrize("threshold", [-5.0, 0.0, 5.0])
def test_the_threshold_is_within_the_picture_wherever_the_scores_are(threshold):
    bars, line, _ = _drawn([0.0, 0.0], threshold)
    assert line.get_xdata()[0] == threshold
    assert bars[0].get_x() <= threshold <= bars[-1].get_x() + bars[-1].get_width()
    assert sum(bar.get_height() for bar in bars) == 2
