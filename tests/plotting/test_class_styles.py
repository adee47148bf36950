"""Colours, marks and labels of classes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skvae.plotting._class_styles import MOST_CLASSES, class_styles, label_at_medians


@pytest.mark.parametrize("n_classes", [2, 7, 8, 26, MOST_CLASSES])
def test_no_two_classes_look_alike(n_classes):
    looks = {tuple(sorted(style.items())) for style in class_styles(n_classes)}
    assert len(looks) == n_classes


def test_ten_classes_differ_by_colour_alone():
    assert len({style["color"] for style in class_styles(10)}) == 10


def test_labels_stand_at_the_medians_where_there_is_room():
    points = np.array([[0.0, 0.0], [0.2, 0.0], [0.1, 3.0], [5.0, 5.0]])
    labels = label_at_medians(plt.subplots()[1], points, np.array([0, 0, 0, 1]), np.array([0, 1]))
    assert [label.get_text() for label in labels] == ["0", "1"]
    np.testing.assert_allclose(labels[0].get_position(), [0.1, 0.0], atol=1e-4)


def test_labels_of_coinciding_classes_move_apart():
    points = np.r_[np.zeros((26, 2)), [[-1, -1], [1, 1]]]
    y = np.r_[np.arange(26), [26, 27]]
    labels = label_at_medians(plt.subplots()[1], points, y, np.unique(y))
    places = np.array([label.get_position() for label in labels]) / 2  # of an extent of two
    distances = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(28)
    assert distances.min() > 0.06
