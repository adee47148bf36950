"""Images laid side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae.plotting._mosaic import draw_mosaic, mosaic, tile_centres


def test_images_fill_line_by_line_with_gaps_of_the_background():
    rows = np.arange(3 * 6, dtype=float).reshape(3, 6)
    canvas = mosaic(rows, 2, (2, 3))
    assert canvas.shape == (5, 7)
    np.testing.assert_allclose(canvas[:2, 4:], rows[1].reshape(2, 3) / 17)
    np.testing.assert_allclose(canvas[3:, :3], rows[2].reshape(2, 3) / 17)
    assert not canvas[2].any()
    assert not canvas[:, 3].any()


def test_colour_images_keep_their_colours_and_have_white_gaps():
    rows = np.arange(2 * 18, dtype=float).reshape(2, 18)
    canvas = mosaic(rows, 2, (2, 3, 3))
    np.testing.assert_allclose(canvas[:, :3], rows[0].reshape(2, 3, 3) / 35)
    assert (canvas[:, 3] == 1).all()


def test_images_of_a_single_value_are_background():
    assert not mosaic(np.full((2, 4), 7.0), 2, (2, 2)).any()


def test_centres_of_tiles():
    np.testing.assert_array_equal(tile_centres(3, 5), [2, 8, 14])


def test_more_images_than_a_picture_holds_are_refused():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"1025 images are too many.*1024.*Pass fewer rows"):
        draw_mosaic(ax, np.ones((1025, 4)), 32, (2, 2))
