"""The display of a detector's scores."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skvae.plotting._figure import INLIER_COLOUR, OUTLIER_COLOUR, axes_to_draw_on


class AnomalyScoreDisplay:
    """Histogram of anomaly scores, with the detector's threshold.

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

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.
    figure_ : matplotlib Figure
        Figure of the axes.
    histograms_ : list of matplotlib BarContainer
        Inliers and outliers, or all rows in one.
    line_ : matplotlib Line2D
        The threshold.

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

    def __init__(self, scores, threshold, y=None, *, score_name="log_likelihood"):
        self.scores = scores
        self.threshold = threshold
        self.y = y
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None):
        """Score rows and draw the histogram.

        Parameters
        ----------
        estimator : VAEAnomalyDetector
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows in the units of the training data.
        y : array-like of shape (n_samples,), default=None
            The truth, where it is known: -1 for outliers, 1 for inliers.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        display : AnomalyScoreDisplay
            With what was drawn.
        """
        scores = estimator.score_samples(X)
        return cls(scores, estimator.offset_, y, score_name=estimator.anomaly_score).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        self : AnomalyScoreDisplay
            With `ax_`, `figure_`, `histograms_` and `line_` set.
        """
        scores = column_or_1d(self.scores)
        self.ax_ = axes_to_draw_on(ax, figsize=(5.2, 3.4))
        self.figure_ = self.ax_.figure
        # the far tail of the outliers is gathered in the first bar: it would flatten the rest
        low = min(np.quantile(scores, 0.02), self.threshold)
        shown = np.clip(scores, low, None)
        edges = np.linspace(low, scores.max(), 41)
        self.histograms_ = [
            self.ax_.hist(shown[group], bins=edges, color=colour, alpha=0.65, label=label)[2]
            for label, group, colour in self._groups(scores)
        ]
        self.line_ = self.ax_.axvline(
            self.threshold, color="black", linestyle="--", label="threshold"
        )
        self.ax_.set(
            xlabel=f"{self.score_name.replace('_', '-')} (nats; higher is more normal)",
            ylabel="rows",
            title="Anomaly scores",
        )
        self.ax_.legend(frameon=False)
        return self

    def _groups(self, scores: np.ndarray) -> list[tuple[str, np.ndarray, str]]:
        if self.y is None:
            return [("all rows", np.ones(len(scores), dtype=bool), INLIER_COLOUR)]
        y = column_or_1d(self.y)
        check_consistent_length(scores, y)
        return [("inliers", y == 1, INLIER_COLOUR), ("outliers", y == -1, OUTLIER_COLOUR)]
