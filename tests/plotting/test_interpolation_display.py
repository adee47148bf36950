"""The decoded path between rows."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skvae import VAETransformer
from skvae.plotting import InterpolationDisplay


def test_a_path_is_decoded_from_a_straight_line(of_images, digits, decoder):
    start, end = digits.data[:2], digits.data[2:4]
    display = InterpolationDisplay.from_estimator(of_images, start, end, n_steps=5)
    z_start, z_end = of_images.posterior(start)[0], of_images.posterior(end)[0]
    for step, share in enumerate([0, 0.25, 0.5, 0.75, 1]):
        expected = decoder(of_images, (1 - share) * z_start + share * z_end)
        np.testing.assert_allclose(display.X_path[:, step], expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(display.X_path[:, 0], of_images.reconstruct(start), rtol=1e-5)


def test_a_strip_of_images_has_the_originals_at_its_ends(of_images, digits):
    start, end = digits.data[:2], digits.data[2:4]
    display = InterpolationDisplay.from_estimator(of_images, start, end, n_steps=5)
    mosaic = np.asarray(display.image_.get_array())
    assert mosaic.shape == (2 * 9 - 1, 7 * 9 - 1)
    shown = np.concatenate([start, end, *display.X_path])
    for image, tile in ((start[1], mosaic[9:, :8]), (end[1], mosaic[9:, 54:])):
        expected = (image.reshape(8, 8) - shown.min()) / np.ptp(shown)
        np.testing.assert_allclose(tile, expected)
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["start", "end"]


def test_each_panel_of_a_table_has_a_path_for_each_pair(of_table, iris):
    start, end = iris.data[:3], iris.data[100:103]
    display = InterpolationDisplay.from_estimator(of_table, start, end, n_steps=4)
    assert [panel.get_title() for panel in display.axes_] == list(iris.data.columns)
    assert [len(lines) for lines in display.lines_] == [3] * 4
    line = display.lines_[2][1]  # petal length, second pair
    np.testing.assert_array_equal(line.get_ydata(), display.X_path[1, :, 2])
    dots = [dot for dot in display.axes_[2].lines if dot.get_linestyle() == "None"]
    np.testing.assert_array_equal(dots[1].get_ydata(), [start.iloc[1, 2], end.iloc[1, 2]])


def test_invalid_input_raises(of_images, of_table, digits, iris):
    X = digits.data
    with pytest.raises(ValueError, match=r"'X_start' has shape \(2, 64\) and 'X_end' \(3, 64\)"):
        InterpolationDisplay.from_estimator(of_images, X[:2], X[:3])
    with pytest.raises(ValueError, match="'n_steps' must be at least 2.* got 1"):
        InterpolationDisplay.from_estimator(of_images, X[:2], X[:2], n_steps=1)
    with pytest.raises(ValueError, match="8 pairs are too many to tell apart; pass 7 or fewer"):
        InterpolationDisplay.from_estimator(of_table, iris.data[:8], iris.data[8:16])
    with pytest.raises(ValueError, match=r"'X_path' has shape \(1, 3, 5\) for 2 pairs"):
        InterpolationDisplay(X[:2], X[:2], np.ones((1, 3, 5))).plot()
    with pytest.raises(NotFittedError):
        InterpolationDisplay.from_estimator(VAETransformer(), X[:2], X[:2])


def test_paths_of_names_step_from_level_to_level(of_customers, customers):
    start, end = customers[:2], customers[2:4]
    display = InterpolationDisplay.from_estimator(of_customers, start, end, n_steps=5)
    assert display.X_path.shape == (10, 7)
    panel, lines = display.axes_[0], display.lines_[0]
    names = [label.get_text() for label in panel.get_yticklabels()]
    for pair, line in enumerate(lines):
        codes = line.get_ydata().round().astype(int)
        path = display.X_path["plan"].tolist()[5 * pair : 5 * pair + 5]
        assert [names[code] for code in codes] == path
        assert line.get_drawstyle() == "steps-mid"
    first, second = (line.get_ydata() % 1 for line in lines)
    assert not np.isclose(first, second).any()  # one does not hide the other
    dots = [dot for dot in panel.lines if dot.get_linestyle() == "None"]
    ends = dots[1].get_ydata().round().astype(int)
    assert [names[code] for code in ends] == [start["plan"].iloc[1], end["plan"].iloc[1]]


def test_single_rows_are_a_pair(of_images, of_table, digits, iris):
    X = digits.data
    single = InterpolationDisplay.from_estimator(of_images, X[0], list(X[1]), n_steps=3)
    pair = InterpolationDisplay.from_estimator(of_images, X[:1], X[1:2], n_steps=3)
    np.testing.assert_array_equal(single.X_path, pair.X_path)
    again = InterpolationDisplay(X[0], X[1], pair.X_path).plot()
    np.testing.assert_array_equal(again.image_.get_array(), pair.image_.get_array())
    first, last = iris.data.iloc[0], iris.data.iloc[-1]
    display = InterpolationDisplay.from_estimator(of_table, first, last, n_steps=3)
    assert [panel.get_title() for panel in display.axes_] == list(iris.data.columns)


def test_a_row_of_a_frame_of_many_kinds_is_a_pair(of_customers, customers):
    display = InterpolationDisplay.from_estimator(
        of_customers, customers.iloc[0], customers.iloc[1], n_steps=3
    )
    pairs = customers[:1], customers[1:2]
    expected = InterpolationDisplay.from_estimator(of_customers, *pairs, n_steps=3)
    assert display.X_path.equals(expected.X_path)
