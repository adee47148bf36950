"""Axes, and panels within them."""

import matplotlib.pyplot as plt
import pytest

from skvae.plotting._figure_layout import WIDTH, axes_to_draw_on, panels_within, place_below


def test_makes_a_figure_of_one_width_or_takes_the_axes_given():
    ax = axes_to_draw_on(None, height=2.5)
    assert tuple(ax.figure.get_size_inches()) == (WIDTH, 2.5)
    assert axes_to_draw_on(ax, height=9) is ax


def test_panels_stay_in_the_place_of_their_axes():
    figure, (left, right) = plt.subplots(1, 2)
    before = left.get_position()
    panels = panels_within(left, 2, 3)
    assert panels.shape == (2, 3)
    for panel in panels.flat:
        box = panel.get_position()
        assert before.x0 <= box.x0
        assert box.x1 <= before.x1 + 1e-9
        assert box.y1 <= before.y1
    assert not left.axison
    assert right in figure.axes


def test_titles_of_frame_and_panels_do_not_overlap():
    ax = axes_to_draw_on(None, height=3)
    (panel,) = panels_within(ax, 1, 1)[0]
    ax.set_title("frame")
    panel.set_title("panel")
    ax.figure.canvas.draw()
    assert ax.title.get_window_extent().y0 >= panel.title.get_window_extent().y1


def test_room_below_has_the_share_asked_for():
    figure = plt.figure()
    ax = figure.add_subplot()
    lower = figure.add_subplot(place_below(ax, share=0.25))
    assert ax.get_position().height == pytest.approx(3 * lower.get_position().height)


def test_axes_that_stand_free_are_refused():
    ax = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match=r"stand free in their figure.*plt.subplots"):
        panels_within(ax, 1, 2)
