"""The curves of the training history."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skvae import VAETransformer
from skvae.networks import MLP
from skvae.plotting import TrainingCurveDisplay


def test_curves_are_the_history(of_table):
    display = TrainingCurveDisplay.from_estimator(of_table)
    assert sorted(display.lines_) == ["train_kl", "train_loss", "train_reconstruction"]
    for name, line in display.lines_.items():
        np.testing.assert_array_equal(line.get_xdata(), [1, 2])
        np.testing.assert_array_equal(line.get_ydata(), of_table.history_[name])
    assert [panel.get_ylabel() for panel in display.axes_] == ["nats per row"] * 3
    assert display.best_lines_ == []
    assert display.axes_[0].get_legend() is None


def test_early_stopping_adds_validation_curves_and_marks_the_best_epoch(iris):
    network = MLP(hidden_layer_sizes=(8,))
    vae = VAETransformer(2, network=network, max_epochs=6, early_stopping=True, random_state=0)
    vae.fit(iris.data)
    display = TrainingCurveDisplay.from_history(vae.history_)
    np.testing.assert_array_equal(display.lines_["valid_kl"].get_ydata(), vae.history_["valid_kl"])
    best = 1 + np.argmin(vae.history_["valid_loss"])
    assert [line.get_xdata()[0] for line in display.best_lines_] == [best] * 3
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["training", "validation", f"best epoch: {best}"]


def test_the_best_epoch_of_an_earlier_fit_is_not_marked():
    history = {"train_loss": [3.0, 2.0, 1.0], "valid_loss": [3.0, 2.0, np.nan]}
    display = TrainingCurveDisplay(history).plot()
    assert display.best_lines_ == []
    assert len(display.axes_) == 1


def test_other_terms_of_an_objective_have_panels_too():
    history = {"train_loss": [1.0], "train_entropy": [2.0], "duration": [0.1]}
    display = TrainingCurveDisplay.from_history(history, curve_kwargs={"linewidth": 5})
    assert [panel.get_title(loc="left") for panel in display.axes_][1] == "entropy"
    assert display.lines_["train_entropy"].get_linewidth() == 5
    assert display.lines_["train_loss"].get_marker() == "o"  # a line needs two points


def test_invalid_input_raises():
    with pytest.raises(ValueError, match=r"no entry whose name begins with 'train_', only \['dur"):
        TrainingCurveDisplay.from_history({"duration": [1.0]})
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(VAETransformer())
