"""The layout that all figures share."""

import matplotlib.pyplot as plt
import pytest

from skvae.plotting._figure_layout import axes_to_draw_on, title_over


@pytest.mark.parametrize(
    "title",
    [
        "Observed (blue), imputed (orange), true (black)",
        "Intervals of 95% against true values, and their coverage",
        "100,000 rows and their reconstructions (30 of 1,000 features)",
    ],
)
def test_titles_are_no_wider_than_the_figure(title):
    ax = axes_to_draw_on(None, 3)
    title_over(ax, title)
    ax.figure.canvas.draw()
    assert ax.title.get_window_extent().width <= ax.figure.bbox.width
    assert ax.title.get_text().split() == title.split()
    plt.close(ax.figure)
