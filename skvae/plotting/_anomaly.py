"""The display of a detector's scores."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from skvae._model.inference import SCORES
from skvae._validation import check_count
from skvae.plotting._examples import deviations, draw_strips, most_deviant, strips_height
from skvae.plotting._figure import axes_to_draw_on, place_below
from skvae.plotting._rows import (
    checked_pair,
    choose_features,
    feature_names_of,
    image_shape_of,
    settled_kind,
)
from skvae.plotting._score_histogram import draw_histogram, groups_of
from skvae.plotting._table import MAP_LINE, draw_feature_maps

_HEIGHT = 3.2
_MOST_FEATURES = 10


class AnomalyScoreDisplay:
    """Histogram of anomaly scores, with the detector's threshold and rows of either end below it.

    Images are shown as they are. Of a table, colours show how far the least and the most normal
    rows lie from their reconstructions, in standard deviations of that difference over all rows,
    with the features in which the least normal rows deviate most.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        What `score_samples` returned; higher is more normal.
    threshold : float
        The detector's `offset_`: rows below it are called outliers.
    y : array-like of shape (n_samples,), default=None
        The truth, where it is known: -1 for outliers, 1 for inliers, as `predict` has it.
    score_name : str, default="log_likelihood"
        What the scores are.
    X : array-like of shape (n_samples, n_features), default=None
        The rows; None draws the histogram alone.
    X_reconstructed : array-like of shape (n_samples, n_features), default=None
        Their reconstructions, which a table needs; images do without.
    n_examples : int, default=8
        Rows to show from either end.
    kind : {"auto", "image", "table"}, default="auto"
        What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
    image_shape : tuple of (height, width) or (height, width, 3), default=None
        Shape of the images; None takes them for square and grey.
    features : list of int or str, default=None
        Features of a table to show; None shows the ten that deviate most.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features of a table; None takes those of a data frame, else "x0", "x1", ….

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the histogram.
    example_axes_ : list of matplotlib Axes
        Axes with the least and the most normal rows; empty without rows.
    figure_ : matplotlib Figure
        Figure of the axes.
    histograms_ : list of matplotlib BarContainer
        Inliers and outliers, or all rows in one.
    line_ : matplotlib Line2D
        The threshold.
    images_ : list of matplotlib AxesImage
        The least and the most normal rows; empty without rows.
    least_normal_, most_normal_ : ndarray of int
        Which rows they are, the most extreme first.

    See Also
    --------
    skvae.VAEAnomalyDetector : Where the scores come from.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skvae import VAEAnomalyDetector
    >>> from skvae.plotting import AnomalyScoreDisplay
    >>> X, _ = load_iris(return_X_y=True)
    >>> detector = VAEAnomalyDetector(n_components=2, max_epochs=2, random_state=0).fit(X)
    >>> display = AnomalyScoreDisplay.from_estimator(detector, X)
    >>> bool(display.line_.get_xdata()[0] == detector.offset_)
    True
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        scores,
        threshold,
        y=None,
        *,
        score_name="log_likelihood",
        X=None,
        X_reconstructed=None,
        n_examples=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
    ):
        self.scores = scores
        self.threshold = threshold
        self.y = y
        self.score_name = score_name
        self.X = X
        self.X_reconstructed = X_reconstructed
        self.n_examples = n_examples
        self.kind = kind
        self.image_shape = image_shape
        self.features = features
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        n_examples=8,
        kind="auto",
        image_shape=None,
        features=None,
        feature_names=None,
        ax=None,
    ):
        """Score rows and draw the histogram, with examples from either end.

        Parameters
        ----------
        estimator : VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            The truth, where it is known: -1 for outliers, 1 for inliers.
        n_examples : int, default=8
            Rows to show from either end.
        kind : {"auto", "image", "table"}, default="auto"
            What the rows are; "auto" decides as in :class:`ReconstructionDisplay`.
        image_shape : tuple of (height, width) or (height, width, 3), default=None
            Shape of the images; None takes them for square and grey.
        features : list of int or str, default=None
            Features of a table to show; None shows the ten that deviate most.
        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features of a table; None takes those of X or of the estimator.
        ax : matplotlib Axes, default=None
            Axes whose place histogram and examples take; None makes a figure.

        Returns
        -------
        display : AnomalyScoreDisplay
            With what was drawn.
        """
        if not hasattr(estimator, "anomaly_score"):
            raise ValueError(
                f"{type(estimator).__name__} is no VAEAnomalyDetector. Pass one, or the scores and "
                "the threshold of another detector to from_predictions."
            )
        if feature_names is None:
            feature_names = feature_names_of(X, estimator)
        kind = settled_kind(estimator, kind, image_shape)
        display = cls(
            estimator.score_samples(X),
            estimator.offset_,
            y,
            score_name=str(estimator.anomaly_score),
            X=X,
            X_reconstructed=estimator.reconstruct(X) if kind == "table" else None,
            n_examples=n_examples,
            kind=kind,
            image_shape=image_shape,
            features=features,
            feature_names=feature_names,
        )
        return display.plot(ax)

    @classmethod
    def from_predictions(cls, scores, threshold, y=None, *, score_name="log_likelihood", ax=None):
        """Draw the histogram of scores that any detector gave, such as an isolation forest.

        Parameters
        ----------
        scores : array-like of shape (n_samples,)
            What `score_samples` returned; higher is more normal.
        threshold : float
            The detector's `offset_`: rows below it are called outliers.
        y : array-like of shape (n_samples,), default=None
            The truth, where it is known: -1 for outliers, 1 for inliers.
        score_name : str, default="log_likelihood"
            What the scores are.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : AnomalyScoreDisplay
            With what was drawn.
        """
        return cls(scores, threshold, y, score_name=score_name).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes whose place histogram and examples take; None makes a figure.

        Returns
        -------
        self : AnomalyScoreDisplay
            With `ax_`, `example_axes_`, `figure_`, `histograms_`, `line_`, `images_`,
            `least_normal_` and `most_normal_` set.
        """
        check_count("n_examples", self.n_examples)
        scores = column_or_1d(self.scores)
        groups = groups_of(scores, self.y)
        order = np.argsort(scores, kind="stable")
        self.least_normal_ = order[: self.n_examples]
        self.most_normal_ = order[::-1][: self.n_examples]
        self.example_axes_, self.images_ = [], []
        if self.X is None:
            self.ax_ = axes_to_draw_on(ax, _HEIGHT)
        else:
            self._plot_examples(ax, scores)
        self.figure_ = self.ax_.figure
        self._plot_histogram(scores, groups)
        return self

    def _plot_histogram(self, scores, groups) -> None:
        self.histograms_, self.line_, note = draw_histogram(
            self.ax_, scores, self.threshold, groups
        )
        unit = "nats; " if self.score_name in SCORES else ""
        self.ax_.set(
            xlabel=f"{self.score_name.replace('_', ' ')} ({unit}higher is more normal){note}",
            ylabel="rows",
            title="Anomaly scores",
        )
        self.ax_.legend(frameon=False)

    def _plot_examples(self, ax, scores) -> None:
        X = check_array(self.X)
        check_consistent_length(scores, X)
        shape = image_shape_of(X, self.kind, self.image_shape)
        examples = {
            "least normal rows": self.least_normal_,
            "most normal rows": self.most_normal_,
        }
        if shape is None:
            panels, self.images_ = self._plot_deviations(ax, X, examples)
        else:
            frame = self._make_room(ax, strips_height(2, len(self.least_normal_), shape))
            strips = {title: X[rows] for title, rows in examples.items()}
            panels, self.images_ = draw_strips(frame, strips, shape)
        self.example_axes_ = list(panels)

    def _plot_deviations(self, ax, X, examples):
        if self.X_reconstructed is None:
            raise ValueError(
                "Rows of a table are shown against their reconstructions: pass 'X_reconstructed' "
                "too, or kind='image' if they are images."
            )
        pair = checked_pair(X, self.X_reconstructed, ("X", "X_reconstructed"))
        Z, features = deviations(*pair), self.features
        if features is None:
            features = most_deviant(Z[self.least_normal_], _MOST_FEATURES)
        columns, names, _ = choose_features(
            self.X, features, self.feature_names, limit=_MOST_FEATURES
        )
        return draw_feature_maps(
            self._make_room(ax, 1.2 + MAP_LINE * len(columns)),
            {title: Z[rows][:, columns] for title, rows in examples.items()},
            names,
            "standard deviations from the reconstruction",
            limit=4,
        )

    def _make_room(self, ax, height: float):
        """Set the axes of the histogram, and return a frame of this height below it."""
        self.ax_ = axes_to_draw_on(ax, _HEIGHT + height)
        place = place_below(self.ax_, share=height / (_HEIGHT + height))
        return self.ax_.figure.add_subplot(place)
